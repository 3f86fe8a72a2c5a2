/*
 * Customers with a subscription each whose periods end at one instant: one is made by the API, and its
 * rows are copied, since ten thousand of them would take longer than what is measured.
 */
import { type Client } from 'pg';
import { Api } from '../../support/api.js';
import { type Bench } from '../bench.js';
import { onDatabase } from '../service/database.js';
import { type Meterline } from '../service/meterline.js';

const HOUR_MS = 3_600_000;
const EVENTS_OF_EACH = 20;
const EVENTS_OF_REQUEST = 2_000;

const TIERS = [
  { up_to: '10', unit_price: '0.10' },
  { up_to: null, unit_price: '0.05' },
];
/** Three usage prices, over the three meters that each event counts in. */
const PLAN = {
  ...{ key: 'bench', name: 'Bench', currency: 'usd', interval: 'day', grace_seconds: 0 },
  prices: [
    { key: 'requests', kind: 'usage', meter: 'requests', model: 'graduated', tiers: TIERS },
    {
      ...{ key: 'egress', kind: 'usage', meter: 'egress', model: 'package' },
      ...{ package_size: '1000', package_price: '0.25' },
    },
    {
      ...{ key: 'successes', kind: 'usage', meter: 'successes', model: 'per_unit' },
      unit_price: '0.01',
    },
  ],
};
export const PRICES = PLAN.prices.length;

/** Changes of a row, by columns, each an expression over `original` and `nth`. */
type Changes = Readonly<Record<string, string>>;

const number = (prefix: string): string => `'${prefix}_' || lpad(nth::text, 26, '0')`;
const dayBefore = (column: string): string => `original.${column} - interval '25 hours'`;

/** Copies of the one row of a table: every column as it is but for the changes. */
function copies(table: string, changes: Changes): string {
  const pairs = Object.entries(changes).map(([column, value]) => `'${column}', ${value}`);
  return `INSERT INTO ${table} OVERRIDING SYSTEM VALUE
    SELECT copy.*
    FROM ${table} AS original, generate_series(1, $1::integer) AS nth,
      jsonb_populate_record(original, jsonb_build_object(${pairs.join(', ')})) AS copy
    WHERE original.${table === 'customer_subjects' ? 'subject' : 'id'} = $2`;
}

/** What was made by the API. */
interface Original {
  readonly customer: string;
  readonly subject: string;
  readonly subscription: string;
  readonly period: string;
}

async function makeOriginal(api: Api): Promise<Original> {
  await api.post('/api/v1/plans', PLAN);
  const customer = { key: 'original', name: 'Original', currency: 'usd', subjects: ['original'] };
  const stripe_customer_id = 'cus_original';
  const { id } = await api.post('/api/v1/customers', { ...customer, stripe_customer_id });
  const subscription = await api.post('/api/v1/subscriptions', {
    ...{ customer: 'original', plan: PLAN.key, billing: { provider: 'stripe', finalize: true } },
    starts_at: new Date(Date.now() - HOUR_MS).toISOString(),
    anchor: 'anniversary',
  });
  const [period] = await api.list(`/api/v1/billing-periods?subscription=${subscription.id}`);
  return { customer: id, subject: 'original', subscription: subscription.id, period: period.id };
}

async function copyCustomers(
  client: Client,
  original: Original,
  stripeCustomerIds: readonly string[],
): Promise<void> {
  const count = stripeCustomerIds.length;
  await client.query(
    copies('customers', {
      id: number('cus'),
      key: `'customer_' || nth`,
      stripe_customer_id: '($3::text[])[nth]',
    }),
    [count, original.customer, stripeCustomerIds],
  );
  await client.query(
    copies('customer_subjects', {
      subject: `'key_' || nth`,
      customer_id: number('cus'),
      number: `nextval(pg_get_serial_sequence('customer_subjects', 'number'))`,
    }),
    [count, original.subject],
  );
  await client.query(
    copies('subscriptions', {
      id: number('sub'),
      customer_id: number('cus'),
      starts_at: dayBefore('starts_at'),
      plan_since: dayBefore('plan_since'),
      anchor_at: dayBefore('anchor_at'),
      created_at: dayBefore('created_at'),
    }),
    [count, original.subscription],
  );
}

/** Usage of each in the period that is over, by as many events of three meters. */
async function use(bench: Bench, api: Api, count: number): Promise<void> {
  const time = new Date(Date.now() - 12 * HOUR_MS).toISOString();
  const total = count * EVENTS_OF_EACH;
  for (let start = 0; start < total; start += EVENTS_OF_REQUEST) {
    const events = Array.from(
      { length: Math.min(EVENTS_OF_REQUEST, total - start) },
      (_, index) => {
        const event = start + index;
        return {
          ...{ id: String(event), source: 'bench', type: 'api.request', time },
          subject: `key_${1 + (event % count)}`,
          data: { status: event % 7 === 0 ? 500 : 200, bytes: 100 + (event % 900), region: 'eu' },
        };
      },
    );
    await api.post('/api/v1/events', events);
  }
  bench.say(`sent ${total.toLocaleString('en')} events`);
}

export interface Subscribers {
  /** Lets all periods be due, in one instant. */
  readonly letClose: () => Promise<void>;
}

/** Makes a customer with a subscription and usage for each of Stripe's customers. */
export async function makeSubscribers(
  bench: Bench,
  service: Meterline,
  stripeCustomerIds: readonly string[],
): Promise<Subscribers> {
  const api = new Api(service.url, service.key);
  const original = await makeOriginal(api);
  const count = stripeCustomerIds.length;
  await onDatabase(service.databaseUrl, async (client) => {
    await copyCustomers(client, original, stripeCustomerIds);
  });
  await use(bench, api, count);
  await service.settle();
  await onDatabase(service.databaseUrl, async (client) => {
    await client.query('VACUUM ANALYZE');
    await client.query('CHECKPOINT');
  });
  return {
    letClose: async () => {
      await onDatabase(service.databaseUrl, async (client) => {
        await client.query(
          copies('billing_periods', {
            id: number('bp'),
            subscription_id: number('sub'),
            starts_at: dayBefore('starts_at'),
            ends_at: dayBefore('ends_at'),
            closes_at: dayBefore('closes_at'),
          }),
          [count, original.period],
        );
      });
    },
  };
}
