/* The life of an endpoint. Its URL is checked here for early feedback, and at each call because names move. */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { invalidField, notFound } from '../../kernel/errors.js';
import { newId } from '../../kernel/ids.js';
import { Database } from '../../platform/database/database.js';
import { OutboundHttp } from '../../platform/outbound/outbound-http.js';
import { newSecret } from '../deliveries/signature.js';
import { type MessageType } from '../webhook-message.js';
import { EndpointsStore } from './endpoints.store.js';
import { type EndpointChanges, type WebhookEndpoint } from './webhook-endpoint.js';

export interface NewEndpoint {
  readonly url: string;
  readonly types: readonly MessageType[];
  readonly description: string;
}

@Injectable()
export class EndpointsService {
  constructor(
    private readonly store: EndpointsStore,
    private readonly outbound: OutboundHttp,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** A new endpoint and its secret, which is in this answer only. */
  async create(input: NewEndpoint): Promise<{ endpoint: WebhookEndpoint; secret: string }> {
    await this.refuseForbidden(input.url);
    const secret = newSecret();
    const endpoint = {
      ...input,
      id: newId('we'),
      createdAt: this.clock.now(),
      disabled: null,
      missedFrom: null,
    };
    await this.store.insert(endpoint, secret);
    return { endpoint, secret };
  }

  /**
   * Changes an endpoint; in use again, it is sent what has waited for it, and keeps since when it was
   * told nothing. That waits for messages that are being published while it is disabled.
   */
  async update(id: string, changes: EndpointChanges): Promise<WebhookEndpoint> {
    if (changes.url !== undefined) {
      await this.refuseForbidden(changes.url);
    }
    return await this.database.transaction(async () => {
      const endpoint = await this.store.find(id, 'for update');
      if (endpoint === null) {
        throw notFound('webhook endpoint', id);
      }
      const { isDisabled, ...fields } = changes;
      const disabled = disabledAfter(endpoint, isDisabled, this.clock.now());
      const missedFrom =
        disabled === null
          ? (endpoint.missedFrom ?? endpoint.disabled?.at ?? null)
          : endpoint.missedFrom;
      const changed: WebhookEndpoint = { ...endpoint, ...fields, disabled, missedFrom };
      await this.store.update(changed);
      return changed;
    });
  }

  /** Ends an endpoint for good; what is pending for it is given up. */
  async delete(id: string): Promise<void> {
    if (!(await this.store.delete(id, this.clock.now()))) {
      throw notFound('webhook endpoint', id);
    }
  }

  private async refuseForbidden(url: string): Promise<void> {
    const fault = await this.outbound.findFault(url);
    if (fault !== null) {
      throw invalidField('url', fault.code, fault.detail);
    }
  }
}

function disabledAfter(
  { disabled }: WebhookEndpoint,
  isDisabled: boolean | undefined,
  now: Date,
): WebhookEndpoint['disabled'] {
  if (isDisabled === undefined) {
    return disabled;
  }
  return isDisabled ? (disabled ?? { at: now, reason: 'requested' }) : null;
}
