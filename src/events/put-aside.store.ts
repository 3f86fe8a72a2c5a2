/* Lists and settles what ingest put aside: rejected_usage_events and usage_event_conflicts. */
import { Injectable } from '@nestjs/common';
import { Database } from '../platform/database/database.js';
import { type Page, toPage } from '../platform/http/page.js';
import {
  type CurrentBodyRow,
  FIND_CURRENT_BODIES,
  type IdentityColumns,
} from './current-bodies.sql.js';
import { type EventIdentity, identityKey } from './event-key.js';
import {
  type ConflictingEvent,
  type CurrentBody,
  type PutAsideCount,
  type RejectedEvent,
  type RepairState,
  type Settlement,
  type ShownConflict,
} from './put-aside.js';
import { MAX_COUNTS } from './settlement-response.js';

export interface PutAsideFilter {
  readonly source: string | null;
  readonly state: RepairState | null;
}

export interface RejectionFilter extends PutAsideFilter {
  readonly code: string | null;
}

interface ClosedRow {
  readonly closed_as: 'repaired' | 'dismissed' | null;
  readonly closed_at: Date | null;
  readonly closed_by: string | null;
}

interface ConflictRow extends ClosedRow {
  readonly id: string;
  readonly source: string;
  readonly event_id: string;
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly data: string;
  readonly extensions: string | null;
  readonly received_at: Date;
}

interface RejectedRow extends ClosedRow {
  readonly id: string;
  readonly source: string | null;
  readonly event_id: string | null;
  readonly code: string;
  readonly detail: string;
  readonly payload: string;
  readonly received_at: Date;
  readonly closed_reason: string | null;
  readonly became_source: string | null;
  readonly became_id: string | null;
}

const CONFLICT_COLUMNS = `id, source, event_id, received_at, closed_as, closed_at, closed_by,
  event ->> 'type' AS type, event ->> 'subject' AS subject, event ->> 'time' AS time,
  (event -> 'data')::text AS data, nullif(event -> 'extensions', 'null')::text AS extensions`;
const REJECTED_COLUMNS = `id, source, event_id, code, detail, payload, received_at, closed_as,
  closed_at, closed_by, closed_reason, became_source, became_id`;

/** Of a source ($1) and in a state ($2), where they are given. */
const CHOSEN = `($1::text IS NULL OR source = $1)
  AND ($2::text IS NULL OR coalesce(closed_as, 'open') = $2)`;

@Injectable()
export class PutAsideStore {
  constructor(private readonly database: Database) {}

  /** Newest first. Primary key. */
  async listConflicts(
    filter: PutAsideFilter,
    limit: number,
    before: string | null,
  ): Promise<Page<ConflictingEvent>> {
    const rows = await this.database.query<ConflictRow>(
      `SELECT ${CONFLICT_COLUMNS} FROM usage_event_conflicts
       WHERE ${CHOSEN} AND ($4::text IS NULL OR id < $4)
       ORDER BY id DESC
       LIMIT $3 + 1`,
      [filter.source, filter.state, limit, before],
    );
    return toPage(rows, limit, (row) => [row.id], fromConflictRow);
  }

  /** The same conflicts, with what is stored now. Primary key of keys and corrections, index on batch. */
  async withStored(conflicts: readonly ConflictingEvent[]): Promise<ShownConflict[]> {
    const events = conflicts.map(({ event }) => event);
    const columns: IdentityColumns = [
      events.map(identityKey),
      events.map(({ source }) => source),
      events.map(({ id }) => id),
    ];
    const rows = await this.database.query<CurrentBodyRow>(FIND_CURRENT_BODIES, columns);
    const stored = new Map(rows.map((row) => [identityKey(row), fromCurrentRow(row)]));
    return conflicts.map((conflict) => ({
      ...conflict,
      stored: stored.get(identityKey(conflict.event)) ?? null,
    }));
  }

  /** Newest first. Primary key. */
  async listRejections(
    filter: RejectionFilter,
    limit: number,
    before: string | null,
  ): Promise<Page<RejectedEvent>> {
    const rows = await this.database.query<RejectedRow>(
      `SELECT ${REJECTED_COLUMNS} FROM rejected_usage_events
       WHERE ${CHOSEN} AND ($4::text IS NULL OR id < $4) AND ($5::text IS NULL OR code = $5)
       ORDER BY id DESC
       LIMIT $3 + 1`,
      [filter.source, filter.state, limit, before, filter.code],
    );
    return toPage(rows, limit, (row) => [row.id], fromRejectedRow);
  }

