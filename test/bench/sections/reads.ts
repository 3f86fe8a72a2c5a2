/*
 * Reads of a month of usage, each beside the GROUP BY over raw events that answers the same; what the
 * rollups take; and a meter that is rebuilt, alone and beside ingest.
 */
import { Client } from 'pg';
import { type Bench } from '../bench.js';
import { onDatabase } from '../service/database.js';
import { type Meterline } from '../service/meterline.js';
import { type Cost, costOf, waitUntilQuiet } from '../service/quiet.js';
import {
  customerKey,
  customersSampled,
  fillHistory,
  type Month,
  monthBefore,
  subscribe,
} from '../usage/history.js';
import { type KindOfMeter, KINDS } from '../usage/kinds.js';
import {
  ask,
  askOpenPeriod,
  askOpenPeriodPlainly,
  askPlainly,
  type Question,
  type Timed,
} from '../usage/questions.js';
import { measureRebuild } from '../usage/rebuild.js';
import { reportRollupSizes } from '../usage/rollup-sizes.js';
import { type Section } from './section.js';

const EVENTS = 10_000_000;
const QUICK_EVENTS = 1_000_000;
const ASKED = 200;
/** So often each of them: of two hundred reads the slowest hundredth is two, which any neighbour of the machine can be. */
const ASKED_ROUNDS = 5;
/** The plain way takes so long that a part of the customers has to do. */
const ASKED_PLAINLY = 10;
const ALL_ROUNDS = 3;
/** Customers whose answers warm the service up, and do not count: none is asked for afterwards. Of few it would be compiled for their likes only. */
const WARMING = Array.from({ length: 50 }, (_, index) => customerKey(index * 20 + 3));
const WARMING_ROUNDS = 40;
const OPEN_PERIOD_P99_MS = 20;
const BY_DAY_P99_MS = 10;
const EVERY_CUSTOMER_MS = 500;

interface Row {
  readonly name: string;
  readonly p50: number;
  readonly p99: number;
  readonly plain: number;
  readonly rows: number;
  readonly cost: Cost;
}

export const reads: Section = {
  name: 'reads',
  isSlow: true,
  run: async (bench) => {
    await bench.withService({ meters: 0 }, async (service) => {
      const events = bench.isQuick ? QUICK_EVENTS : EVENTS;
      const month = monthBefore(new Date());
      await fillHistory(bench, service, events, month);
      await subscribe(service, [...customersSampled(ASKED), ...WARMING], month);
      await onDatabase(service.databaseUrl, async (client) => {
        await measureReads(bench, service, client, month);
      });
      await reportRollupSizes(bench, service, events);
      await measureRebuild(bench, service, events, month);
      await bench.notePeak(service, 'reads of a month');
    });
  },
};

async function measureReads(
  bench: Bench,
  service: Meterline,
  client: Client,
  month: Month,
): Promise<void> {
  const title = `of ${bench.isQuick ? 'a million' : 'ten million'} events of 1,000 customers in a month`;
  const { from, lastMidnight } = month;
  await warmUp(service, month);
  bench.say('waiting until the service and its PostgreSQL rest');
  await waitUntilQuiet(bench, service);
  const open = await measureOpenPeriods(bench, service, client, month);
  const byDay = await each(KINDS, async (kind) => {
    const question = (customer: string): Question => ({
      ...{ customer, from, to: lastMidnight, isByDay: true },
    });
    bench.say(`reading ${kind.meter.key} by day`);
    return await measureOne(bench, service, client, { kind, question });
  });
  const all = await each(KINDS, async (kind) => {
    bench.say(`reading ${kind.meter.key} of every customer`);
    const question = { customer: null, from, to: lastMidnight, isByDay: true };
    return await measureAll(bench, service, client, { kind, question });
  });
  report(bench, `The open period of one customer, ten meters in one request, ${title}`, [open]);
  report(bench, `A meter by day over the month, one customer, ${title}`, byDay);
  report(bench, `A meter by day over the month, every customer, ${title}`, all);
  aim(bench, "p99 of a customer's open period over ten meters", OPEN_PERIOD_P99_MS, open);
  aim(bench, 'p99 of a meter by day, one customer', BY_DAY_P99_MS, worst(byDay));
  aim(bench, 'a meter by day, every customer', EVERY_CUSTOMER_MS, worst(all));
}

/** The first few thousand requests of a process are compiled beside them; those of a service that runs for weeks are not. */
async function warmUp(service: Meterline, { from, lastMidnight }: Month): Promise<void> {
  for (let round = 0; round < WARMING_ROUNDS; round += 1) {
    for (const customer of WARMING) {
      await askOpenPeriod(service, customer);
      for (const kind of KINDS) {
        await ask(service, kind, { customer, from, to: lastMidnight, isByDay: true });
      }
    }
  }
}

const nameOf = ({ meter }: KindOfMeter): string => `${meter.key} (${meter.aggregation})`;

/** One after the other. */
async function each<Item, Result>(
  items: readonly Item[],
  measure: (item: Item) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  for (const item of items) {
    results.push(await measure(item));
  }
  return results;
}

