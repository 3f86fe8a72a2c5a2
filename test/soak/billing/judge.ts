/*
 * Waits until all is billed, with the waits of days and hours left out, and compares the ledger with what
 * was sent, Stripe with the ledger, and both with what a reconciliation says.
 */
import { Client } from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, type TestService } from '../../support/service-process.js';
import { type Tally } from '../tally.js';
import { type Platform } from './platform.js';
import { daysAgo, SPAN_DAYS, type StripeWorld } from './stripe-world.js';
import { FEE_MINOR, type Subscriber, UNIT_MINOR } from './subscribers.js';

const LOOK_MS = 1_000;
/** For a busy machine; leases of the dead run out after half a minute. */
const PATIENCE_MS = 600_000;
/** Of what may be as many as line items. */
const MAX_SHOWN = 5;

export interface BillingVerdict {
  readonly lineItems: number;
  readonly totalMinor: bigint;
  readonly adjustments: number;
  readonly carriedOver: number;
  /** Units that were sent to Stripe's meters. */
  readonly metered: bigint;
  readonly differences: readonly string[];
}

/** What takes minutes to a day is waited for no longer: tries after failures, and leases of those that were killed. */
const HASTEN = [
  `UPDATE provider_syncs SET next_attempt_at = now() WHERE state = 'pending' AND next_attempt_at > now()`,
  `UPDATE draft_queues SET next_look_at = now() WHERE next_look_at > now() + interval '310 seconds'
     OR (attempt_count > 1 AND next_look_at > now())`,
  `UPDATE webhook_deliveries SET next_attempt_at = now() WHERE state = 'pending' AND next_attempt_at > now() + interval '20 seconds'`,
  `UPDATE meter_event_streams SET next_attempt_at = now() WHERE state = 'open' AND next_attempt_at > now()`,
  `UPDATE provider_events SET next_attempt_at = now() WHERE state = 'pending' AND next_attempt_at > now() + interval '20 seconds'`,
  `UPDATE billing_periods SET late_since = late_since - interval '2 days' WHERE late_since > now() - interval '1 day'`,
];

/** What is not done yet, by what it waits for. */
const LEFT = {
  'periods to close': `SELECT id FROM billing_periods WHERE state = 'open' AND closes_at <= now()`,
  'batches to look through': `SELECT max(id)::text AS id FROM ingest_batches HAVING max(id) > (SELECT done_batch FROM late_usage_scans)`,
  'closed periods to look after': `SELECT id FROM billing_periods WHERE state = 'closed' AND NOT is_watched`,
  'late usage': `SELECT id FROM billing_periods WHERE late_since IS NOT NULL`,
  syncs: `SELECT id FROM provider_syncs WHERE state = 'pending'`,
  'line items that are not final': `SELECT item.id FROM line_items AS item
     JOIN subscriptions AS subscription ON subscription.id = item.subscription_id
     WHERE item.state IN ('pending', 'sent', 'on_invoice') AND subscription.provider <> 'none'`,
  'usage to send': `SELECT id FROM meter_event_streams WHERE state = 'open'`,
  'meter events': `SELECT id FROM meter_events WHERE state IN ('sent', 'cancelling')`,
  'provider events': `SELECT id FROM provider_events WHERE state = 'pending'`,
};