  /** By source and state; at most MAX_COUNTS. */
  async countConflicts(filter: PutAsideFilter): Promise<PutAsideCount[]> {
    return await this.count(`'conflict'`, 'usage_event_conflicts', filter);
  }

  /** By source, code and state; at most MAX_COUNTS. */
  async countRejections(filter: PutAsideFilter): Promise<PutAsideCount[]> {
    return await this.count('code', 'rejected_usage_events', filter);
  }

  /** Locked until the transaction ends, so that it is settled once. */
  async claimConflict(id: string): Promise<ConflictingEvent | null> {
    const rows = await this.database.query<ConflictRow>(
      `SELECT ${CONFLICT_COLUMNS} FROM usage_event_conflicts WHERE id = $1 FOR UPDATE`,
      [id],
    );
    return rows[0] === undefined ? null : fromConflictRow(rows[0]);
  }

  /** Locked until the transaction ends, so that it is settled once. */
  async claimRejection(id: string): Promise<RejectedEvent | null> {
    const rows = await this.database.query<RejectedRow>(
      `SELECT ${REJECTED_COLUMNS} FROM rejected_usage_events WHERE id = $1 FOR UPDATE`,
      [id],
    );
    return rows[0] === undefined ? null : fromRejectedRow(rows[0]);
  }

  /** Records what became of a conflict that was claimed open. */
  async settleConflict(
    id: string,
    settlement: Exclude<Settlement, { state: 'open' }>,
  ): Promise<void> {
    await this.database.query(
      `UPDATE usage_event_conflicts SET closed_as = $2, closed_at = $3, closed_by = $4
       WHERE id = $1 AND closed_as IS NULL`,
      [id, settlement.state, settlement.at, settlement.by],
    );
  }

  /** Records what became of a rejected event that was claimed open. */
  async settleRejection(
    id: string,
    settlement: Exclude<Settlement, { state: 'open' }>,
    became: EventIdentity | null,
  ): Promise<void> {
    await this.database.query(
      `UPDATE rejected_usage_events
       SET closed_as = $2, closed_at = $3, closed_by = $4, closed_reason = $5,
         became_source = $6, became_id = $7
       WHERE id = $1 AND closed_as IS NULL`,
      [
        id,
        settlement.state,
        settlement.at,
        settlement.by,
        settlement.reason,
        became?.source ?? null,
        became?.id ?? null,
      ],
    );
  }

  private async count(
    reason: string,
    table: string,
    filter: PutAsideFilter,
  ): Promise<PutAsideCount[]> {
    const rows = await this.database.query<{
      source: string | null;
      reason: string;
      state: RepairState;
      count: string;
    }>(
      `SELECT source, ${reason} AS reason, coalesce(closed_as, 'open') AS state, count(*)
       FROM ${table}
       WHERE ${CHOSEN}
       GROUP BY 1, 2, 3
       ORDER BY count(*) DESC, 1, 2, 3
       LIMIT $3`,
      [filter.source, filter.state, MAX_COUNTS],
    );
    return rows.map((row) => ({ ...row, count: Number(row.count) }));
  }
}

function toSettlement(row: ClosedRow, reason: string | null): Settlement {
  return row.closed_as === null || row.closed_at === null || row.closed_by === null
    ? { state: 'open' }
    : { state: row.closed_as, at: row.closed_at, by: row.closed_by, reason };
}

function fromConflictRow(row: ConflictRow): ConflictingEvent {
  const { source, event_id: id, type, subject, time, data, extensions } = row;
  return {
    id: row.id,
    event: { source, id, type, subject, time, data, extensions },
    receivedAt: row.received_at,
    settlement: toSettlement(row, null),
  };
}

function fromCurrentRow(row: CurrentBodyRow): CurrentBody {
  const { type, subject, time, data, extensions } = row;
  return { type, subject, time, data, extensions, voidedAt: row.voided_at };
}

function fromRejectedRow(row: RejectedRow): RejectedEvent {
  return {
    id: row.id,
    source: row.source,
    eventId: row.event_id,
    code: row.code,
    detail: row.detail,
    payload: row.payload,
    receivedAt: row.received_at,
    settlement: toSettlement(row, row.closed_reason),
    became:
      row.became_source === null || row.became_id === null
        ? null
        : { source: row.became_source, id: row.became_id },
  };
}
