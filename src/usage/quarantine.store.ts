/*
 * Lists and dismisses quarantined values. Whether one is open is not kept but seen: it is, until a
 * correction of its event comes in a later batch, or somebody dismisses it.
 */
import { Injectable } from '@nestjs/common';
import { type RepairState, type Settlement } from '../events/put-aside.js';
import { MAX_COUNTS } from '../events/settlement-response.js';
import { type UsageEvent } from '../events/usage-event.js';
import { type Meter } from '../meters/meter.js';
import { Database } from '../platform/database/database.js';
import { type Page, toPage } from '../platform/http/page.js';
import { compileMeter, Parameters } from './meter-sql.js';
import {
  type QuarantineCount,
  type QuarantinedValue,
  type QuarantineReason,
} from './quarantined-value.js';

export interface QuarantineFilter {
  readonly meter: number | null;
  readonly source: string | null;
  readonly reason: QuarantineReason | null;
  readonly state: RepairState | null;
}

interface Row {
  readonly id: string;
  readonly meter: number;
  readonly source: string;
  readonly event_id: string;
  readonly subject: string;
  readonly time: Date;
  readonly reason: QuarantineReason;
  readonly value: string | null;
  readonly state: RepairState;
  readonly closed_at: Date | null;
  readonly closed_by: string | null;
  readonly closed_reason: string | null;
}

/** With what became of each; the last correction tells. Primary key of corrections. */
const SETTLED = `(
  SELECT quarantined.id, quarantined.meter, quarantined.source, quarantined.event_id,
    quarantined.subject, quarantined.time, quarantined.reason, quarantined.value::text AS value,
    CASE WHEN latest.sign = 1 THEN 'repaired'
      WHEN latest.sign = -1 OR quarantined.dismissed_at IS NOT NULL THEN 'dismissed'
      ELSE 'open' END AS state,
    coalesce(latest.received_at, quarantined.dismissed_at) AS closed_at,
    coalesce(latest.created_by, quarantined.dismissed_by) AS closed_by,
    coalesce(latest.reason, quarantined.dismissed_reason) AS closed_reason
  FROM quarantined_values AS quarantined
  LEFT JOIN LATERAL (
    SELECT correction.sign, correction.received_at, correction.created_by, correction.reason
    FROM usage_corrections AS correction
    WHERE correction.source = quarantined.source AND correction.id = quarantined.event_id
      AND correction.batch_id > quarantined.batch_id
    ORDER BY correction.batch_id DESC, correction.sign DESC
    LIMIT 1
  ) AS latest ON true) AS settled`;

const CHOSEN = `($1::integer IS NULL OR meter = $1) AND ($2::text IS NULL OR source = $2)
  AND ($3::text IS NULL OR reason = $3) AND ($4::text IS NULL OR state = $4)`;

@Injectable()
export class QuarantineStore {
  constructor(private readonly database: Database) {}

  /** Newest first. Unique index on id. */
  async list(
    filter: QuarantineFilter,
    limit: number,
    before: string | null,
  ): Promise<Page<QuarantinedValue>> {
    const rows = await this.database.query<Row>(
      `SELECT * FROM ${SETTLED}
       WHERE ${CHOSEN} AND ($6::bigint IS NULL OR id < $6)
       ORDER BY id DESC
       LIMIT $5 + 1`,
      [...valuesOf(filter), limit, before],
    );
    return toPage(rows, limit, (row) => [row.id], fromRow);
  }

  /** By meter, source, reason and state; at most MAX_COUNTS. */
  async count(filter: QuarantineFilter): Promise<QuarantineCount[]> {
    const rows = await this.database.query<Omit<QuarantineCount, 'count'> & { count: string }>(
      `SELECT meter, source, reason, state, count(*) FROM ${SETTLED}
       WHERE ${CHOSEN}
       GROUP BY 1, 2, 3, 4
       ORDER BY count(*) DESC, 1, 2, 3, 4
       LIMIT $5`,
      [...valuesOf(filter), MAX_COUNTS],
    );
    return rows.map((row) => ({ ...row, count: Number(row.count) }));
  }

  async find(id: string): Promise<QuarantinedValue | null> {
    const rows = await this.database.query<Row>(`SELECT * FROM ${SETTLED} WHERE id = $1`, [id]);
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** Records that nothing is to be counted; what is dismissed already stays as it is. */
  async dismiss(id: string, reason: string, by: string, now: Date): Promise<void> {
    await this.database.query(
      `UPDATE quarantined_values
       SET dismissed_at = $2, dismissed_by = $3, dismissed_reason = $4
       WHERE id = $1 AND dismissed_at IS NULL`,
      [id, now, by, reason],
    );
  }

  /** Whether the meter can count what it reads of the event, or the event is none of the meter's. */
  async isReadable(meter: Meter, event: UsageEvent): Promise<boolean> {
    const parameters = new Parameters();
    const sql = compileMeter(meter, parameters);
    const columns = [
      `${parameters.add(event.type)}::text AS type`,
      `${parameters.add(event.time)}::timestamptz AS time`,
      `${parameters.add(event.data)}::jsonb AS data`,
    ];
    const rows = await this.database.query<{ readable: boolean }>(
      `SELECT NOT (${sql.matches}) OR (${sql.reason}) IS NULL AS readable
       FROM (SELECT ${columns.join(', ')}) AS events`,
      parameters.values,
    );
    return rows[0]?.readable === true;
  }
}

function valuesOf({ meter, source, reason, state }: QuarantineFilter): unknown[] {
  return [meter, source, reason, state];
}

function fromRow(row: Row): QuarantinedValue {
  return {
    id: row.id,
    meter: row.meter,
    source: row.source,
    eventId: row.event_id,
    subject: row.subject,
    time: row.time,
    reason: row.reason,
    value: row.value,
    settlement: toSettlement(row),
  };
}

function toSettlement(row: Row): Settlement {
  return row.state === 'open' || row.closed_at === null || row.closed_by === null
    ? { state: 'open' }
    : { state: row.state, at: row.closed_at, by: row.closed_by, reason: row.closed_reason };
}
