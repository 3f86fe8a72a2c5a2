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
import {
  customerOf,
  exampleContent,
  messageBody,
  type MessageContent,
  type MessageType,
} from './webhook-message.js';

export interface PublishedMessage {
  readonly id: string;
  readonly sequence: number;
  /** One for each endpoint in force that asked for the type. */
  readonly deliveryIds: readonly string[];
}

/** Who is told. */
interface Addressees {
  readonly endpointIds: readonly string[];
  /** The endpoint that it is for and no other, not even when it is replayed; null: whoever wants it. */
  readonly only: string | null;
  readonly isTest: boolean;
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
   * same, so that the list of messages is complete. An endpoint that is disabled stays so until the
   * transaction ends, so that whoever enables it knows what it has missed.
   *
   * @throws when no transaction is under way
   */
  async publish(content: MessageContent): Promise<PublishedMessage> {
    this.database.assertTransaction();
    await this.messages.holdDisabledEndpoints();
    const endpointIds = await this.endpoints.findSubscribed(content.type);
    return await this.queue(content, { endpointIds, only: null, isTest: false });
  }

  /**
   * Queues a message for one endpoint, whatever types it asked for. For one that is disabled it waits;
   * for one that was deleted the delivery fails.
   *
   * @throws when no transaction is under way
   */
  async publishTo(endpointId: string, content: MessageContent): Promise<PublishedMessage> {
    this.database.assertTransaction();
    const addressees = { endpointIds: [endpointId], only: endpointId, isTest: false };
    return await this.queue(content, addressees);
  }

  /**
   * Queues a test for one endpoint, whatever types it asked for: the example of a type, or a
   * `webhook.test` that names the endpoint.
   */
  async sendTest(
    endpointId: string,
    type: MessageType = 'webhook.test',
  ): Promise<PublishedMessage> {
    return await this.database.transaction(async () => {
      const endpoint = await this.endpoints.find(endpointId);
      if (endpoint === null) {
        throw notFound('webhook endpoint', endpointId);
      }
      if (endpoint.disabled !== null) {
        throw conflict('endpoint_disabled', `The webhook endpoint '${endpointId}' is disabled.`);
      }
      const content = testContent(type, endpoint.id, this.clock.now());
      return await this.queue(content, {
        endpointIds: [endpoint.id],
        only: endpoint.id,
        isTest: true,
      });
    });
  }

  private async queue(
    content: MessageContent,
    { endpointIds, only, isTest }: Addressees,
  ): Promise<PublishedMessage> {
    const now = this.clock.now();
    const sequence = await this.messages.nextSequence();
    const id = newId('msg');
    await this.messages.insert({
      id,
      sequence,
      type: content.type,
      body: messageBody(content, sequence, isTest),
      customer: isTest ? null : customerOf(content.data),
      endpointId: only,
      isTest,
      createdAt: now,
    });
    const deliveries = endpointIds.map((endpointId) => ({ id: newId('dlv'), endpointId }));
    if (deliveries.length > 0) {
      await this.messages.insertDeliveries(id, deliveries, now);
    }
    return { id, sequence, deliveryIds: deliveries.map((delivery) => delivery.id) };
  }
}

function testContent(type: MessageType, endpoint: string, occurredAt: Date): MessageContent {
  return type === 'webhook.test'
    ? { type, data: { endpoint }, occurredAt }
    : exampleContent(type, occurredAt);
}
