/*
 * Owns the leases in webhook_deliveries: who sends what, until when, and what came of it. A lease is
 * released by its token only, so a worker that comes back late changes nothing.
 */
import { Injectable } from '@nestjs/common';
import { newId } from '../../kernel/ids.js';
import { Database } from '../../platform/database/database.js';
import {
  CLAIM_DELIVERIES,
  type ClaimParameters,
  type ClaimRow,
  LIST_DUE_ENDPOINTS,
  LOCK_DUE_ENDPOINTS,
} from './claim-deliveries.sql.js';
import { SETTLED_SEQUENCE } from '../message-order.sql.js';
import { type Pool } from './places.js';
import { type Settlement } from './settlement.js';
import {
  type AttemptResult,
  type ClaimedDelivery,
  type OutgoingDelivery,
} from './webhook-delivery.js';

/** Of which endpoints is claimed. */
export interface ClaimScope {
  readonly pool: Pool | 'any';
  /** As this process knows; at most 1,000. */
  readonly slowEndpoints: readonly string[];
}

export interface ClaimLimits {
  /** Deliveries taken at once. */
  readonly total: number;
  /** Null unless one of the endpoints is sent to in order. */
  readonly order: {
    /** The sequence up to which no message can appear any more; null: all is there. */
    readonly settledTo: string | null;
  } | null;
  readonly leaseToken: string;
  readonly leasedUntil: Date;
}

/** Which endpoints with something due are asked for. */
export interface DueScope {
  /** As this process knows; at most 1,000. All of them are answered, and all that are failing. */
  readonly slowEndpoints: readonly string[];
  /** How many of the others. */
  readonly quickLimit: number;
  /** Behind which of these the walk begins; it goes round. */
  readonly after: string;
}

/** One that something waits for that is due, as it was when it was asked for. */
export interface DueEndpoint {
  readonly id: string;
  /** Whether its last attempt failed. */
  readonly is_failing: boolean;
}

export interface LockedEndpoint {
  readonly id: string;
  readonly is_ordered: boolean;
  readonly is_paced: boolean;
}

/** What became of a claim, to be written under its lease. */
export interface Release {
  readonly claim: ClaimedDelivery;
  readonly settlement: Settlement;
}

interface LeaseRow {
  readonly id: string;
  readonly lease_token: string;
  readonly message_id: string;
  readonly endpoint_id: string;
  readonly attempt_count: number;
  readonly leased_until: Date;
  readonly created_at: Date;
  readonly retry_waits_seconds: number[] | null;
}

/** To plan the three statements of a claim took as long as to run them. */
const PREPARED = { isPrepared: true };

@Injectable()
export class ClaimsStore {
  constructor(private readonly database: Database) {}

  /**
   * Endpoints that something due could be sent to now: those that are failing or slow, and some of the others, in the
   * order of the walk. Partial indexes webhook_deliveries_due, _in_order and _leased; no lock.
   */
  async listDueEndpoints(
    now: Date,
    { slowEndpoints, quickLimit, after }: DueScope,
  ): Promise<DueEndpoint[]> {
    const parameters = [now, slowEndpoints, quickLimit, after];
    return await this.database.query<DueEndpoint>(LIST_DUE_ENDPOINTS, parameters, PREPARED);
  }

  /**
   * Locks those of some endpoints in force that could be sent something now, in random order. The first of the
   * statements of a claim; all must be in one READ COMMITTED transaction. Partial indexes
   * webhook_deliveries_due, _in_order and _leased; skips what others hold. NO KEY: the foreign key of a
   * delivery being published must neither wait for claims nor hide its endpoint from them.
   */
  async lockDueEndpoints(
    ids: readonly string[],
    now: Date,
    limit: number,
    { pool, slowEndpoints }: ClaimScope,
  ): Promise<LockedEndpoint[]> {
    const parameters = [now, limit, pool, slowEndpoints, ids];
    return await this.database.query<LockedEndpoint>(LOCK_DUE_ENDPOINTS, parameters, PREPARED);
  }

  /**
   * Takes due deliveries of locked endpoints. Partial indexes webhook_deliveries_due and _in_order; at
   * most `total` rows. Without order the COMMIT does not wait for the disk.
   */
  async claim(
    endpointIds: string[],
    now: Date,
    { total, order, leaseToken, leasedUntil }: ClaimLimits,
  ): Promise<OutgoingDelivery[]> {
    const parameters: ClaimParameters = [
      endpointIds,
      now,
      total,
      leaseToken,
      leasedUntil,
      order?.settledTo ?? null,
      order !== null,
    ];
    const rows = await this.database.query<ClaimRow>(CLAIM_DELIVERIES, parameters, PREPARED);
    return rows.map((row) => ({
      id: row.id,
      leaseToken: row.lease_token,
      leasedUntil,
      endpointId: row.endpoint_id,
      messageId: row.message_id,
      attemptNumber: row.attempt_count,
      startedAt: now,
      queuedAt: row.created_at,
      retryWaitsSeconds: row.retry_waits_seconds,
      body: row.body,
      url: row.url,
      sealedSecrets:
        row.previous_secret === null ? [row.secret] : [row.secret, row.previous_secret],
      sealedHeaders: row.headers,
    }));
  }