/** Nothing may be sent any more, and Stripe must be calm. */
export async function judgeBilling(
  tally: Tally,
  world: StripeWorld,
  {
    databaseUrl,
    services,
    platform,
    subscribers,
  }: {
    readonly databaseUrl: string;
    readonly services: readonly TestService[];
    readonly platform: Platform;
    readonly subscribers: readonly Subscriber[];
  },
): Promise<BillingVerdict> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  const differences = [...tally.faults];
  const compare = (what: string, found: unknown, expected: unknown): void => {
    const [left, right] = [found, expected].map(text);
    if (left !== right) {
      differences.push(`${what}: ${left}, not ${right}`);
    }
  };
  try {
    const metered = subscribers.filter(({ mode }) => mode.isUsageOnly);
    differences.push(
      ...(await settle(client, async () => {
        // Stripe's own drafts are finalized in the end, whatever is on them by then.
        await world.finalizeAll();
        await platform.report(services[0]!.url);
        return metered
          .filter(({ stripeCustomerId, units }) => world.counted(stripeCustomerId) < units)
          .map(({ key }) => `units of ${key} at Stripe's meter`);
      })),
    );
    const all = await linesOf(client);
    const lines = all.filter(({ provider }) => provider === 'stripe');
    await compareLedger(client, subscribers, compare);
    compareStripe(world, lines, compare);
    comparePlatform(platform, all, compare);
    for (const { key, stripeCustomerId, units } of metered) {
      compare(`${key} at Stripe's meter`, world.counted(stripeCustomerId), units);
    }
    await compareFailures(client, compare);
    const totalMinor = lines.reduce((sum, { amount }) => sum + BigInt(amount), 0n);
    await compareReconciliation({ client, service: services[0]!, totalMinor, compare });
    return {
      ...{ lineItems: all.length, totalMinor, differences },
      metered: metered.reduce((sum, { units }) => sum + units, 0n),
      adjustments: all.filter(({ kind }) => kind === 'adjustment').length,
      carriedOver: lines.filter(({ carried }) => carried !== null).length,
    };
  } finally {
    await client.end();
  }
}

type Compare = (what: string, found: unknown, expected: unknown) => void;

const text = (value: unknown): string =>
  JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? String(one) : one));

interface Line {
  readonly id: string;
  readonly kind: string;
  readonly amount: string;
  readonly carried: string | null;
  readonly provider: 'stripe' | 'webhook' | 'none';
}

async function linesOf(client: Client): Promise<Line[]> {
  const { rows } = await client.query<Line>(
    `SELECT item.id, item.kind, item.amount_minor AS amount, item.carried_over AS carried, subscription.provider
     FROM line_items AS item JOIN subscriptions AS subscription ON subscription.id = item.subscription_id
     ORDER BY item.id`,
  );
  return rows;
}

/** Answers what has not come to its end; `outside` is told each time, and answers what is left to do there. */
async function settle(client: Client, outside: () => Promise<string[]>): Promise<string[]> {
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    for (const statement of HASTEN) {
      await client.query(statement);
    }
    const left = await outside();
    for (const [what, sql] of Object.entries(LEFT)) {
      const { rows } = await client.query<{ id: string }>(sql);
      const [first] = rows;
      left.push(...(first === undefined ? [] : [`${what}: ${rows.length}, such as ${first.id}`]));
    }
    if (left.length === 0) {
      return [];
    }
    if (Date.now() > until) {
      return left.map((what) => `still waiting after ${PATIENCE_MS} ms: ${what}`);
    }
    await sleep(LOOK_MS);
  }
}

/** Each customer pays for each closed period and for each unit, whenever it came. */
async function compareLedger(
  client: Client,
  subscribers: readonly Subscriber[],
  compare: Compare,
): Promise<void> {
  const { rows } = await client.query<{ key: string; periods: string; total: string }>(
    `SELECT customer.key,
       (SELECT count(*) FROM billing_periods AS period JOIN subscriptions AS subscription
          ON subscription.id = period.subscription_id
        WHERE subscription.customer_id = customer.id AND period.state = 'closed') AS periods,
       (SELECT coalesce(sum(amount_minor), 0) FROM line_items AS item
        WHERE item.customer_id = customer.id) AS total
     FROM customers AS customer`,
  );
  const found = new Map(rows.map((row) => [row.key, row]));
  compare('customers', found.size, subscribers.length);
  for (const { key, mode, units } of subscribers) {
    const { periods = '0', total } = found.get(key) ?? {};
    const due = FEE_MINOR * BigInt(periods) + UNIT_MINOR * units;
    compare(`${key} (${mode.name}) pays`, total, String(due));
    compare(`${key} has its periods`, Number(periods) >= SPAN_DAYS, true);
  }
}

/** Every line item is on one final invoice, once, with its amount; and nothing else that is said to be ours. */
function compareStripe(world: StripeWorld, lines: readonly Line[], compare: Compare): void {
  const billed = new Map<string, { amount: string; status: string | null }[]>();
  for (const { name, amount, status } of world.double.named('meterline_line_item')) {
    billed.set(name, [...(billed.get(name) ?? []), { amount: String(amount), status }]);
  }
  for (const { id, amount } of lines) {
    const items = billed.get(id) ?? [];
    compare(
      `${id} at Stripe`,
      items.map((item) => item.amount),
      [amount],
    );
    compare(
      `${id} is on a draft`,
      items.some(({ status }) => status === 'draft'),
      false,
    );
    billed.delete(id);
  }
  compare('what Stripe has besides', [...billed.keys()], []);
}

