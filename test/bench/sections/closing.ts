/*
 * Ten thousand subscriptions whose periods end at the same instant: how long until all is in the ledger,
 * beside a plain loop, and how long until all is at Stripe, as a share of what its limits allow.
 */
import { type Client } from 'pg';
import { type Bench } from '../bench.js';
import { closePlainly } from '../closing/plain-loop.js';
import { type Cost, costOf, type MemoryOf, spentBy, waitFor } from '../closing/progress.js';
import {
  BenchStripe,
  type CallCount,
  CALLS_PER_SECOND,
  ENDPOINT_CALLS_PER_SECOND,
} from '../closing/stripe.js';
import { makeSubscribers, PRICES } from '../closing/subscribers.js';
import { onDatabase } from '../service/database.js';
import { type Meterline } from '../service/meterline.js';
import { megabytes, type Section } from './section.js';

const SUBSCRIPTIONS = 10_000;
const QUICK_SUBSCRIPTIONS = 1_000;
/** Enough for a rate, and few beside what is measured. */
const PLAIN = 1_000;
/** A draft, its lines in one call, its finalization, and a look at what became of it. */
const CALLS_OF_INVOICE = 4;
const LEDGER_SHARE = 0.25;
const STRIPE_SHARE = 0.9;
const MAX_GROWTH = 1.1;

interface Measured {
  readonly ledger: Cost;
  readonly stripe: Cost;
  readonly memory: MemoryOf;
  readonly plainPerSecond: number;
  readonly calls: Readonly<Record<string, CallCount>>;
}

export const closing: Section = {
  name: 'closing',
  isSlow: true,
  run: async (bench) => {
    const count = bench.isQuick ? QUICK_SUBSCRIPTIONS : SUBSCRIPTIONS;
    const stripe = await BenchStripe.start();
    await bench.withService({ env: stripe.env }, async (service) => {
      bench.say(`making ${count.toLocaleString('en')} customers`);
      const { letClose } = await makeSubscribers(
        bench,
        service,
        await stripe.createCustomers(count),
      );
      await stripe.begin(service.url);
      await onDatabase(service.databaseUrl, async (client) => {
        report(bench, await measure(bench, { service, stripe, client, count }, letClose));
      });
      await bench.notePeak(service, 'closing');
    });
    await stripe.stop();
  },
};

interface Parts {
  readonly service: Meterline;
  readonly stripe: BenchStripe;
  readonly client: Client;
  readonly count: number;
}

async function measure(
  bench: Bench,
  parts: Parts,
  letClose: () => Promise<void>,
): Promise<Measured> {
  const { service, stripe, client, count } = parts;
  const before = await stripe.calls();
  bench.say('all of them are due');
  const begun = await spentBy(bench, service, client);
  await letClose();
  const closed = await waitFor(bench, parts, {
    ...{ what: 'closed', count },
    sql: `SELECT count(*) FROM billing_periods WHERE state = 'closed'`,
  });
  const inLedger = await spentBy(bench, service, client);
  bench.say('all of them are in the ledger');
  const pushed = await waitFor(bench, parts, {
    ...{ what: 'finalized at Stripe', count },
    sql: `SELECT count(*) FROM invoices WHERE state IN ('open', 'paid')`,
  });
  const atStripe = await spentBy(bench, service, client);
  const calls = between(before, await stripe.calls());
  await check(parts);
  bench.say('closing once more, plainly');
  return {
    ledger: costOf(begun, inLedger, count),
    stripe: costOf(begun, atStripe, count),
    memory: { first: pushed.first ?? closed.first, last: pushed.last },
    plainPerSecond: await closePlainly(service.databaseUrl, Math.min(PLAIN, count)),
    calls,
  };
}

function between(
  before: Readonly<Record<string, CallCount>>,
  after: Readonly<Record<string, CallCount>>,
): Record<string, CallCount> {
  return Object.fromEntries(
    Object.entries(after)
      .map(([endpoint, { admitted, limited }]): [string, CallCount] => {
        const then = before[endpoint] ?? { admitted: 0, limited: 0 };
        return [endpoint, { admitted: admitted - then.admitted, limited: limited - then.limited }];
      })
      .filter(([, { admitted, limited }]) => admitted + limited > 0),
  );
}

/** Every line item is at Stripe once, with its amount, or the time would be one of something else. */
async function check({ stripe, client, count }: Parts): Promise<void> {
  const { rows } = await client.query<{ id: string; amount: string }>(
    'SELECT id, amount_minor AS amount FROM line_items ORDER BY id',
  );
  const billed = (await stripe.billed()).toSorted((left, right) =>
    left.name < right.name ? -1 : 1,
  );
  const wrong = rows.find(
    ({ id, amount }, index) =>
      billed[index]?.name !== id || String(billed[index].amount) !== amount,
  );
  if (rows.length !== count * PRICES || billed.length !== rows.length || wrong !== undefined) {
    throw new Error(
      `The ledger has ${rows.length} line items and Stripe ${billed.length}, not ${count * PRICES}; ` +
        `the first that differs is ${wrong?.id ?? 'none'}`,
    );
  }
}

