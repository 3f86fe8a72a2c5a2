/*
 * Owns the places of messages: the order in which readers follow them. A message has none when it
 * commits. Whoever wants to read on first gives places to all that have committed by then, one such at
 * a time; so places become visible in their own order, and no message ever gets one that a reader has
 * passed, however late it commits. The sequence of a message cannot serve, being drawn before the
 * commit; nor can numbers of transactions, which begin anew when a backup is restored.
 */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';

/** Any number that no other lock has. */
const PLACING_LOCK = 7_263_101;
/** Given in one transaction, for which other readers wait: 0.6 s on a machine that is 15 times overloaded. */
const BATCH = 5_000;

@Injectable()
export class PositionsStore {
  constructor(private readonly database: Database) {}

  /** Gives places to all messages that have committed. Looks at the index of those without one, mostly empty. */
  async placeAll(): Promise<void> {
    while (await this.hasUnplaced()) {
      await this.database.transaction(async () => {
        await this.database.query('SELECT pg_advisory_xact_lock($1)', [PLACING_LOCK]);
        await this.place();
      });
    }
  }

  /** The last place that a message has, or had before it was deleted; 0 when none has. Unique index. */
  async last(): Promise<bigint> {
    const rows = await this.database.query<{ position: string }>(
      `SELECT greatest(
         (SELECT max(position) FROM webhook_messages),
         (SELECT deleted_position FROM webhook_retention)) AS position`,
    );
    return BigInt(rows[0]?.position ?? 0);
  }

  /** The highest place of which a message was deleted; 0 when none was. */
  async lastDeleted(): Promise<bigint> {
    const rows = await this.database.query<{ position: string }>(
      `SELECT deleted_position AS position FROM webhook_retention`,
    );
    return BigInt(rows[0]?.position ?? 0);
  }

  private async hasUnplaced(): Promise<boolean> {
    const rows = await this.database.query(
      `SELECT 1 FROM webhook_messages WHERE position IS NULL LIMIT 1`,
    );
    return rows.length > 0;
  }

  /** A statement of its own behind the lock: its snapshot sees all that whoever held it has placed. */
  private async place(): Promise<void> {
    await this.database.query(
      `UPDATE webhook_messages m
       SET position = placed.position
       FROM (
         SELECT fresh.id, nextval('webhook_message_positions') AS position
         FROM (
           SELECT id
           FROM webhook_messages
           WHERE position IS NULL
           ORDER BY sequence
           LIMIT $1
         ) fresh
       ) placed
       WHERE m.id = placed.id`,
      [BATCH],
    );
  }
}
