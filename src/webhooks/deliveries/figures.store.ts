/* Figures about webhooks, cheap enough to be asked every few seconds however many deliveries wait. */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { Database } from '../../platform/database/database.js';

@Injectable()
export class FiguresStore {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** Partial index webhook_deliveries_leased: as many rows as are under way. */
  async countSending(): Promise<number> {
    return await this.figure(
      `SELECT count(*)::float8 AS figure FROM webhook_deliveries WHERE state = 'sending'`,
    );
  }

  /** Partial index webhook_deliveries_due: 1,000 rows of each endpoint at most. */
  async countDue(): Promise<number> {
    return await this.figure(
      `SELECT count(*)::float8 AS figure
       FROM webhook_endpoints e
       CROSS JOIN LATERAL (
         SELECT FROM webhook_deliveries d
         WHERE d.endpoint_id = e.id AND d.state = 'pending' AND d.next_attempt_at <= $1
         LIMIT 1000) due
       WHERE e.disabled_at IS NULL AND e.deleted_at IS NULL`,
      [this.clock.now()],
    );
  }

  /** At most 1,000 rows, and those that were deleted. */
  async countHeld(): Promise<number> {
    return await this.figure(
      `SELECT count(*)::float8 AS figure FROM webhook_endpoints
       WHERE held_until > $1 AND disabled_at IS NULL AND deleted_at IS NULL`,
      [this.clock.now()],
    );
  }

  /** Partial index webhook_deliveries_due: one row for each endpoint. */
  async oldestDueSeconds(): Promise<number> {
    return await this.figure(
      `SELECT greatest(coalesce(extract(epoch FROM $1::timestamptz - min(first.next_attempt_at)), 0), 0)::float8
         AS figure
       FROM webhook_endpoints e
       CROSS JOIN LATERAL (
         SELECT d.next_attempt_at
         FROM webhook_deliveries d
         WHERE d.endpoint_id = e.id AND d.state = 'pending'
         ORDER BY d.next_attempt_at, d.id
         LIMIT 1) first
       WHERE e.disabled_at IS NULL AND e.deleted_at IS NULL
         AND (e.held_until IS NULL OR e.held_until <= $1)`,
      [this.clock.now()],
    );
  }

  /** At most 1,000 rows, and those that were deleted. */
  async countFailing(): Promise<number> {
    return await this.figure(
      `SELECT count(*)::float8 AS figure FROM webhook_endpoints
       WHERE failing_since IS NOT NULL AND disabled_at IS NULL AND deleted_at IS NULL`,
    );
  }

  /** At most 1,000 rows, and those that were deleted. */
  async countDisabled(): Promise<number> {
    return await this.figure(
      `SELECT count(*)::float8 AS figure FROM webhook_endpoints
       WHERE disabled_at IS NOT NULL AND deleted_at IS NULL`,
    );
  }

  private async figure(sql: string, parameters: readonly unknown[] = []): Promise<number> {
    const rows = await this.database.query<{ figure: number }>(sql, parameters);
    return rows[0]?.figure ?? 0;
  }
}