function report(bench: Bench, measured: Measured): void {
  const { ledger, stripe, memory, plainPerSecond, calls } = measured;
  const title = `${ledger.count.toLocaleString('en')} subscriptions of ${PRICES} usage prices that end at one instant`;
  bench.report.table(
    title,
    [
      { head: 'until all is', value: (row) => row.name },
      { head: 's', value: (row) => row.seconds, digits: 1 },
      { head: 'a second', value: (row) => row.perSecond, digits: 1 },
      { head: 'service ms', value: (row) => row.serviceCpuMs, digits: 2 },
      { head: 'postgres ms', value: (row) => row.postgresCpuMs, digits: 2 },
      { head: 'transactions', value: (row) => row.transactions, digits: 1 },
    ],
    [
      { name: 'in the ledger', ...ledger },
      { name: 'final at Stripe', ...stripe },
    ],
  );
  bench.report.table(
    'Closing beside a plain loop over the same rows, on one connection',
    [
      { head: '', value: () => 'closed a second' },
      { head: 'service', value: () => ledger.perSecond, digits: 1 },
      { head: 'plain loop', value: () => plainPerSecond, digits: 1 },
      { head: 'of it', value: () => ledger.perSecond / plainPerSecond, digits: 2 },
    ],
    [{ plainPerSecond }],
  );
  const endpoints = Object.entries(calls).map(([endpoint, count]) => ({ endpoint, ...count }));
  bench.report.table(
    'Calls of Stripe',
    [
      { head: 'endpoint', value: (row) => row.endpoint },
      { head: 'calls', value: (row) => row.admitted },
      { head: 'for an invoice', value: (row) => row.admitted / stripe.count, digits: 2 },
      { head: 'answered 429', value: (row) => row.limited },
    ],
    endpoints,
  );
  reportAims(bench, measured, leastSeconds(endpoints, stripe.count));
  bench.report.table(
    'Memory of the service during the push',
    [
      { head: '', value: () => 'MB' },
      { head: 'first quarter', value: () => megabytes(memory.first) },
      { head: 'last quarter', value: () => megabytes(memory.last) },
    ],
    [memory],
  );
}

/** What the limits allow at best: for four calls an invoice, and for the calls that were made. */
function leastSeconds(
  endpoints: readonly CallCount[],
  invoices: number,
): { readonly needed: number; readonly made: number } {
  const all = endpoints.reduce((sum, { admitted }) => sum + admitted, 0);
  const most = Math.max(...endpoints.map(({ admitted }) => admitted));
  return {
    needed: Math.max(
      (invoices * CALLS_OF_INVOICE) / CALLS_PER_SECOND,
      invoices / ENDPOINT_CALLS_PER_SECOND,
    ),
    made: Math.max(all / CALLS_PER_SECOND, most / ENDPOINT_CALLS_PER_SECOND),
  };
}

function reportAims(
  bench: Bench,
  { ledger, stripe, memory, plainPerSecond, calls }: Measured,
  least: { readonly needed: number; readonly made: number },
): void {
  const share = least.needed / stripe.seconds;
  const limited = Object.values(calls).reduce((sum, count) => sum + count.limited, 0);
  const ratio = ledger.perSecond / plainPerSecond;
  bench.report.table(
    "The push, as a share of what Stripe's limits allow",
    [
      { head: '', value: (row) => row.name },
      { head: 'least s', value: (row) => row.seconds, digits: 1 },
      { head: 'taken s', value: () => stripe.seconds, digits: 1 },
      { head: 'share', value: (row) => row.seconds / stripe.seconds, digits: 2 },
    ],
    [
      { name: `${CALLS_OF_INVOICE} calls an invoice`, seconds: least.needed },
      { name: 'the calls that were made', seconds: least.made },
    ],
  );
  bench.report.aim({
    name: `closing ${ledger.count.toLocaleString('en')} periods: of a plain loop`,
    target: `at least ${LEDGER_SHARE}`,
    measured: `${ratio.toFixed(2)} (${ledger.seconds.toFixed(0)} s)`,
    isMet: ratio >= LEDGER_SHARE,
    scenario: null,
  });
  bench.report.aim({
    name: "the same at Stripe: of what Stripe's limits allow",
    target: `at least ${STRIPE_SHARE}`,
    measured: `${share.toFixed(2)} (${stripe.seconds.toFixed(0)} s, ${limited} times 429)`,
    isMet: share >= STRIPE_SHARE,
    scenario: null,
  });
  if (memory.first !== null && memory.last !== null) {
    const growth = memory.last / memory.first;
    bench.report.aim({
      name: 'memory during the push, last quarter: of the first',
      target: `at most ${MAX_GROWTH}`,
      measured: growth.toFixed(2),
      isMet: growth <= MAX_GROWTH,
      scenario: null,
    });
  }
}