/**
 * The platform was told of every line item that is its own, by one message, and of no other; and what it was
 * told adds up, for receivers that take totals.
 */
function comparePlatform(platform: Platform, all: readonly Line[], compare: Compare): void {
  const told = [...platform.taken.values()].map(({ lineItem, amountMinor }) => [
    lineItem,
    String(amountMinor),
  ]);
  const own = all
    .filter(({ provider }) => provider === 'webhook')
    .map(({ id, amount }) => [id, amount]);
  compare('what the platform was told', told.toSorted(byName), own.toSorted(byName));
  const contradictions = [...platform.contradictions];
  compare(
    `${contradictions.length} times the platform was told otherwise, such as`,
    contradictions.slice(0, MAX_SHOWN),
    [],
  );
  const sums = new Map<string, number>();
  for (const { lineItem, charge, amountMinor, totalMinor } of [...platform.taken.values()].toSorted(
    (left, right) => left.revision - right.revision,
  )) {
    const sum = (sums.get(charge) ?? 0) + amountMinor;
    sums.set(charge, sum);
    compare(`the total that ${lineItem} tells of`, totalMinor, sum);
  }
}

const byName = ([left = '']: readonly string[], [right = '']: readonly string[]): number =>
  left < right ? -1 : 1;

async function compareFailures(client: Client, compare: Compare): Promise<void> {
  const { rows: items } = await client.query(
    `SELECT item.id, item.failure FROM line_items AS item
     JOIN subscriptions AS subscription ON subscription.id = item.subscription_id
     WHERE item.state NOT IN ('finalized', 'paid') AND subscription.provider <> 'none'`,
  );
  compare('line items that were not billed', items, []);
  const { rows: syncs } = await client.query(
    `SELECT id, failure_code, last_error FROM provider_syncs WHERE state = 'failed'`,
  );
  compare('syncs that wait for a person', syncs, []);
  const { rows: meterEvents } = await client.query(
    `SELECT id, failure_code, failure FROM meter_events WHERE state = 'failed'`,
  );
  compare('meter events that wait for a person', meterEvents, []);
  const { rows: events } = await client.query(
    `SELECT id, type, last_error FROM provider_events WHERE state = 'failed'`,
  );
  compare('events that wait for a person', events, []);
  const { rows: empty } = await client.query(
    `SELECT id, state FROM invoices WHERE NOT EXISTS (SELECT FROM line_items WHERE invoice_id = invoices.id)
       AND stripe_subscription_id IS NULL`,
  );
  compare('invoices with nothing on them', empty, []);
}

async function compareReconciliation({
  client,
  service,
  totalMinor,
  compare,
}: {
  readonly client: Client;
  readonly service: TestService;
  readonly totalMinor: bigint;
  readonly compare: Compare;
}): Promise<void> {
  // Stripe counts whole seconds, and what was made in this one is not before now.
  const to = new Date(Math.ceil((Date.now() + 1) / 1_000) * 1_000).toISOString();
  const from = daysAgo(SPAN_DAYS + 1).toISOString();
  const begun = await eventually(async () => {
    const answer = await service.post('/api/v1/reconciliations', { from, to });
    return answer.status === 201 ? answer.body : null;
  });
  const run = await eventually(async () => {
    // The second look waits for what is on its way; nothing is here.
    await client.query('UPDATE reconciliation_doubts SET next_look_at = now()');
    await client.query(
      `UPDATE reconciliations SET next_step_at = now() WHERE phase = 'recheck' AND attempt_count = 0
         AND next_step_at < now() + interval '125 seconds'`,
    );
    const { body } = await service.get(`/api/v1/reconciliations/${begun.id}`);
    return body.state === 'running' ? null : body;
  });
  compare('the reconciliation', [run.state, run.difference_count], ['completed', 0]);
  const [totals] = run.totals;
  compare(
    'totals of the reconciliation',
    [totals?.ledger_minor, totals?.stripe_minor, totals?.in_flight_minor].map(String),
    [totalMinor, totalMinor, 0].map(String),
  );
}
