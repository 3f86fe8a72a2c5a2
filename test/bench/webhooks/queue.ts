/* Fills the tables of webhooks as publishing would, many rows at a time. */
import { MESSAGE_API_VERSION } from '../../../src/webhooks/webhook-message.js';
import { onDatabase } from '../service/database.js';

/** Of 24 bytes. */
const SECRET = `whsec_${Buffer.alloc(24, 7).toString('base64')}`;
/** What a message of an invoice takes, about. */
const PADDING_BYTES = 500;

/** Endpoints at `url` and a number, with ids that tell the prefix and the number. */
export async function addEndpoints(
  databaseUrl: string,
  { prefix, url, count }: { prefix: string; url: string; count: number },
): Promise<void> {
  await onDatabase(databaseUrl, async (client) => {
    await client.query(
      `INSERT INTO webhook_endpoints (id, url, types, description, secret, created_at)
       SELECT 'we_' || $1 || lpad(n::text, ${26 - 1}, '0'), $2 || '/' || n, '{webhook.test}', '', $3, now()
       FROM generate_series(1, $4::integer) n`,
      [prefix, url, SECRET, count],
    );
  });
}

/** Messages, one delivery of each, spread evenly over the endpoints of the prefix; due `dueInSeconds` from now. */
export async function queueDeliveries(
  databaseUrl: string,
  { prefix, count, dueInSeconds = 0 }: { prefix: string; count: number; dueInSeconds?: number },
): Promise<void> {
  await onDatabase(databaseUrl, async (client) => {
    await client.query('BEGIN');
    const { rows } = await client.query<{ first: string }>(
      'SELECT coalesce(max(sequence), 0) AS first FROM webhook_messages',
    );
    const first = Number(rows[0]?.first);
    await client.query(
      `INSERT INTO webhook_messages (id, sequence, type, body, created_at)
       OVERRIDING SYSTEM VALUE
       SELECT 'msg_' || lpad(n::text, 26, '0'), n, 'webhook_endpoint.recovered',
         json_build_object('type', 'webhook_endpoint.recovered', 'timestamp', '2026-11-03T10:00:00.000Z',
           'api_version', '${MESSAGE_API_VERSION}', 'sequence', n,
           'data', json_build_object('endpoint', 'we_01kgn5y5w8e1qav2b6xmyd3n54',
             'url', repeat('x', ${PADDING_BYTES}))), now()
       FROM generate_series($1::bigint + 1, $1::bigint + $2::bigint) n`,
      [first, count],
    );
    await client.query(
      `WITH target AS (
         SELECT id, row_number() OVER (ORDER BY id) - 1 AS place, count(*) OVER () AS places
         FROM webhook_endpoints WHERE id LIKE 'we_' || $3 || '%')
       INSERT INTO webhook_deliveries
         (id, message_id, message_sequence, endpoint_id, state, attempt_count, next_attempt_at, created_at)
       SELECT 'dlv_' || lpad(n::text, 26, '0'), 'msg_' || lpad(n::text, 26, '0'), n, t.id, 'pending', 0,
         now() + $4::integer * interval '1 second', now()
       FROM generate_series($1::bigint + 1, $1::bigint + $2::bigint) n
       JOIN target t ON t.place = n % t.places`,
      [first, count, prefix, dueInSeconds],
    );
    await client.query(
      `SELECT setval('webhook_messages_sequence_seq', max(sequence)) FROM webhook_messages`,
    );
    await client.query('COMMIT');
    await client.query('ANALYZE webhook_deliveries, webhook_messages, webhook_endpoints');
  });
}
