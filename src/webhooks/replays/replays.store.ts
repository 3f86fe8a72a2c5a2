/*
 * Owns webhook_replays, and adds the deliveries of replays. A step's deliveries and how far it came
 * commit together, so whoever dies in between leaves nothing doubled and nothing out.
 */
import { Injectable } from '@nestjs/common';
import { conflict } from '../../kernel/errors.js';
import { isId } from '../../kernel/ids.js';
import { Database } from '../../platform/database/database.js';
import { violates } from '../../platform/database/pg-errors.js';
import { type Page, toPage } from '../../platform/http/page.js';
import { type MessageType } from '../webhook-message.js';
import { type Replay, type ReplayProgress, type ReplayScope, type ReplayState } from './replay.js';
import { selectWanted } from './wanted-messages.sql.js';

interface ReplayRow {
  readonly id: string;
  readonly endpoint_id: string;
  readonly scope: ReplayScope;
  readonly message_ids: string[] | null;
  readonly types: MessageType[];
  readonly customer: string | null;
  readonly from_at: Date | null;
  readonly to_at: Date | null;
  readonly per_second: number;
  readonly state: ReplayState;
  /** bigint comes as text. */
  readonly from_position: string | null;
  readonly position: string | null;
  readonly until_position: string | null;
  readonly total_count: string | null;
  readonly queued_count: string;
  readonly next_step_at: Date;
  readonly created_at: Date;
  readonly created_by: string;
  readonly finished_at: Date | null;
}

const COLUMNS = `id, endpoint_id, scope, message_ids, types, customer, from_at, to_at, per_second, state,
  from_position, position, until_position, total_count, queued_count, next_step_at, created_at,
  created_by, finished_at`;

@Injectable()
export class ReplaysStore {
  constructor(private readonly database: Database) {}

  /** Adds a replay; a conflict when another one of the endpoint is running. One row. */
  async insert(replay: Replay): Promise<void> {
    const { selection } = replay;
    try {
      await this.database.query(
        `INSERT INTO webhook_replays (id, endpoint_id, scope, message_ids, types, customer, from_at,
           to_at, per_second, state, queued_count, next_step_at, created_at, created_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'running', 0, $10, $11, $12)`,
        [
          replay.id,
          replay.endpointId,
          selection.scope,
          selection.messageIds,
          selection.types,
          selection.customer,
          selection.from,
          selection.to,
          replay.perSecond,
          replay.nextStepAt,
          replay.createdAt,
          replay.createdBy,
        ],
      );
    } catch (error) {
      throw violates(error, 'webhook_replays_running')
        ? conflict('replay_running', 'Another replay of the webhook endpoint is running.')
        : error;
    }
  }

  /** Those of the ids that are messages which the endpoint may get. Primary key; at most as many rows as ids. */
  async findReplayable(messageIds: readonly string[], endpointId: string): Promise<Set<string>> {
    const rows = await this.database.query<{ id: string }>(
      `SELECT id
       FROM webhook_messages
       WHERE id = ANY ($1) AND NOT is_test AND (endpoint_id IS NULL OR endpoint_id = $2)`,
      [messageIds, endpointId],
    );
    return new Set(rows.map((row) => row.id));
  }

