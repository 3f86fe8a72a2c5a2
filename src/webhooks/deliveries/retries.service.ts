/* Deliveries that a person wants to see tried again, after they have failed, or not to be tried any more. */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { conflict, notFound } from '../../kernel/errors.js';
import { Database } from '../../platform/database/database.js';
import { EndpointsStore } from '../endpoints/endpoints.store.js';
import { HealthStore } from '../endpoints/health.store.js';
import { DeliveriesStore } from './deliveries.store.js';
import { type WebhookDelivery } from './webhook-delivery.js';

@Injectable()
export class RetriesService {
  constructor(
    private readonly store: DeliveriesStore,
    private readonly endpoints: EndpointsStore,
    private readonly health: HealthStore,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /**
   * Makes a failed delivery due at once: one more attempt, and what is left of the schedule. An endpoint
   * that is left alone for failing is probed at once, since the person may have mended it.
   */
  async retry(id: string): Promise<WebhookDelivery> {
    return await this.database.transaction(async () => {
      const delivery = await this.store.find(id, 'for update');
      if (delivery === null) {
        throw notFound('webhook delivery', id);
      }
      const endpoint = await this.endpoints.find(delivery.endpointId);
      if (endpoint === null || endpoint.disabled !== null) {
        throw conflict('endpoint_disabled', 'Its webhook endpoint is disabled or deleted.');
      }
      const now = this.clock.now();
      await this.health.endHold(endpoint.id, now);
      if (!(await this.store.retry(id, now))) {
        throw conflict('not_failed', `The webhook delivery '${id}' is ${delivery.state}.`);
      }
      return {
        ...delivery,
        state: 'pending',
        nextAttemptAt: now,
        finishedAt: null,
        recoveredBy: null,
      };
    });
  }

  /** Gives up a delivery that waits: what stands behind it, where order counts, may go on. */
  async giveUp(id: string): Promise<WebhookDelivery> {
    return await this.database.transaction(async () => {
      const delivery = await this.store.find(id, 'for update');
      if (delivery === null) {
        throw notFound('webhook delivery', id);
      }
      const now = this.clock.now();
      if (!(await this.store.giveUp(id, now))) {
        throw conflict('not_pending', `The webhook delivery '${id}' is ${delivery.state}.`);
      }
      return { ...delivery, state: 'failed', nextAttemptAt: null, finishedAt: now };
    });
  }
}
