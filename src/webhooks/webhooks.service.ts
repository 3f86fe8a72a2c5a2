/*
 * How other features tell the outside something. A message and its deliveries are rows of the
 * caller's transaction: they exist if and only if what they tell has happened. Nothing is sent here.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { conflict, notFound } from '../kernel/errors.js';
import { newId } from '../kernel/ids.js';
import { Database } from '../platform/database/database.js';
import { EndpointsStore } from './endpoints/endpoints.store.js';
import { MessagesStore } from './messages.store.js';
import { messageBody, type MessageContent } from './webhook-message.js';

export interface PublishedMessage {
  readonly id: string;
  readonly sequence: number;
  /** One for each endpoint in force that asked for the type. */
  readonly deliveryIds: readonly string[];
}

@Injectable()
export class WebhooksService {
  constructor(
    private readonly messages: MessagesStore,
    private readonly endpoints: EndpointsStore,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /**
   * Queues a message for every endpoint in force that wants its type; with none it is kept all the
   * same, so that the list of messages is complete.
   *
   * @throws when no transaction is under way
   */
  async publish(content: MessageContent): Promise<PublishedMessage> {
    this.database.assertTransaction();
    return await this.queue(content, await this.endpoints.findSubscribed(content.type));
  }

  /**
   * Queues a message for one endpoint, whatever types it asked for. For one that is disabled it waits;
   * for one that was deleted the delivery fails.
   *
   * @throws when no transaction is under way
   */
  async publishTo(endpointId: string, content: MessageContent): Promise<PublishedMessage> {
    this.database.assertTransaction();
    return await this.queue(content, [endpointId]);
  }

  /** Queues a `webhook.test` for one endpoint, whatever types it asked for. */
  async sendTest(endpointId: string): Promise<PublishedMessage> {
    return await this.database.transaction(async () => {
      const endpoint = await this.endpoints.find(endpointId);
      if (endpoint === null) {
        throw notFound('webhook endpoint', endpointId);
      }
      if (endpoint.disabled !== null) {
        throw conflict('endpoint_disabled', `The webhook endpoint '${endpointId}' is disabled.`);
      }
      const data = { endpoint: endpoint.id };
      return await this.queue({ type: 'webhook.test', data, occurredAt: this.clock.now() }, [
        endpoint.id,
      ]);
    });
  }

  private async queue(
    content: MessageContent,
    endpointIds: readonly string[],
  ): Promise<PublishedMessage> {
    const now = this.clock.now();
    const sequence = await this.messages.nextSequence();
    const id = newId('msg');
    const body = messageBody(content, sequence);
    await this.messages.insert({ id, sequence, type: content.type, body, createdAt: now });
    const deliveries = endpointIds.map((endpointId) => ({ id: newId('dlv'), endpointId }));
    await this.messages.insertDeliveries(id, deliveries, now);
    return { id, sequence, deliveryIds: deliveries.map((delivery) => delivery.id) };
  }
}
