/*
 * Owns billing_period_holds: one row for each period that was ever held. It is written under the lock
 * of the period's row; two closes that both saw none are told apart by REPEATABLE READ, which runs the
 * second one again.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';
import { type Hold, type HoldReason } from './hold.js';

interface HoldRow {
  readonly billing_period_id: string;
  readonly held_at: Date;
  readonly reasons: readonly HoldReason[];
  readonly checked_at: Date;
  readonly next_check_at: Date;
  readonly released_at: Date | null;
  readonly released_by: string | null;
  readonly released_reason: string | null;
}

const COLUMNS = `billing_period_id, held_at, reasons, checked_at, next_check_at,
  released_at, released_by, released_reason`;

@Injectable()
export class HoldsStore {
  constructor(private readonly database: Database) {}

  /** The hold of a period; null when it never was held. Primary key. */
  async find(billingPeriodId: string): Promise<Hold | null> {
    const [hold] = await this.findMany([billingPeriodId]);
    return hold ?? null;
  }

  async findMany(billingPeriodIds: readonly string[]): Promise<Hold[]> {
    const rows = await this.database.query<HoldRow>(
      `SELECT ${COLUMNS} FROM billing_period_holds WHERE billing_period_id = ANY ($1::text[])`,
      [billingPeriodIds],
    );
    return rows.map(fromRow);
  }

  /** Lets held periods of whoever ever owned the subject be looked at now. Unique indexes, a few rows. */
  async hasten(subject: string, now: Date): Promise<void> {
    await this.database.query(
      `UPDATE billing_period_holds AS hold SET next_check_at = $2
       FROM customer_subjects AS owner
       JOIN subscriptions AS subscription ON subscription.customer_id = owner.customer_id
       JOIN billing_periods AS period ON period.subscription_id = subscription.id
       WHERE owner.subject = $1 AND period.state = 'open' AND hold.billing_period_id = period.id
         AND hold.released_at IS NULL AND hold.next_check_at > $2`,
      [subject, now],
    );
  }

  /** Writes a hold, or what has changed of it since. One row. */
  async save(hold: Hold): Promise<void> {
    await this.database.query(
      `INSERT INTO billing_period_holds AS hold (${COLUMNS})
       VALUES ($1, $2, $3::jsonb, $4, $5, $6, $7, $8)
       ON CONFLICT (billing_period_id) DO UPDATE
       SET reasons = excluded.reasons, checked_at = excluded.checked_at,
         next_check_at = excluded.next_check_at, released_at = excluded.released_at,
         released_by = excluded.released_by, released_reason = excluded.released_reason
       WHERE hold.released_at IS NULL`,
      [
        hold.billingPeriodId,
        hold.heldAt,
        JSON.stringify(hold.reasons),
        hold.checkedAt,
        hold.nextCheckAt,
        hold.release?.at ?? null,
        hold.release?.by ?? null,
        hold.release?.reason ?? null,
      ],
    );
  }
}

function fromRow(row: HoldRow): Hold {
  const { released_at: at, released_by: by, released_reason: reason } = row;
  return {
    billingPeriodId: row.billing_period_id,
    heldAt: row.held_at,
    reasons: row.reasons,
    checkedAt: row.checked_at,
    nextCheckAt: row.next_check_at,
    release: at === null || by === null || reason === null ? null : { at, by, reason },
  };
}