  /** One replay, null when there is none. Locks the row when it is to be changed. */
  async find(id: string, lock: 'none' | 'for update' = 'none'): Promise<Replay | null> {
    if (!isId('rpl', id)) {
      return null;
    }
    const rows = await this.database.query<ReplayRow>(
      `SELECT ${COLUMNS} FROM webhook_replays WHERE id = $1 ${lock === 'none' ? '' : 'FOR UPDATE'}`,
      [id],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /** Replays, newest first, of one endpoint or all. Primary key; at most `limit` + 1 rows. */
  async list(
    limit: number,
    before: string | null,
    endpointId: string | null,
  ): Promise<Page<Replay>> {
    const rows = await this.database.query<ReplayRow>(
      `SELECT ${COLUMNS}
       FROM webhook_replays
       WHERE ($2::text IS NULL OR id < $2) AND ($3::text IS NULL OR endpoint_id = $3)
       ORDER BY id DESC
       LIMIT $1 + 1`,
      [limit, before, endpointId],
    );
    return toPage(rows, limit, (row) => [row.id], fromRow);
  }

  /** Whether a step of any is due. Partial index of those that are running, at most one an endpoint. */
  async hasDue(now: Date): Promise<boolean> {
    const rows = await this.database.query(
      `SELECT 1 FROM webhook_replays WHERE state = 'running' AND next_step_at <= $1 LIMIT 1`,
      [now],
    );
    return rows.length > 0;
  }

  /** A replay whose step is due, locked until the transaction ends; others skip it. One row. */
  async claimDue(now: Date): Promise<Replay | null> {
    const rows = await this.database.query<ReplayRow>(
      `SELECT ${COLUMNS}
       FROM webhook_replays
       WHERE state = 'running' AND next_step_at <= $1
       ORDER BY next_step_at
       LIMIT 1
       FOR UPDATE SKIP LOCKED`,
      [now],
    );
    return rows[0] === undefined ? null : fromRow(rows[0]);
  }

  /**
   * Where a replay begins, and how many messages it is going to find up to a place. Index of times;
   * reads each message in question and its deliveries to the endpoint.
   */
  async measure(replay: Replay, untilPosition: bigint): Promise<ReplayProgress> {
    const { from } = replay.selection;
    const [first] = await this.database.query<{ position: string }>(
      `SELECT coalesce(min(position) - 1, $1) AS position
       FROM webhook_messages
       WHERE position <= $1 AND ($2::timestamptz IS NULL OR created_at >= $2)`,
      [untilPosition, from],
    );
    const fromPosition = BigInt(first?.position ?? untilPosition);
    const wanted = selectWanted(replay, fromPosition, untilPosition);
    const [counted] = await this.database.query<{ count: string }>(
      `SELECT count(*) AS count FROM (${wanted.sql}) wanted`,
      wanted.parameters,
    );
    const totalCount = Number(counted?.count);
    return { fromPosition, position: fromPosition, untilPosition, totalCount };
  }

  /** The next messages that a replay is to queue, in the order of their places, at most `limit`. */
  async listWanted(
    replay: Replay,
    after: bigint,
    upTo: bigint,
    limit: number,
  ): Promise<{ id: string; position: bigint }[]> {
    const { sql, parameters } = selectWanted(replay, after, upTo);
    const rows = await this.database.query<{ id: string; position: string }>(
      `${sql} ORDER BY m.position LIMIT $${parameters.length + 1}`,
      [...parameters, limit],
    );
    return rows.map((row) => ({ id: row.id, position: BigInt(row.position) }));
  }

  /** How many deliveries of a replay wait or are being sent. Partial index webhook_deliveries_replayed. */
  async countWaiting(id: string): Promise<number> {
    const rows = await this.database.query<{ count: string }>(
      `SELECT count(*) AS count
       FROM webhook_deliveries
       WHERE replay_id = $1 AND state IN ('pending', 'sending')`,
      [id],
    );
    return Number(rows[0]?.count);
  }

  /** Queues messages for the endpoint of a replay, due at once; each once a replay. One row a message. */
  async queue(
    replay: Replay,
    deliveries: readonly { readonly id: string; readonly messageId: string }[],
    now: Date,
  ): Promise<void> {
    await this.database.query(
      `INSERT INTO webhook_deliveries
         (id, message_id, endpoint_id, replay_id, state, attempt_count, next_attempt_at, created_at)
       SELECT queued.id, queued.message_id, $1, $2, 'pending', 0, $5, $5
       FROM unnest($3::text[], $4::text[]) AS queued (id, message_id)
       ON CONFLICT ON CONSTRAINT webhook_deliveries_once DO NOTHING`,
      [
        replay.endpointId,
        replay.id,
        deliveries.map(({ id }) => id),
        deliveries.map(({ messageId }) => messageId),
        now,
      ],
    );
  }

  /** Writes how far a locked replay is. One row. */
  async record(replay: Replay): Promise<void> {
    const { progress } = replay;
    await this.database.query(
      `UPDATE webhook_replays
       SET state = $2, from_position = $3, position = $4, until_position = $5, total_count = $6,
         queued_count = $7, next_step_at = $8, finished_at = $9
       WHERE id = $1`,
      [
        replay.id,
        replay.state,
        progress?.fromPosition ?? null,
        progress?.position ?? null,
        progress?.untilPosition ?? null,
        progress?.totalCount ?? null,
        replay.queuedCount,
        replay.nextStepAt,
        replay.finishedAt,
      ],
    );
  }
}

function fromRow(row: ReplayRow): Replay {
  return {
    id: row.id,
    endpointId: row.endpoint_id,
    selection: {
      scope: row.scope,
      messageIds: row.message_ids,
      types: row.types,
      customer: row.customer,
      from: row.from_at,
      to: row.to_at,
    },
    perSecond: row.per_second,
    state: row.state,
    progress:
      row.position === null
        ? null
        : {
            fromPosition: BigInt(row.from_position ?? 0),
            position: BigInt(row.position),
            untilPosition: BigInt(row.until_position ?? 0),
            totalCount: Number(row.total_count),
          },
    queuedCount: Number(row.queued_count),
    nextStepAt: row.next_step_at,
    createdAt: row.created_at,
    createdBy: row.created_by,
    finishedAt: row.finished_at,
  };
}
