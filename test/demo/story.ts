/* What finance does before the first bill: customers, meters, a plan, subscriptions; all of it safe to do again. */
import { DateTime } from 'luxon';
import { type Stripe } from 'stripe';
import { type Api } from '../support/api.js';
import { type LoggedUsage } from './nginx-log.js';

// oxlint-disable-next-line typescript/no-explicit-any -- answers are read as documented
type Json = any;

export interface Setup {
  readonly customers: readonly Json[];
  readonly endpointSecret: string;
}

const TIME_ZONES = ['Europe/Berlin', 'America/New_York', 'Asia/Tokyo', 'UTC'];

const METERS = [
  {
    key: 'requests',
    name: 'API requests',
    unit: 'request',
    event_type: 'api.request',
    aggregation: 'count',
    filters: [{ property: '$.status', op: 'lt', value: 500 }],
    group_by: { region: '$.region' },
  },
  {
    key: 'egress',
    name: 'Egress',
    unit: 'byte',
    event_type: 'api.request',
    aggregation: 'sum',
    value_property: '$.bytes',
  },
];

const PLAN = {
  key: 'pro',
  name: 'Pro',
  currency: 'usd',
  interval: 'month',
  grace_seconds: 0,
  prices: [
    { key: 'base', kind: 'flat', amount: '49.00' },
    { key: 'requests', kind: 'usage', meter: 'requests', model: 'per_unit', unit_price: '0.004' },
    { key: 'egress', kind: 'usage', meter: 'egress', model: 'per_unit', unit_price: '0.0000009' },
  ],
};

const WEBHOOK_TYPES = [
  'billing_period.closed',
  'invoice.finalized',
  'invoice.paid',
  'invoice.payment_failed',
];

/** `key_acme_prod` and `key_acme_ci` are keys of acme; a key of another form is a customer of its own. */
function customerKeyOf(consumer: string): string {
  const owner = /^key_([a-z0-9]+)(?:_|$)/.exec(consumer)?.[1] ?? consumer;
  return (
    owner
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-|-$/g, '') || 'unknown'
  );
}

/** Sets up whatever the usage needs that is not there yet. */
export async function configure(
  api: Api,
  stripe: Stripe,
  usage: readonly LoggedUsage[],
  receiverUrl: string,
): Promise<Setup> {
  const owners = new Map<string, Set<string>>();
  for (const { subject } of usage) {
    const key = customerKeyOf(subject);
    owners.set(key, (owners.get(key) ?? new Set()).add(subject));
  }
  for (const meter of METERS) {
    await api.ensure('/api/v1/meters', meter.key, async () => await Promise.resolve(meter));
  }
  await api.ensure('/api/v1/plans', PLAN.key, async () => await Promise.resolve(PLAN));
  const customers: Json[] = [];
  for (const key of [...owners.keys()].toSorted()) {
    const keys = [...(owners.get(key) ?? [])].toSorted();
    customers.push(await ensureCustomer(api, stripe, key, keys));
  }
  return {
    customers,
    endpointSecret: await listen(api, receiverUrl),
  };
}

async function ensureCustomer(
  api: Api,
  stripe: Stripe,
  key: string,
  subjects: readonly string[],
): Promise<Json> {
  const zone = TIME_ZONES[key.length % TIME_ZONES.length];
  return await api.ensure('/api/v1/customers', key, async () => {
    const name = key.charAt(0).toUpperCase() + key.slice(1);
    const customer = await stripe.customers.create(
      {
        name,
        email: `billing@${key}.example`,
        payment_method: 'pm_card_visa',
        invoice_settings: { default_payment_method: 'pm_card_visa' },
      },
      { idempotencyKey: `demo-${key}-${String(subjects[0])}` },
    );
    return {
      key,
      name,
      currency: 'usd',
      time_zone: zone,
      subjects,
      stripe_customer_id: customer.id,
    };
  });
}

/** Puts each customer on the plan for the time of the log, once its usage is there. */
export async function subscribe(
  api: Api,
  customers: readonly Json[],
  usage: readonly LoggedUsage[],
): Promise<Json[]> {
  const times = usage.map(({ time }) => time).toSorted();
  const first = times[0] ?? new Date().toISOString();
  // The contract ends right after the last line, so that the log's last period can close now.
  const last = Date.parse(times.at(-1) ?? first);
  const endsAt = new Date((Math.floor(last / 1_000) + 1) * 1_000).toISOString();
  const existing = await api.list('/api/v1/subscriptions');
  const subscriptions: Json[] = [];
  for (const customer of customers) {
    const found = existing.find((subscription) => subscription.customer === customer.key);
    const startsAt = DateTime.fromISO(first, { zone: customer.time_zone }).startOf('month').toISO();
    subscriptions.push(
      found ??
        (await api.post('/api/v1/subscriptions', {
          customer: customer.key,
          plan: PLAN.key,
          starts_at: startsAt,
          ends_at: endsAt,
          anchor: 'calendar',
          billing: { provider: 'stripe', mode: 'own_invoice', finalize: true },
        })),
    );
  }
  return subscriptions;
}

async function listen(api: Api, url: string): Promise<string> {
  // The receiver has another port in each run: what is left of an earlier one is taken down.
  for (const endpoint of await api.list('/api/v1/webhook-endpoints')) {
    await api.send('DELETE', `/api/v1/webhook-endpoints/${endpoint.id}`);
  }
  const endpoint = await api.post('/api/v1/webhook-endpoints', { url, types: WEBHOOK_TYPES });
  return endpoint.secret;
}