/** What finance sees of a customer: the usage of its open period so far, of all meters that its plan prices. */
async function measureOpenPeriods(
  bench: Bench,
  service: Meterline,
  client: Client,
  { from, to }: Month,
): Promise<Row> {
  const name = 'every meter';
  const taken: number[] = [];
  const cost = await costOf(bench, service, ASKED * ASKED_ROUNDS, async () => {
    await eachCustomer(async (customer) => {
      taken.push((await askOpenPeriod(service, customer)).ms);
    });
  });
  const plainly = await each(customersSampled(ASKED_PLAINLY), async (customer) => {
    const ours = await askOpenPeriod(service, customer);
    const theirs = await askOpenPeriodPlainly(client, KINDS, {
      ...{ customer, from, to, isByDay: false },
    });
    checkEqual(name, [ours], [theirs]);
    return theirs.ms;
  });
  return {
    ...{ name, p50: at(taken, 0.5), p99: at(taken, 0.99) },
    ...{ plain: at(plainly, 0.5), rows: KINDS.length, cost },
  };
}

/** One after the other, and all of them some times. */
async function eachCustomer(read: (customer: string) => Promise<void>): Promise<void> {
  for (let round = 0; round < ASKED_ROUNDS; round += 1) {
    for (const customer of customersSampled(ASKED)) {
      await read(customer);
    }
  }
}

/** Asks customer by customer, and some of them plainly too. */
async function measureOne(
  bench: Bench,
  service: Meterline,
  client: Client,
  {
    kind,
    question,
  }: { readonly kind: KindOfMeter; readonly question: (customer: string) => Question },
): Promise<Row> {
  const name = nameOf(kind);
  let rows = 0;
  const taken: number[] = [];
  const cost = await costOf(bench, service, ASKED * ASKED_ROUNDS, async () => {
    await eachCustomer(async (customer) => {
      const { ms, answer } = await ask(service, kind, question(customer));
      rows = Math.max(rows, answer.length);
      taken.push(ms);
    });
  });
  const plainly = await each(customersSampled(ASKED_PLAINLY), async (customer) => {
    const ours = await ask(service, kind, question(customer));
    const theirs = await askPlainly(client, kind, question(customer));
    checkEqual(name, [ours], [theirs]);
    return theirs.ms;
  });
  return {
    ...{ name, p50: at(taken, 0.5), p99: at(taken, 0.99) },
    ...{ plain: at(plainly, 0.5), rows, cost },
  };
}

async function measureAll(
  bench: Bench,
  service: Meterline,
  client: Client,
  { kind, question }: { readonly kind: KindOfMeter; readonly question: Question },
): Promise<Row> {
  // The first round warms it up, and does not count.
  await ask(service, kind, question);
  const rounds: Timed[] = [];
  const cost = await costOf(bench, service, ALL_ROUNDS, async () => {
    for (let round = 0; round < ALL_ROUNDS; round += 1) {
      rounds.push(await ask(service, kind, question));
    }
  });
  const plain = await askPlainly(client, kind, question);
  checkEqual(nameOf(kind), rounds.slice(-1), [plain]);
  const taken = rounds.map(({ ms }) => ms);
  return {
    ...{ name: nameOf(kind), p50: at(taken, 0.5), p99: at(taken, 0.99) },
    ...{ plain: plain.ms, rows: plain.answer.length, cost },
  };
}

/** The smallest of which so large a share is less or equal. */
function at(taken: readonly number[], share: number): number {
  const sorted = taken.toSorted((left, right) => left - right);
  return sorted[Math.ceil(sorted.length * share) - 1] ?? 0;
}

function checkEqual(name: string, ours: readonly Timed[], plain: readonly Timed[]): void {
  ours.forEach(({ answer }, index) => {
    const expected = plain[index]?.answer ?? [];
    const [inOurs, inTheirs] = [new Set(answer), new Set(expected)];
    const difference = [...answer, ...expected].find(
      (line) => !inOurs.has(line) || !inTheirs.has(line),
    );
    if (answer.length !== expected.length || difference !== undefined) {
      throw new Error(
        `${name}: the service answers ${answer.length} rows, raw events ${expected.length}; ` +
          `the first that differs is ${difference ?? 'a double'}`,
      );
    }
  });
}

function worst(rows: readonly Row[]): Row {
  return rows.reduce((left, right) => (right.p99 > left.p99 ? right : left));
}

function report(bench: Bench, title: string, rows: readonly Row[]): void {
  bench.report.table(
    title,
    [
      { head: '', value: (row) => row.name },
      { head: 'p50 ms', value: (row) => row.p50, digits: 1 },
      { head: 'p99 ms', value: (row) => row.p99, digits: 1 },
      { head: 'PostgreSQL ms', value: ({ cost }) => cost.postgres, digits: 2 },
      { head: 'service ms', value: ({ cost }) => cost.service, digits: 2 },
      { head: 'GROUP BY ms', value: (row) => row.plain, digits: 1 },
      { head: 'of it', value: (row) => row.p50 / row.plain, digits: 3 },
      { head: 'rows', value: (row) => row.rows },
    ],
    rows,
  );
}

function aim(bench: Bench, name: string, targetMs: number, row: Row): void {
  bench.report.aim({
    name: `${name} (${row.name})`,
    target: `under ${targetMs} ms`,
    measured: `${row.p99.toFixed(1)} ms`,
    isMet: row.p99 < targetMs,
    scenario: null,
  });
}
