import { Injectable } from '@nestjs/common';
import { notFound } from '../kernel/errors.js';
import { type Page } from '../platform/http/page.js';
import { DeliveriesStore } from './deliveries/deliveries.store.js';
import {
  type DeliveryFilter,
  type WebhookAttempt,
  type WebhookDelivery,
} from './deliveries/webhook-delivery.js';
import { EndpointsStore } from './endpoints/endpoints.store.js';
import { type OrderBlock, type WebhookEndpoint } from './endpoints/webhook-endpoint.js';
import { ANY_MESSAGE, type MessageFilter } from './messages/message-filter.js';
import { MessagesStore } from './messages.store.js';
import { type WebhookMessage } from './webhook-message.js';

export interface ShownEndpoint extends WebhookEndpoint {
  /** What keeps it from being sent more; null: nothing, or it is not sent to in order. */
  readonly block: OrderBlock | null;
}

/** What may be asked about webhooks; secrets are never part of an answer. */
@Injectable()
export class WebhooksReader {
  constructor(
    private readonly endpoints: EndpointsStore,
    private readonly messages: MessagesStore,
    private readonly deliveries: DeliveriesStore,
  ) {}

  /** One endpoint; null when there is none, or it was deleted. */
  async findEndpoint(id: string): Promise<WebhookEndpoint | null> {
    return await this.endpoints.find(id);
  }

  /** One endpoint that was not deleted, and what keeps it from being sent more in order; throws not_found. */
  async getEndpoint(id: string): Promise<ShownEndpoint> {
    const endpoint = await this.endpoints.find(id);
    if (endpoint === null) {
      throw notFound('webhook endpoint', id);
    }
    const [shown] = await this.withBlocks([endpoint]);
    return shown ?? { ...endpoint, block: null };
  }

  /** Endpoints, newest first, without deleted ones. */
  async listEndpoints(limit: number, before: string | null): Promise<Page<ShownEndpoint>> {
    const page = await this.endpoints.list(limit, before);
    return { ...page, items: await this.withBlocks(page.items) };
  }

  private async withBlocks(endpoints: readonly WebhookEndpoint[]): Promise<ShownEndpoint[]> {
    const ordered = endpoints.filter(({ options }) => options.isOrdered).map(({ id }) => id);
    const blocks =
      ordered.length === 0
        ? new Map<string, OrderBlock>()
        : await this.deliveries.findBlocks(ordered);
    return endpoints.map((endpoint) => ({ ...endpoint, block: blocks.get(endpoint.id) ?? null }));
  }

  /** Messages, newest first. */
  async listMessages(
    limit: number,
    before: string | null,
    filter: MessageFilter = ANY_MESSAGE,
  ): Promise<Page<WebhookMessage>> {
    return await this.messages.list(limit, before, filter);
  }

  /** Deliveries, newest first. */
  async listDeliveries(
    filter: DeliveryFilter,
    limit: number,
    before: string | null,
  ): Promise<Page<WebhookDelivery>> {
    return await this.deliveries.list(filter, limit, before);
  }

  /** The attempts of a delivery, oldest first; throws not_found when there is no such delivery. */
  async listAttempts(
    deliveryId: string,
    limit: number,
    after: string | null,
  ): Promise<Page<WebhookAttempt>> {
    if ((await this.deliveries.find(deliveryId)) === null) {
      throw notFound('webhook delivery', deliveryId);
    }
    return await this.deliveries.listAttempts(deliveryId, limit, after);
  }
}
