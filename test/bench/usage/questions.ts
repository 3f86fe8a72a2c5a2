/* A question about usage, put to the service over HTTP and to PostgreSQL as one GROUP BY over raw events. */
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { Big } from 'big.js';
import { type Client } from 'pg';
import { type Meterline } from '../service/meterline.js';
import { type KindOfMeter } from './kinds.js';

export interface Question {
  /** Null: every customer. */
  readonly customer: string | null;
  readonly from: Date;
  readonly to: Date;
  readonly isByDay: boolean;
}

/** One line for each customer, bucket and group, in an order of its own. */
export type Answer = readonly string[];

export interface Timed {
  readonly answer: Answer;
  readonly ms: number;
}

interface UsageBody {
  readonly data: readonly {
    readonly window_start: string;
    readonly customer: string;
    readonly group: Record<string, string | null>;
    readonly quantity: string;
  }[];
}

const line = (customer: string, start: Date, group: string | null, quantity: string): string =>
  [customer, start.toISOString(), group ?? '', new Big(quantity).toFixed()].join(' ');

/** As a gateway's or an application's own: connections stay open. */
const agent = new Agent({ keepAlive: true });

/** An answer of the service, and after how long its last byte was here: what is made of it is not the service's time. */
async function read({ url, key }: Meterline, path: string): Promise<{ body: unknown; ms: number }> {
  const startedAt = performance.now();
  const headers = { authorization: `Bearer ${key}` };
  const [response] = (await once(get(`${url}${path}`, { agent, headers }), 'response')) as [
    IncomingMessage,
  ];
  const chunks: Buffer[] = [];
  response.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(response, 'end');
  const ms = performance.now() - startedAt;
  const text = Buffer.concat(chunks).toString();
  if (response.statusCode !== 200) {
    throw new Error(`GET ${path} answered ${response.statusCode}: ${text}`);
  }
  return { body: JSON.parse(text), ms };
}

/** The answer of the service; the time is that of the whole request. */
export async function ask(
  service: Meterline,
  { meter, group }: KindOfMeter,
  { customer, from, to, isByDay }: Question,
): Promise<Timed> {
  const query = new URLSearchParams({
    from: from.toISOString(),
    to: to.toISOString(),
    ...(customer !== null && { customer }),
    ...(isByDay && { window: 'day' }),
    ...(group !== null && { group_by: group }),
  });
  const { body, ms } = await read(service, `/api/v1/meters/${meter.key}/usage?${query.toString()}`);
  const answer = (body as UsageBody).data.map((row) =>
    line(
      row.customer,
      new Date(row.window_start),
      group === null ? null : (row.group[group] ?? null),
      row.quantity,
    ),
  );
  return { ms, answer: answer.toSorted() };
}

interface OpenPeriodsBody {
  readonly billing_periods: readonly {
    readonly prices: readonly { readonly meter: string | null; readonly quantity: string | null }[];
  }[];
}

const openLine = (meter: string, quantity: string): string =>
  `${meter} ${new Big(quantity).toFixed()}`;

/** What a customer has used so far in its open period, of every meter that has a price; in one request. */
export async function askOpenPeriod(service: Meterline, customer: string): Promise<Timed> {
  const { body, ms } = await read(service, `/api/v1/customers/${customer}/usage`);
  const answer = (body as OpenPeriodsBody).billing_periods.flatMap(({ prices }) =>
    prices.map(({ meter, quantity }) => openLine(meter ?? '', quantity ?? '0')),
  );
  return { ms, answer: answer.toSorted() };
}

/** The same from raw events, a GROUP BY for each meter. */
export async function askOpenPeriodPlainly(
  client: Client,
  kinds: readonly KindOfMeter[],
  question: Question,
): Promise<Timed> {
  const answer: string[] = [];
  let ms = 0;
  for (const kind of kinds) {
    const plain = await askPlainly(client, { ...kind, group: null }, question);
    answer.push(openLine(kind.meter.key, plain.answer[0]?.split(' ').at(-1) ?? '0'));
    ms += plain.ms;
  }
  return { ms, answer: answer.toSorted() };
}

/** The same from raw events, by what one would write without rollups. */
export async function askPlainly(
  client: Client,
  kind: KindOfMeter,
  { customer, from, to, isByDay }: Question,
): Promise<Timed> {
  const sql =
    kind.meter.aggregation === 'time_weighted_sum'
      ? plainLevels(kind, isByDay)
      : plainGroups(kind, isByDay);
  const startedAt = performance.now();
  const { rows } = await client.query<{
    customer: string;
    bucket: Date;
    grouped: string | null;
    quantity: string;
  }>(sql, [from, to, customer]);
  const ms = performance.now() - startedAt;
  const answer = rows.map((row) => line(row.customer, row.bucket, row.grouped, row.quantity));
  return { ms, answer: answer.toSorted() };
}

const OWNED = `owned AS (
  SELECT spans.subject, customers.key AS customer,
    greatest(spans.starts_at, $1::timestamptz) AS starts_at, least(spans.ends_at, $2::timestamptz) AS ends_at
  FROM customer_subjects AS spans JOIN customers ON customers.id = spans.customer_id
  WHERE $3::text IS NULL OR customers.key = $3
)`;

function plainGroups({ meter, plain, condition, group }: KindOfMeter, isByDay: boolean): string {
  return `WITH ${OWNED}
    SELECT owned.customer, ${isByDay ? `date_trunc('day', events.time, 'UTC')` : '$1::timestamptz'} AS bucket,
      ${group === null ? 'NULL::text' : `events.data->>'${group}'`} AS grouped, ${plain} AS quantity
    FROM usage_events AS events
    JOIN owned ON owned.subject = events.subject
      AND events.time >= owned.starts_at AND events.time < owned.ends_at
    WHERE events.type = '${meter.event_type}' ${condition}
    GROUP BY 1, 2, 3`;
}

/** Each level until the next one of its subject, cut at owners and days. */
function plainLevels({ meter, plain }: KindOfMeter, isByDay: boolean): string {
  const days = isByDay
    ? `SELECT day AS starts_at, day + interval '1 day' AS ends_at
       FROM generate_series($1::timestamptz, $2::timestamptz - interval '1 second', '1 day') AS day`
    : 'SELECT $1::timestamptz AS starts_at, $2::timestamptz AS ends_at';
  return `WITH ${OWNED}, bucket AS (${days}), held AS (
      SELECT events.subject, events.time, max(${plain}) AS level,
        coalesce(lead(events.time) OVER (PARTITION BY events.subject ORDER BY events.time), 'infinity') AS until
      FROM usage_events AS events
      WHERE events.type = '${meter.event_type}' AND events.time < $2
        AND ($3::text IS NULL OR events.subject IN (SELECT subject FROM owned))
      GROUP BY events.subject, events.time
    ), piece AS (
      SELECT owned.customer, bucket.starts_at AS bucket, held.level,
        greatest(held.time, owned.starts_at, bucket.starts_at) AS starts_at,
        least(held.until, owned.ends_at, bucket.ends_at) AS ends_at
      FROM held
      JOIN owned ON owned.subject = held.subject
      JOIN bucket ON held.time < bucket.ends_at AND held.until > bucket.starts_at
    )
    SELECT customer, bucket, NULL::text AS grouped,
      round(sum(level * extract(epoch FROM ends_at - starts_at))::numeric(60, 30) / 3600, 12) AS quantity
    FROM piece WHERE starts_at < ends_at
    GROUP BY 1, 2`;
}
