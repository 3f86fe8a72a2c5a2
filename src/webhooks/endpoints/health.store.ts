/* Owns how endpoints fare in webhook_endpoints: changed by what became of attempts, under the row's lock. */
import { Injectable } from '@nestjs/common';
import { Database } from '../../platform/database/database.js';
import { type EndpointHealth } from './endpoint-health.js';
import { type DisabledReason } from './webhook-endpoint.js';

export interface FaringEndpoint {
  readonly id: string;
  readonly url: string;
  readonly health: EndpointHealth;
}

export interface HealthRow {
  readonly failing_since: Date | null;
  readonly last_failed_at: Date | null;
  readonly failure_count: number;
  readonly warned_percent: number;
  readonly held_until: Date | null;
}

interface FaringRow extends HealthRow {
  readonly id: string;
  readonly url: string;
}

/** What a row says of how its endpoint fares. */
export function healthFromRow(row: HealthRow): EndpointHealth {
  const { failing_since: since, last_failed_at: lastAt } = row;
  return {
    failing:
      since === null || lastAt === null
        ? null
        : { since, lastAt, count: row.failure_count, warnedPercent: row.warned_percent },
    heldUntil: row.held_until,
  };
}

@Injectable()
export class HealthStore {
  constructor(private readonly database: Database) {}

  /**
   * Locks, in the order of ids, those of the endpoints in force whose health attempts can change: all
   * that failed now, and those that succeeded and were failing or held before. Primary key.
   */
  async lockChanging(
    failed: readonly string[],
    succeeded: readonly string[],
  ): Promise<FaringEndpoint[]> {
    const rows = await this.database.query<FaringRow>(
      `SELECT id, url, failing_since, last_failed_at, failure_count, warned_percent, held_until
       FROM webhook_endpoints
       WHERE disabled_at IS NULL AND deleted_at IS NULL
         AND (
           id = ANY ($1)
           OR (id = ANY ($2) AND (failing_since IS NOT NULL OR held_until IS NOT NULL)))
       ORDER BY id
       FOR NO KEY UPDATE`,
      [failed, succeeded],
    );
    return rows.map((row) => ({ id: row.id, url: row.url, health: healthFromRow(row) }));
  }

  /** Writes how locked endpoints fare now. */
  async save(endpoints: readonly FaringEndpoint[]): Promise<void> {
    const failing = endpoints.map(({ health }) => health.failing);
    await this.database.query(
      `UPDATE webhook_endpoints e
       SET failing_since = now_is.failing_since, last_failed_at = now_is.last_failed_at,
         failure_count = now_is.failure_count, warned_percent = now_is.warned_percent,
         held_until = now_is.held_until
       FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::integer[], $5::integer[],
           $6::timestamptz[])
         AS now_is (id, failing_since, last_failed_at, failure_count, warned_percent, held_until)
       WHERE e.id = now_is.id`,
      [
        endpoints.map(({ id }) => id),
        failing.map((one) => one?.since ?? null),
        failing.map((one) => one?.lastAt ?? null),
        failing.map((one) => one?.count ?? 0),
        failing.map((one) => one?.warnedPercent ?? 0),
        endpoints.map(({ health }) => health.heldUntil),
      ],
    );
  }

  /** Lets an endpoint that is left alone be probed now; nothing when it is not. Primary key. */
  async endHold(id: string, now: Date): Promise<void> {
    await this.database.query(
      `UPDATE webhook_endpoints SET held_until = $2 WHERE id = $1 AND held_until > $2`,
      [id, now],
    );
  }

  /** Those of the attempts, by their place, whose endpoint has another URL by now. Primary key, no lock. */
  async findMoved(
    attempts: readonly { readonly endpointId: string; readonly url: string | null }[],
  ): Promise<ReadonlySet<number>> {
    const rows = await this.database.query<{ place: string }>(
      `SELECT sent.place - 1 AS place
       FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS sent (endpoint_id, url, place)
       JOIN webhook_endpoints e ON e.id = sent.endpoint_id AND e.url <> sent.url`,
      [attempts.map(({ endpointId }) => endpointId), attempts.map(({ url }) => url)],
    );
    return new Set(rows.map(({ place }) => Number(place)));
  }

  /**
   * Ends the use of an endpoint; false when it is not in use any more, or has another URL by now.
   *
   * @param url of which that is known
   */
  async disable(id: string, reason: DisabledReason, url: string, now: Date): Promise<boolean> {
    const rows = await this.database.query(
      `UPDATE webhook_endpoints
       SET disabled_at = $2, disabled_reason = $3
       WHERE id = $1 AND url = $4 AND disabled_at IS NULL AND deleted_at IS NULL
       RETURNING 1`,
      [id, now, reason, url],
    );
    return rows.length > 0;
  }
}
