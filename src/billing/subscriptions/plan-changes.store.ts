/*
 * Owns plan_changes: which plan each subscription goes by, since when. Written under the lock of the
 * subscription's row, and read with it.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';
import { type PlanChange } from './subscription.js';

@Injectable()
export class PlanChangesStore {
  constructor(private readonly database: Database) {}

  /**
   * Writes the changes of a subscription in place of those that are there: the ones before a time are the
   * same, those from it on have not taken hold. Primary key; MAX_PLAN_CHANGES rows at most.
   *
   * @param from the time of the last of the changes
   */
  async replaceFrom(
    subscriptionId: string,
    from: Date,
    changes: readonly PlanChange[],
  ): Promise<void> {
    await this.database.query(
      `DELETE FROM plan_changes WHERE subscription_id = $1 AND starts_at >= $2`,
      [subscriptionId, from],
    );
    await this.database.query(
      `INSERT INTO plan_changes (subscription_id, starts_at, plan_id, version, recorded_at)
       SELECT $1, change.starts_at, change.plan_id, change.version, change.recorded_at
       FROM unnest($2::timestamptz[], $3::text[], $4::integer[], $5::timestamptz[])
         AS change (starts_at, plan_id, version, recorded_at)
       ON CONFLICT ON CONSTRAINT plan_changes_pkey DO NOTHING`,
      [
        subscriptionId,
        changes.map((change) => change.startsAt),
        changes.map((change) => change.planId),
        changes.map((change) => change.version),
        changes.map((change) => change.recordedAt),
      ],
    );
  }
}
