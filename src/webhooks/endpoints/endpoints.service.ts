/* The life of an endpoint. Its URL is checked here for early feedback, and at each call because names move. */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { conflict, invalidField, notFound } from '../../kernel/errors.js';
import { newId } from '../../kernel/ids.js';
import { Database } from '../../platform/database/database.js';
import { OutboundHttp } from '../../platform/outbound/outbound-http.js';
import { type UrlFault } from '../../platform/outbound/outbound-url.js';
import { Sealer } from '../../platform/sealer.js';
import { newSecret, publicKeyOf, type SignatureScheme } from '../deliveries/signature.js';
import { type MessageType } from '../webhook-message.js';
import { normalizeHeaders } from './custom-headers.js';
import { type EndpointHealth, HEALTHY } from './endpoint-health.js';
import { EndpointsStore } from './endpoints.store.js';
import { HealthStore } from './health.store.js';
import { KeysService } from './keys.service.js';
import { headerContext, secretContext } from './sealing.js';
import {
  DEFAULT_OPTIONS,
  type DeliveryOptions,
  type EndpointChanges,
  type WebhookEndpoint,
} from './webhook-endpoint.js';

export interface NewEndpoint {
  readonly url: string;
  readonly types: readonly MessageType[];
  readonly description: string;
  /** What is left out is as usual. */
  readonly options?: Partial<DeliveryOptions>;
  readonly headers?: Readonly<Record<string, string>>;
  /** v1 when left out. */
  readonly signature?: SignatureScheme;
}

/** A secret that was made now; of v1a with its public key, which is all that anybody is to see. */
export interface NewSecret {
  readonly secret: string;
  /** Null: of v1. */
  readonly publicKey: string | null;
}

@Injectable()
export class EndpointsService {
  constructor(
    private readonly store: EndpointsStore,
    private readonly health: HealthStore,
    private readonly outbound: OutboundHttp,
    private readonly sealer: Sealer,
    private readonly keys: KeysService,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** What forbids a URL; asks name servers, hence never inside a transaction. */
  async findUrlFault(url: string): Promise<UrlFault | null> {
    return await this.outbound.findFault(url);
  }

  /**
   * A new endpoint and its secret, which is in this answer only.
   *
   * @param urlFault what `findUrlFault` said, for callers inside a transaction; left out, it is asked
   */
  async create(
    { url, types, description, options, headers = {}, signature }: NewEndpoint,
    urlFault?: UrlFault | null,
  ): Promise<{ endpoint: WebhookEndpoint } & NewSecret> {
    refuse(urlFault === undefined ? await this.findUrlFault(url) : urlFault);
    const secret = newSecret(signature);
    const id = newId('we');
    const endpoint: WebhookEndpoint = {
      id,
      url,
      types,
      description,
      createdAt: this.clock.now(),
      disabled: null,
      missedFrom: null,
      health: HEALTHY,
      previousSecretUntil: null,
      options: { ...DEFAULT_OPTIONS, ...options },
      sealedHeaders: this.sealHeaders(id, headers),
    };
    await this.store.insert(endpoint, this.sealer.seal(secret, secretContext(id)));
    return { endpoint, secret, publicKey: publicKeyOf(secret) };
  }

  /**
   * Changes an endpoint. In use again, or at another URL, it starts anew: what has waited for it is sent,
   * one at a time until that works; it keeps since when it was told nothing. That waits for messages
   * that are being published while it is disabled.
   */
  async update(id: string, changes: EndpointChanges): Promise<WebhookEndpoint> {
    if (changes.url !== undefined) {
      refuse(await this.findUrlFault(changes.url));
    }
    return await this.database.transaction(async () => {
      const endpoint = await this.getLocked(id);
      const { isDisabled, options, headers, ...fields } = changes;
      const now = this.clock.now();
      const disabled = disabledAfter(endpoint, isDisabled, now);
      const changed: WebhookEndpoint = {
        ...endpoint,
        ...fields,
        disabled,
        missedFrom:
          disabled === null
            ? (endpoint.missedFrom ?? endpoint.disabled?.at ?? null)
            : endpoint.missedFrom,
        options: { ...endpoint.options, ...options },
        sealedHeaders:
          headers === undefined ? endpoint.sealedHeaders : this.sealHeaders(id, headers),
        health: healthAfter(endpoint, { disabled, url: fields.url ?? endpoint.url }, now),
      };
      await this.store.update(changed);
      await this.health.save([changed]);
      return changed;
    });
  }

  /**
   * A new secret, in this answer only. For `overlapSeconds` attempts are signed with both, so that
   * receivers can be changed one by one; 0 is for a secret that got out.
   *
   * @param signature of the new one; left out, that of the one before, which must be readable then
   */
  async rotateSecret(
    id: string,
    overlapSeconds: number,
    signature?: SignatureScheme,
  ): Promise<NewSecret & { readonly previousUntil: Date | null }> {
    return await this.database.transaction(async () => {
      const { previousSecretUntil } = await this.getLocked(id);
      const now = this.clock.now();
      if (overlapSeconds > 0 && previousSecretUntil !== null && previousSecretUntil > now) {
        throw conflict(
          'rotation_under_way',
          `The secret before the last one is in force until ${previousSecretUntil.toISOString()}; without an overlap both are ended at once.`,
        );
      }
      const secret = newSecret(signature ?? (await this.keys.schemeOf(id)));
      const until = overlapSeconds > 0 ? new Date(now.getTime() + overlapSeconds * 1_000) : null;
      await this.store.rotateSecret(id, this.sealer.seal(secret, secretContext(id)), until);
      return { secret, publicKey: publicKeyOf(secret), previousUntil: until };
    });
  }

  /** Ends an endpoint for good; what is pending for it is given up. */
  async delete(id: string): Promise<void> {
    if (!(await this.store.delete(id, this.clock.now()))) {
      throw notFound('webhook endpoint', id);
    }
  }

  private async getLocked(id: string): Promise<WebhookEndpoint> {
    const endpoint = await this.store.find(id, 'for update');
    if (endpoint === null) {
      throw notFound('webhook endpoint', id);
    }
    return endpoint;
  }

  private sealHeaders(
    id: string,
    headers: Readonly<Record<string, string>>,
  ): Record<string, string> {
    return Object.fromEntries(
      Object.entries(normalizeHeaders(headers)).map(([name, value]) => [
        name,
        this.sealer.seal(value, headerContext(id, name)),
      ]),
    );
  }
}

function refuse(fault: UrlFault | null): void {
  if (fault !== null) {
    throw invalidField('url', fault.code, fault.detail);
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

/** A mended endpoint is given another chance at once, by a probe. */
function healthAfter(
  endpoint: WebhookEndpoint,
  { disabled, url }: Pick<WebhookEndpoint, 'disabled' | 'url'>,
  now: Date,
): EndpointHealth {
  const isBack = endpoint.disabled !== null && disabled === null;
  return isBack || url !== endpoint.url ? { failing: null, heldUntil: now } : endpoint.health;
}
