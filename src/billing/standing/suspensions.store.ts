/* Owns customer_suspensions: by which crossings of thresholds customers are suspended, and until when. */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';
import { type PeriodCut } from '../periods/periods.service.js';

/** A customer is suspended by a level that was reached, until it is lifted or its period ends. */
export interface Suspension {
  readonly crossingId: string;
  readonly customerId: string;
  /** Null: until it is lifted. */
  readonly endsAt: Date | null;
  readonly since: Date;
}

@Injectable()
export class SuspensionsStore {
  constructor(private readonly database: Database) {}

  async insert({ crossingId, customerId, endsAt, since }: Suspension): Promise<void> {
    await this.database.query(
      `INSERT INTO customer_suspensions (crossing_id, customer_id, ends_at, since) VALUES ($1, $2, $3, $4)
       ON CONFLICT (crossing_id) DO NOTHING`,
      [crossingId, customerId, endsAt, since],
    );
  }

  /** Lifts those of some crossings; answers whom they suspended. */
  async delete(crossingIds: readonly string[]): Promise<string[]> {
    const rows = await this.database.query<{ customer_id: string }>(
      'DELETE FROM customer_suspensions WHERE crossing_id = ANY ($1) RETURNING customer_id',
      [crossingIds],
    );
    return rows.map((row) => row.customer_id);
  }

  /** Those of a period end with it, if it ends sooner now; answers whom they suspend. Index customer_suspensions_customer. */
  async endWith({ subscriptionId, start, end }: PeriodCut): Promise<string[]> {
    const rows = await this.database.query<{ customer_id: string }>(
      `UPDATE customer_suspensions AS suspension SET ends_at = $3
       FROM threshold_crossings AS crossing, subscriptions AS subscription
       WHERE subscription.id = $1 AND suspension.customer_id = subscription.customer_id
         AND crossing.id = suspension.crossing_id AND crossing.subscription_id = $1
         AND crossing.period_start = $2 AND suspension.ends_at > $3
       RETURNING suspension.customer_id`,
      [subscriptionId, start, end],
    );
    return rows.map((row) => row.customer_id);
  }

  /** Lifts all of one threshold; answers whom they suspended. Index threshold_crossings_threshold. */
  async deleteOfThreshold(thresholdId: string): Promise<string[]> {
    const rows = await this.database.query<{ customer_id: string }>(
      `DELETE FROM customer_suspensions WHERE crossing_id IN (
         SELECT id FROM threshold_crossings WHERE threshold_id = $1)
       RETURNING customer_id`,
      [thresholdId],
    );
    return rows.map((row) => row.customer_id);
  }
}
