/*
 * A month of usage that is stored and counted already: a thousand customers, ten meters of every kind,
 * and as many events as a section asks for, in the order of their times, as they come in life.
 */
import { type Client } from 'pg';
import { Api } from '../../support/api.js';
import { type Bench } from '../bench.js';
import { onDatabase } from '../service/database.js';
import { type Meterline } from '../service/meterline.js';
import { KINDS } from './kinds.js';

const CUSTOMERS = 1_000;
/** Every so many customers have a subject that was another customer's before. */
const HANDED_OVER_EVERY = 100;
const DAYS = 30;
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** Of summing up, which takes a minute or two. */
const MAX_WAIT_S = 1_200;
/** Events of one batch: as many as one fold takes. */
const CHUNK = 50_000;
const CREATED_AT_ONCE = 8;

/** Whole days of UTC up to the last midnight, and the present day as far as it has come. */
export interface Month {
  readonly from: Date;
  readonly lastMidnight: Date;
  readonly to: Date;
}

export function monthBefore(now: Date): Month {
  const lastMidnight = new Date(Math.floor(now.getTime() / DAY_MS) * DAY_MS);
  return { from: new Date(lastMidnight.getTime() - DAYS * DAY_MS), lastMidnight, to: now };
}

/** Of the customer with the most usage but so many. */
export const customerKey = (index: number): string => `customer_${String(index).padStart(4, '0')}`;

/** So many customers, evenly from the one with most usage to the one with least. */
export function customersSampled(count: number): string[] {
  return Array.from({ length: count }, (_, index) =>
    customerKey(Math.floor((index * CUSTOMERS) / count)),
  );
}

const subjectOf = (index: number): string => `key_${String(index).padStart(4, '0')}`;

/**
 * Eight of ten events are requests, one is a sample of bandwidth and one a level of storage; so many
 * subjects have most of them by Zipf's law. The rows are as the service stores them, but for the keys,
 * which reads never look at.
 */
const FILL = `
  WITH batch AS (
    INSERT INTO ingest_batches (received_at, event_count)
    VALUES (date_trunc('milliseconds', now()), $2::bigint - $1::bigint) RETURNING id, received_at
  )
  INSERT INTO usage_events (source, id, type, subject, time, data, batch_id, received_at)
  SELECT 'bench-filler', 'filled-' || number,
    CASE WHEN number % 10 < 8 THEN 'api.request' WHEN number % 10 = 8 THEN 'bandwidth.sample' ELSE 'storage.level' END,
    'key_' || lpad(floor(power(${CUSTOMERS}, random()) - 1)::text, 4, '0'),
    date_trunc('milliseconds', $3::timestamptz + ($4::timestamptz - $3::timestamptz) * random()),
    CASE
      WHEN number % 10 < 8 THEN jsonb_build_object(
        'status', CASE WHEN random() < 0.95 THEN 200 ELSE 500 END,
        'bytes', floor(random() * 20000)::int,
        'region', (ARRAY['eu', 'us', 'ap'])[1 + floor(random() * 3)::int],
        'user', 'user_' || floor(random() * 20)::int)
      WHEN number % 10 = 8 THEN jsonb_build_object('mbps', round((random() * 1000)::numeric, 1))
      ELSE jsonb_build_object('gb', round((random() * 500)::numeric, 3))
    END,
    batch.id, batch.received_at
  FROM generate_series($1::bigint, $2::bigint - 1) AS number, batch`;

/** Every level ends in 0, so that what it comes to does not grow while it is read. */
const LAST_LEVELS = `
  WITH batch AS (
    INSERT INTO ingest_batches (received_at, event_count)
    VALUES (date_trunc('milliseconds', now()), ${CUSTOMERS}) RETURNING id, received_at
  )
  INSERT INTO usage_events (source, id, type, subject, time, data, batch_id, received_at)
  SELECT 'bench-filler', 'last-' || number, 'storage.level', 'key_' || lpad(number::text, 4, '0'),
    $1::timestamptz, '{"gb": 0}', batch.id, batch.received_at
  FROM generate_series(0, ${CUSTOMERS - 1}) AS number, batch`;

