/*
 * How due deliveries are claimed: one statement locks endpoints, a second one takes deliveries of
 * those, so many of each that no more than its cap are under way. A statement that does both picks from
 * a snapshot older than the lock, and was measured to take 980 to 1,602 deliveries twice per run and to
 * exceed the cap. The guard on the state stays all the same. With a plain `ORDER BY next_attempt_at`,
 * one dead endpoint starves all others.
 */

/** Places of an endpoint: one while it is asked by probes or in order, else its cap; less what is under way. */
const FREE_PLACES = `
  CASE WHEN e.is_ordered OR e.held_until IS NOT NULL THEN 1 ELSE e.max_concurrency END - (
    SELECT count(*)
    FROM webhook_deliveries sending
    WHERE sending.endpoint_id = e.id AND sending.state = 'sending')`;

/** What may start now within max_per_second: a second's worth, less what was started ahead of its time; else no limit. */
const paceLeft = (now: string): string => `
  CASE WHEN e.max_per_second IS NULL THEN 1000
    ELSE floor((1 - greatest(extract(epoch FROM e.paced_until - ${now}), 0)) * e.max_per_second)::bigint
  END`;

/** Of which endpoints is claimed: `any`, those whose last attempt failed, or of the others the slow or the quick. */
const OF_POOL = `
      CASE $3::text
      WHEN 'any' THEN true
      WHEN 'failing' THEN e.failing_since IS NOT NULL
      ELSE e.failing_since IS NULL AND ($3 = 'slow') = (e.id = ANY ($4::text[]))
      END`;

/** Whether an endpoint could be sent something at that time. What costs most comes last: it is seldom asked. */
const isOpen = (now: string): string => `
    e.disabled_at IS NULL
    AND e.deleted_at IS NULL
    AND (e.held_until IS NULL OR e.held_until <= ${now})
    AND (NOT e.is_ordered OR (
      SELECT d.next_attempt_at
      FROM webhook_deliveries d
      WHERE d.endpoint_id = e.id AND d.state = 'pending'
      ORDER BY d.message_sequence NULLS FIRST, d.id
      LIMIT 1) <= ${now})
    AND (${FREE_PLACES}) > 0
    AND (${paceLeft(now)}) > 0`;

/** The first that something waits for of the endpoints that a condition lets through; NULLs when nothing does. */
const firstWaiting = (condition: string): string => `
      SELECT d.endpoint_id, d.next_attempt_at
      FROM webhook_deliveries d
      WHERE d.state = 'pending' AND ${condition}
      ORDER BY d.endpoint_id, d.next_attempt_at, d.id
      LIMIT 1`;

/** Walks from one endpoint that something waits for to the next, from behind one to the last, or to another. */
const walk = (name: string, start: string, stop: string): string => `
  ${name} AS (
    (${firstWaiting(`${start} AND ${stop}`)})
    UNION ALL
    SELECT following.endpoint_id, following.next_attempt_at
    FROM ${name}
    CROSS JOIN LATERAL (${firstWaiting(`d.endpoint_id > ${name}.endpoint_id AND ${stop}`)}) following)`;

/** Those on a walk that are neither failing nor slow, and could be sent something. OFFSET 0: one by one, as they are walked to. */
const quickOf = (walked: string): string => `
    SELECT quick.id, false AS is_failing
    FROM ${walked}
    CROSS JOIN LATERAL (
      SELECT e.id
      FROM webhook_endpoints e
      WHERE e.id = ${walked}.endpoint_id
        AND ${walked}.next_attempt_at <= $1
        AND e.failing_since IS NULL
        AND NOT (e.id = ANY ($2::text[]))
        AND ${isOpen('$1')}
      OFFSET 0) quick`;

/**
 * Endpoints that something due could be sent to: now, which are slow, of how many others at most, and behind which
 * of these the walk begins. Those that are failing or slow are few and all listed. The others are
 * walked to in the index of what waits, and round again to where it began, until there are enough: so who has
 * nothing costs nothing, and with a million deliveries due for 500 endpoints a claim of 20 looks at 20 of them and not at all.
 * Who has all its places taken is not listed, lest every look begins a transaction for a slow one in vain.
 */
