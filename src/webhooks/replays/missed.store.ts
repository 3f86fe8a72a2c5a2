/* What endpoints were not told while they were disabled: how much, and that it was brought. */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';

/** Nobody needs to know it more exactly than this. */
export const MAX_COUNTED = 10_000;

@Injectable()
export class MissedStore {
  constructor(private readonly database: Database) {}

  /**
   * What was missed since then has been brought, up to a place. What it was not told of behind that place, since it
   * was disabled once more, is missed still. One row; index of times.
   */
  async settle(endpointId: string, missedFrom: Date, untilPosition: bigint): Promise<void> {
    await this.database.query(
      `UPDATE webhook_endpoints e
       SET missed_from = (
         SELECT min(m.created_at)
         FROM webhook_messages m
         WHERE m.created_at >= $2
           AND (m.position IS NULL OR m.position > $3)
           AND NOT m.is_test
           AND (m.endpoint_id IS NULL OR m.endpoint_id = e.id)
           AND (e.types = '{}' OR m.type = ANY (e.types))
           AND NOT EXISTS (
             SELECT 1 FROM webhook_deliveries d WHERE d.message_id = m.id AND d.endpoint_id = e.id))
       WHERE e.id = $1 AND e.missed_from = $2`,
      [endpointId, missedFrom, untilPosition],
    );
  }

  /**
   * How many messages an endpoint would want that were published at `from` or later and that it has
   * neither taken nor is being sent, at most 10,000. Index of times.
   */
  async count(endpointId: string, from: Date): Promise<number> {
    const rows = await this.database.query<{ count: string }>(
      `SELECT count(*) AS count
       FROM (
         SELECT 1
         FROM webhook_endpoints e
         JOIN webhook_messages m ON m.created_at >= $2
         WHERE e.id = $1
           AND NOT m.is_test
           AND (m.endpoint_id IS NULL OR m.endpoint_id = e.id)
           AND (e.types = '{}' OR m.type = ANY (e.types))
           AND NOT EXISTS (
             SELECT 1
             FROM webhook_deliveries d
             WHERE d.message_id = m.id AND d.endpoint_id = e.id AND d.state <> 'failed')
         LIMIT $3
       ) missed`,
      [endpointId, from, MAX_COUNTED],
    );
    return Number(rows[0]?.count);
  }
}