  /**
   * The sequence up to which no message can appear any more, null when nobody is publishing. To be asked
   * before the deliveries are looked at: whoever has committed in between is seen there.
   */
  async settledSequence(): Promise<string | null> {
    const rows = await this.database.query<{ settled_to: string | null }>(SETTLED_SEQUENCE);
    return rows[0]?.settled_to ?? null;
  }

  /** Takes down what was started of endpoints that have a rate. Primary key, locked before. */
  async pace(endpointIds: readonly string[], counts: readonly number[], now: Date): Promise<void> {
    await this.database.query(
      `UPDATE webhook_endpoints e
       SET paced_until = greatest(e.paced_until, $3)
         + started.count * interval '1 second' / e.max_per_second
       FROM unnest($1::text[], $2::integer[]) AS started (id, count)
       WHERE e.id = started.id AND e.max_per_second IS NOT NULL`,
      [endpointIds, counts, now],
    );
  }

  /**
   * Claims whose lease has ended. Partial index webhook_deliveries_leased; no lock, since releasing
   * is guarded by the token; at most `limit` rows.
   *
   * @param leaseMs how long leases are, to tell when the attempt began
   */
  async findExpired(now: Date, leaseMs: number, limit: number): Promise<ClaimedDelivery[]> {
    const rows = await this.database.query<LeaseRow>(
      `SELECT d.id, d.lease_token, d.message_id, d.endpoint_id, d.attempt_count, d.leased_until,
         d.created_at, e.retry_waits_seconds
       FROM webhook_deliveries d
       JOIN webhook_endpoints e ON e.id = d.endpoint_id
       WHERE d.state = 'sending' AND d.leased_until <= $1
       ORDER BY d.id
       LIMIT $2`,
      [now, limit],
    );
    return rows.map((row) => ({
      id: row.id,
      leaseToken: row.lease_token,
      leasedUntil: row.leased_until,
      messageId: row.message_id,
      endpointId: row.endpoint_id,
      attemptNumber: row.attempt_count,
      startedAt: new Date(row.leased_until.getTime() - leaseMs),
      queuedAt: row.created_at,
      url: null,
      retryWaitsSeconds: row.retry_waits_seconds,
    }));
  }

  /**
   * Ends leases and moves deliveries on. Primary key; as many rows as there are releases.
   *
   * @returns the ids of those whose lease was still this one's; of the others nothing may be recorded
   */
  async release(releases: readonly Release[]): Promise<Set<string>> {
    const settled = releases.map(({ settlement }) => settlement);
    const rows = await this.database.query<{ id: string }>(
      `UPDATE webhook_deliveries d
       SET state = settled.state, next_attempt_at = settled.next_attempt_at,
         finished_at = settled.finished_at, lease_token = NULL, leased_until = NULL
       FROM unnest($1::text[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[])
         AS settled (id, lease_token, state, next_attempt_at, finished_at)
       WHERE d.id = settled.id AND d.lease_token = settled.lease_token AND d.state = 'sending'
       RETURNING d.id`,
      [
        releases.map(({ claim }) => claim.id),
        releases.map(({ claim }) => claim.leaseToken),
        settled.map(({ state }) => state),
        settled.map((one) => (one.state === 'pending' ? one.nextAttemptAt : null)),
        settled.map((one) => (one.state === 'pending' ? null : one.finishedAt)),
      ],
    );
    return new Set(rows.map(({ id }) => id));
  }

  /** Adds the rows of attempts whose deliveries were released in the same transaction. */
  async insertAttempts(
    attempts: readonly { readonly claim: ClaimedDelivery; readonly result: AttemptResult }[],
  ): Promise<void> {
    const results = attempts.map(({ result }) => result);
    await this.database.query(
      `INSERT INTO webhook_attempts
         (id, delivery_id, number, started_at, duration_ms, outcome, status, error, detail, address,
          response_headers, response)
       SELECT made.id, made.delivery_id, made.number, made.started_at, made.duration_ms, made.outcome,
         made.status, made.error, made.detail, made.address, made.response_headers::jsonb,
         made.response
       FROM unnest($1::text[], $2::text[], $3::integer[], $4::timestamptz[], $5::integer[], $6::text[],
           $7::integer[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[])
         AS made (id, delivery_id, number, started_at, duration_ms, outcome, status, error, detail,
           address, response_headers, response)`,
      [
        attempts.map(() => newId('att')),
        attempts.map(({ claim }) => claim.id),
        attempts.map(({ claim }) => claim.attemptNumber),
        attempts.map(({ claim }) => claim.startedAt),
        results.map(({ durationMs }) => durationMs),
        results.map(({ outcome }) => outcome),
        results.map(({ status }) => status),
        results.map(({ error }) => error),
        results.map(({ detail }) => detail),
        results.map(({ address }) => address),
        results.map(({ responseHeaders }) =>
          responseHeaders === null ? null : JSON.stringify(responseHeaders),
        ),
        results.map(({ response }) => response),
      ],
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