/** Creates the meters and customers, stores the events batch by batch, and waits until they are folded. */
export async function fillHistory(
  bench: Bench,
  service: Meterline,
  events: number,
  month: Month,
): Promise<void> {
  const api = new Api(service.url, service.key);
  for (const { meter } of KINDS) {
    await api.post('/api/v1/meters', meter);
  }
  await createCustomers(api, month);
  // Storing one makes the partition of this month.
  const first = { id: 'first', source: 'bench-filler', type: 'first', subject: 'nobody', data: {} };
  await api.post('/api/v1/events', first);
  const at = (event: number): Date =>
    new Date(month.from.getTime() + ((month.to.getTime() - month.from.getTime()) * event) / events);
  await onDatabase(service.databaseUrl, async (client) => {
    for (let start = 0; start < events; start += CHUNK) {
      const end = Math.min(events, start + CHUNK);
      await client.query(FILL, [start, end, at(start), at(end)]);
      if (end % (20 * CHUNK) === 0) {
        bench.say(`filled ${end.toLocaleString('en')} events`);
      }
    }
    await client.query(LAST_LEVELS, [month.to]);
    bench.say('waiting for the folds');
    await service.settle();
    bench.say('waiting until days are summed up');
    await daysSummedUp(client, month);
    await client.query('VACUUM ANALYZE');
    await client.query('CHECKPOINT');
  });
}

/** Subscribes customers from the start of the month to a plan with a price for each meter; the period is still open. */
export async function subscribe(
  service: Meterline,
  customers: readonly string[],
  { from }: Month,
): Promise<void> {
  const api = new Api(service.url, service.key);
  const prices = KINDS.map(({ meter }) => ({
    ...{ key: meter.key, kind: 'usage', meter: meter.key, model: 'per_unit', unit_price: '0.001' },
  }));
  const plan = { key: 'bench', name: 'Bench', currency: 'usd', interval: 'quarter', prices };
  await api.post('/api/v1/plans', plan);
  for (const customer of customers) {
    await api.post('/api/v1/subscriptions', {
      ...{ customer, plan: plan.key, anchor: 'anniversary', starts_at: from.toISOString() },
    });
  }
}

/** Until every day is summed up, that of today until five hours ago at least. */
async function daysSummedUp(client: Client, { from, to }: Month): Promise<void> {
  const until = new Date(to.getTime() - 5 * HOUR_MS);
  const days = Math.ceil((until.getTime() - from.getTime()) / DAY_MS);
  for (let waited = 0; waited < MAX_WAIT_S; waited += 1) {
    const { rows } = await client.query<{ count: string }>(
      `SELECT count(*) FROM usage_summed_days WHERE until >= least(day + interval '24 hours', $1)`,
      [until],
    );
    if (Number(rows[0]?.count) >= days * KINDS.length) {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 1_000));
  }
  throw new Error('The days of the month were not summed up');
}

/** Each has a subject; some take the subject of the next one over, in the middle of an hour. */
async function createCustomers(api: Api, month: Month): Promise<void> {
  const handedOverAt = new Date(month.from.getTime() + (DAYS / 2) * DAY_MS + 1_234_567);
  let next = 0;
  const create = async (): Promise<void> => {
    for (let index = next++; index < CUSTOMERS; index = next++) {
      const key = customerKey(index);
      const subjects = [subjectOf(index)];
      await api.post('/api/v1/customers', { key, name: key, currency: 'usd', subjects });
    }
  };
  await Promise.all(Array.from({ length: CREATED_AT_ONCE }, create));
  for (let index = 0; index + 1 < CUSTOMERS; index += HANDED_OVER_EVERY) {
    await api.post(`/api/v1/customers/${customerKey(index)}/subjects`, {
      subject: subjectOf(index + 1),
      from: handedOverAt.toISOString(),
    });
  }
}
