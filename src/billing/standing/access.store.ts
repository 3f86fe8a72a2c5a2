/*
 * Whether a customer may use what is metered: for gateways, which ask at each request. One statement by
 * primary keys and one index. Reads only.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';
import { type Standing } from './standing.js';

/** A level that was reached, by which a customer is suspended. */
export interface AccessSuspension {
  readonly threshold: string;
  readonly crossing: string;
  /** As JSON has it; null: until it is lifted. */
  readonly until: string | null;
}

export interface Access {
  readonly customerId: string;
  /** The key. */
  readonly customer: string;
  readonly standing: Standing;
  /** Null: always. */
  readonly since: Date | null;
  /** When time changes the standing; null: never. One that has passed has not been judged yet. */
  readonly nextChangeAt: Date | null;
  readonly suspensions: readonly AccessSuspension[];
}

interface AccessRow {
  readonly id: string;
  readonly key: string;
  readonly standing: Standing;
  readonly changed_at: Date | null;
  readonly next_change_at: Date | null;
  readonly suspensions: AccessSuspension[];
}

@Injectable()
export class AccessStore {
  constructor(private readonly database: Database) {}

  /** By id or key; null when there is no such customer. */
  async find(idOrKey: string, now: Date): Promise<Access | null> {
    const rows = await this.database.query<AccessRow>(
      `SELECT customer.id, customer.key, coalesce(kept.standing, 'good') AS standing, kept.changed_at,
         kept.next_change_at,
         CASE WHEN kept.standing = 'suspended' THEN ARRAY(
           SELECT jsonb_build_object('threshold', threshold.key, 'crossing', suspension.crossing_id,
             'until', to_char(suspension.ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
           FROM customer_suspensions AS suspension
           JOIN threshold_crossings AS crossing ON crossing.id = suspension.crossing_id
           JOIN thresholds AS threshold ON threshold.id = crossing.threshold_id
           WHERE suspension.customer_id = customer.id
             AND (suspension.ends_at IS NULL OR suspension.ends_at > $2)
           ORDER BY suspension.crossing_id
         ) ELSE '{}'::jsonb[] END AS suspensions
       FROM customers AS customer
       LEFT JOIN customer_standings AS kept ON kept.customer_id = customer.id
       WHERE customer.id = $1 OR customer.key = $1`,
      [idOrKey, now],
    );
    const [row] = rows;
    if (row === undefined) {
      return null;
    }
    return {
      customerId: row.id,
      customer: row.key,
      standing: row.standing,
      since: row.changed_at,
      nextChangeAt: row.next_change_at,
      suspensions: row.suspensions,
    };
  }
}