export const LIST_DUE_ENDPOINTS = `
  WITH RECURSIVE ${walk('behind', 'd.endpoint_id > $4', 'true')}, ${walk('before', 'true', 'd.endpoint_id <= $4')}
  SELECT e.id, e.failing_since IS NOT NULL AS is_failing
  FROM webhook_endpoints e
  WHERE (e.failing_since IS NOT NULL OR e.id = ANY ($2::text[]))
    AND (
      SELECT d.next_attempt_at
      FROM webhook_deliveries d
      WHERE d.endpoint_id = e.id AND d.state = 'pending'
      ORDER BY d.next_attempt_at, d.id
      LIMIT 1) <= $1
    AND ${isOpen('$1')}
  UNION ALL
  (SELECT id, is_failing
   FROM (${quickOf('behind')}
    UNION ALL ${quickOf('before')}) quick
   LIMIT $3)`;

/**
 * Those of some endpoints that could be sent something now. Now, how many, of which pool, which are slow, and of whom.
 * The scalar subqueries read one row of a partial index each, however many deliveries wait: an EXISTS
 * may be planned as a join that reads them all.
 */
export const LOCK_DUE_ENDPOINTS = `
  SELECT e.id, e.is_ordered, e.max_per_second IS NOT NULL AS is_paced
  FROM webhook_endpoints e
  WHERE e.id = ANY ($5)
    AND ${OF_POOL}
    AND ${isOpen('$1')}
  ORDER BY random()
  LIMIT $2
  FOR NO KEY UPDATE OF e SKIP LOCKED`;

/** Endpoint ids, now, cap of all, lease token, end of the lease, the sequence up to which order is settled, whether in order. */
export type ClaimParameters = readonly [
  ...(readonly [string[], Date, number, string, Date]),
  string | null,
  boolean,
];

export interface ClaimRow {
  readonly id: string;
  readonly lease_token: string;
  readonly endpoint_id: string;
  readonly message_id: string;
  readonly attempt_count: number;
  readonly created_at: Date;
  readonly body: string;
  readonly url: string;
  readonly secret: string;
  readonly previous_secret: string | null;
  readonly headers: Record<string, string>;
  readonly retry_waits_seconds: number[] | null;
}

/**
 * Takes deliveries. Of an array PostgreSQL expects ten rows and looks each up: joined with what was picked, of which it
 * expects as many as may be taken, it read all deliveries and messages of tables of 15,000, in 6.4 ms instead of 1.4.
 *
 * The COMMIT does not wait for the disk, unless an endpoint among them is sent to in order: what a crash of PostgreSQL
 * takes back of a claim is sent once more, under the same webhook-id, as when its worker had died.
 */
export const CLAIM_DELIVERIES = `
  WITH picked AS (
    SELECT due.id
    FROM (
      SELECT e.id, e.is_ordered, greatest(least(${FREE_PLACES}, ${paceLeft('$2')}), 0) AS places
      FROM webhook_endpoints e
      WHERE e.id = ANY ($1)
    ) e
    CROSS JOIN LATERAL (
      SELECT first.id, row_number() OVER (ORDER BY first.next_attempt_at, first.id) AS turn
      FROM (
        SELECT d.id, d.next_attempt_at
        FROM webhook_deliveries d
        WHERE NOT e.is_ordered
          AND d.endpoint_id = e.id AND d.state = 'pending' AND d.next_attempt_at <= $2
        ORDER BY d.next_attempt_at, d.id
        LIMIT e.places
      ) first
      UNION ALL
      SELECT head.id, 1
      FROM (
        SELECT d.id, d.next_attempt_at, d.message_sequence
        FROM webhook_deliveries d
        WHERE e.is_ordered AND d.endpoint_id = e.id AND d.state = 'pending'
        ORDER BY d.message_sequence NULLS FIRST, d.id
        LIMIT e.places
      ) head
      WHERE head.next_attempt_at <= $2
        AND ($6::bigint IS NULL OR head.message_sequence IS NULL OR head.message_sequence <= $6)
    ) due
    ORDER BY due.turn
    LIMIT $3)
  UPDATE webhook_deliveries d
  SET state = 'sending', next_attempt_at = NULL, attempt_count = d.attempt_count + 1,
      lease_token = $4, leased_until = $5
  FROM webhook_messages m, webhook_endpoints e
  WHERE (SELECT set_config('synchronous_commit',
      CASE WHEN $7 THEN current_setting('synchronous_commit') ELSE 'off' END, true)) IS NOT NULL
    AND d.id = ANY (ARRAY (SELECT id FROM picked))
    AND d.state = 'pending' AND m.id = d.message_id AND e.id = d.endpoint_id
  RETURNING d.id, d.lease_token, d.endpoint_id, d.message_id, d.attempt_count, d.created_at,
    m.body, e.url, e.secret,
    CASE WHEN e.previous_secret_until > $2 THEN e.previous_secret END AS previous_secret,
    e.headers, e.retry_waits_seconds`;
