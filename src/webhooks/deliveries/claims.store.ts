/*
 * Owns the leases in webhook_deliveries: who sends what, until when, and what came of it. A lease is
 * released by its token only, so a worker that comes back late changes nothing.
 */
import { Injectable } from '@nestjs/common';
import { newId } from '../../kernel/ids.js';
import { Database } from '../../platform/database/database.js';
import { CLAIM_DELIVERIES, type ClaimParameters, type ClaimRow } from './claim-deliveries.sql.js';
import { type Settlement } from './settlement.js';
import {
  type AttemptResult,
  type ClaimedDelivery,
  type OutgoingDelivery,
} from './webhook-delivery.js';

export interface ClaimLimits {
  /** Deliveries taken at once. */
  readonly total: number;
  /** Deliveries under way to one endpoint, by all workers together. */
  readonly perEndpoint: number;
  readonly leaseToken: string;
  readonly leasedUntil: Date;
}

interface LeaseRow {
  readonly id: string;
  readonly lease_token: string;
  readonly endpoint_id: string;
  readonly attempt_count: number;
  readonly leased_until: Date;
}

@Injectable()
export class ClaimsStore {
  constructor(private readonly database: Database) {}

  /**
   * Locks endpoints in force that have something due and are below their cap, in random order. The
   * first of the two statements of a claim; both must be in one READ COMMITTED transaction. Partial
   * index webhook_deliveries_due; skips what others hold. NO KEY: the foreign key of a delivery
   * being published must neither wait for claims nor hide its endpoint from them.
   */
  async lockDueEndpoints(now: Date, perEndpoint: number, limit: number): Promise<string[]> {
    const rows = await this.database.query<{ id: string }>(
      `SELECT e.id
       FROM webhook_endpoints e
       WHERE e.disabled_at IS NULL
         AND e.deleted_at IS NULL
         AND EXISTS (
           SELECT 1
           FROM webhook_deliveries d
           WHERE d.endpoint_id = e.id AND d.state = 'pending' AND d.next_attempt_at <= $1)
         AND $2 > (
           SELECT count(*)
           FROM webhook_deliveries sending
           WHERE sending.endpoint_id = e.id AND sending.state = 'sending')
       ORDER BY random()
       LIMIT $3
       FOR NO KEY UPDATE OF e SKIP LOCKED`,
      [now, perEndpoint, limit],
    );
    return rows.map((row) => row.id);
  }

  /** Takes due deliveries of locked endpoints. Partial index webhook_deliveries_due; at most `total` rows. */
  async claim(
    endpointIds: string[],
    now: Date,
    { total, perEndpoint, leaseToken, leasedUntil }: ClaimLimits,
  ): Promise<OutgoingDelivery[]> {
    const parameters: ClaimParameters = [
      endpointIds,
      now,
      perEndpoint,
      total,
      leaseToken,
      leasedUntil,
    ];
    const rows = await this.database.query<ClaimRow>(CLAIM_DELIVERIES, parameters);
    return rows.map((row) => ({
      id: row.id,
      leaseToken: row.lease_token,
      endpointId: row.endpoint_id,
      messageId: row.message_id,
      attemptNumber: row.attempt_count,
      startedAt: now,
      body: row.body,
      url: row.url,
      secret: row.secret,
    }));
  }

  /**
   * Claims whose lease has ended. Partial index webhook_deliveries_leased; no lock, since releasing
   * is guarded by the token; at most `limit` rows.
   *
   * @param leaseMs how long leases are, to tell when the attempt began
   */
  async findExpired(now: Date, leaseMs: number, limit: number): Promise<ClaimedDelivery[]> {
    const rows = await this.database.query<LeaseRow>(
      `SELECT id, lease_token, endpoint_id, attempt_count, leased_until
       FROM webhook_deliveries
       WHERE state = 'sending' AND leased_until <= $1
       LIMIT $2`,
      [now, limit],
    );
    return rows.map((row) => ({
      id: row.id,
      leaseToken: row.lease_token,
      endpointId: row.endpoint_id,
      attemptNumber: row.attempt_count,
      startedAt: new Date(row.leased_until.getTime() - leaseMs),
    }));
  }

  /**
   * Ends the lease and moves the delivery on. Primary key; one row.
   *
   * @returns false when the lease is not this one's any more: then nothing may be recorded
   */
  async release(claim: ClaimedDelivery, settlement: Settlement): Promise<boolean> {
    const isPending = settlement.state === 'pending';
    const rows = await this.database.query(
      `UPDATE webhook_deliveries
       SET state = $3, next_attempt_at = $4, finished_at = $5, lease_token = NULL, leased_until = NULL
       WHERE id = $1 AND lease_token = $2 AND state = 'sending'
       RETURNING 1`,
      [
        claim.id,
        claim.leaseToken,
        settlement.state,
        isPending ? settlement.nextAttemptAt : null,
        isPending ? null : settlement.finishedAt,
      ],
    );
    return rows.length > 0;
  }

  /** Adds the row of an attempt; the delivery must have been released in the same transaction. */
  async insertAttempt(claim: ClaimedDelivery, result: AttemptResult): Promise<void> {
    await this.database.query(
      `INSERT INTO webhook_attempts
         (id, delivery_id, number, started_at, duration_ms, outcome, status, error, detail, response)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
      [
        newId('att'),
        claim.id,
        claim.attemptNumber,
        claim.startedAt,
        result.durationMs,
        result.outcome,
        result.status,
        result.error,
        result.detail,
        result.response,
      ],
    );
  }

  /** Ends the use of an endpoint that answered so; nothing when it is disabled already. */
  async disableGone(id: string, now: Date): Promise<void> {
    await this.database.query(
      `UPDATE webhook_endpoints
       SET disabled_at = $2, disabled_reason = 'gone'
       WHERE id = $1 AND disabled_at IS NULL`,
      [id, now],
    );
  }

  /** Gives up what is pending for deleted endpoints. Partial index webhook_deliveries_due; at most `limit` rows. */
  async giveUpDeleted(now: Date, limit: number): Promise<number> {
    const rows = await this.database.query(
      `UPDATE webhook_deliveries
       SET state = 'failed', next_attempt_at = NULL, finished_at = $1
       WHERE state = 'pending' AND id IN (
         SELECT d.id
         FROM webhook_endpoints e
         JOIN webhook_deliveries d ON d.endpoint_id = e.id
         WHERE e.deleted_at IS NOT NULL AND d.state = 'pending'
         LIMIT $2
         FOR UPDATE OF d SKIP LOCKED)
       RETURNING 1`,
      [now, limit],
    );
    return rows.length;
  }
}
