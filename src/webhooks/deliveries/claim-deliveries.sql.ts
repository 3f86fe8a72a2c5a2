/*
 * Takes due deliveries of endpoints that the transaction has locked, so many of each that no more
 * than its cap are under way. It is a statement of its own after the one that locks: a statement
 * that does both picks from a snapshot older than the lock, and was measured to take 980 to 1,602
 * deliveries twice per run and to exceed the cap. The guard on the state stays all the same.
 * With a plain `ORDER BY next_attempt_at`, one dead endpoint starves all others.
 */

/** Endpoint ids, now, cap per endpoint, cap of all, lease token, end of the lease. */
export type ClaimParameters = readonly [string[], Date, number, number, string, Date];

export interface ClaimRow {
  readonly id: string;
  readonly lease_token: string;
  readonly endpoint_id: string;
  readonly message_id: string;
  readonly attempt_count: number;
  readonly body: string;
  readonly url: string;
  readonly secret: string;
}

export const CLAIM_DELIVERIES = `
  WITH picked AS (
    SELECT due.id
    FROM webhook_endpoints e
    CROSS JOIN LATERAL (
      SELECT first.id, row_number() OVER (ORDER BY first.next_attempt_at, first.id) AS turn
      FROM (
        SELECT d.id, d.next_attempt_at
        FROM webhook_deliveries d
        WHERE d.endpoint_id = e.id AND d.state = 'pending' AND d.next_attempt_at <= $2
        ORDER BY d.next_attempt_at, d.id
        LIMIT greatest($3 - (
          SELECT count(*)
          FROM webhook_deliveries sending
          WHERE sending.endpoint_id = e.id AND sending.state = 'sending'), 0)
      ) first
    ) due
    WHERE e.id = ANY ($1)
    ORDER BY due.turn
    LIMIT $4)
  UPDATE webhook_deliveries d
  SET state = 'sending', next_attempt_at = NULL, attempt_count = d.attempt_count + 1,
      lease_token = $5, leased_until = $6
  FROM picked, webhook_messages m, webhook_endpoints e
  WHERE d.id = picked.id AND d.state = 'pending' AND m.id = d.message_id AND e.id = d.endpoint_id
  RETURNING d.id, d.lease_token, d.endpoint_id, d.message_id, d.attempt_count, m.body, e.url, e.secret`;
