/*
 * Deletes what is older than it is kept of webhook_messages, webhook_deliveries, webhook_attempts and
 * webhook_replays; owns webhook_retention. Never what is still to be delivered, nor what a replay is going to look at.
 * Rows and not partitions: what waits for an endpoint outlives its day, and foreign keys hold the rest.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';

@Injectable()
export class RetentionStore {
  constructor(private readonly database: Database) {}

  /**
   * Deletes attempts that began before, of deliveries that are over. Index webhook_attempts_started;
   * at most `limit` rows.
   */
  async deleteAttempts(before: Date, limit: number): Promise<number> {
    const rows = await this.database.query(
      `DELETE FROM webhook_attempts
       WHERE id IN (
         SELECT a.id
         FROM webhook_attempts a
         JOIN webhook_deliveries d ON d.id = a.delivery_id
         WHERE a.started_at < $1 AND d.state IN ('succeeded', 'failed')
         ORDER BY a.started_at
         LIMIT $2
         FOR UPDATE OF a SKIP LOCKED)
       RETURNING 1`,
      [before, limit],
    );
    return rows.length;
  }

  /**
   * Messages published before that may go, locked until the transaction ends. Index
   * webhook_messages_created; passes what is locked; at most `limit` rows.
   */
  async lockMessages(before: Date, limit: number): Promise<string[]> {
    const rows = await this.database.query<{ id: string }>(
      `SELECT m.id
       FROM webhook_messages m
       WHERE m.created_at < $1
         AND m.position IS NOT NULL
         AND NOT EXISTS (
           SELECT 1
           FROM webhook_deliveries d
           WHERE d.message_id = m.id AND d.state IN ('pending', 'sending'))
         AND NOT EXISTS (
           SELECT 1
           FROM webhook_replays r
           WHERE r.state = 'running'
             AND (r.until_position IS NULL OR m.position BETWEEN r.position AND r.until_position))
       ORDER BY m.created_at
       LIMIT $2
       FOR UPDATE OF m SKIP LOCKED`,
      [before, limit],
    );
    return rows.map((row) => row.id);
  }

  /**
   * Of locked messages, those of which no delivery has become due since; all their deliveries are locked
   * then, so that none can.
   */
  async keepFinished(messageIds: readonly string[]): Promise<string[]> {
    const rows = await this.database.query<{ message_id: string; is_over: boolean }>(
      `SELECT d.message_id, d.state IN ('succeeded', 'failed') AS is_over
       FROM webhook_deliveries d
       WHERE d.message_id = ANY ($1)
       ORDER BY d.id
       FOR UPDATE OF d`,
      [messageIds],
    );
    const waiting = new Set(rows.filter((row) => !row.is_over).map((row) => row.message_id));
    return messageIds.filter((id) => !waiting.has(id));
  }

  /**
   * Deletes replays that ended before and of which no delivery is kept. Primary key and
   * webhook_deliveries_replay; passes what is locked; at most `limit` rows.
   */
  async deleteReplays(before: Date, limit: number): Promise<number> {
    const rows = await this.database.query(
      `DELETE FROM webhook_replays
       WHERE id IN (
         SELECT r.id
         FROM webhook_replays r
         WHERE r.finished_at < $1
           AND NOT EXISTS (SELECT FROM webhook_deliveries d WHERE d.replay_id = r.id)
         ORDER BY r.id
         LIMIT $2
         FOR UPDATE OF r SKIP LOCKED)
       RETURNING 1`,
      [before, limit],
    );
    return rows.length;
  }

  /** Deletes messages with their deliveries and attempts, and keeps up to which place that was. */
  async deleteMessages(messageIds: readonly string[]): Promise<void> {
    await this.database.query('DELETE FROM webhook_deliveries WHERE message_id = ANY ($1)', [
      messageIds,
    ]);
    await this.database.query(
      `WITH deleted AS (
         DELETE FROM webhook_messages WHERE id = ANY ($1) RETURNING position)
       UPDATE webhook_retention
       SET deleted_position = greatest(deleted_position, (SELECT max(position) FROM deleted))`,
      [messageIds],
    );
  }
}
