/*
 * Aim: what folds and what judges sees all that there is to do, and asks the database once where there is nothing.
 * Method: each kind of work is made, seen and done by the workers' own looks; statements are counted.
 */
import { ThresholdsWorker } from '../../src/billing/thresholds/thresholds.worker.js';
import { CustomersService } from '../../src/customers/customers.service.js';
import { MetersService } from '../../src/meters/meters.service.js';
import { Database } from '../../src/platform/database/database.js';
import { FoldService } from '../../src/usage/fold.service.js';
import { startBilling, type TestBilling } from '../support/billing.js';
import { factory } from '../support/factory.js';
import { threshold, told } from '../support/thresholds.js';

const TIME = '2026-11-10T11:00:00Z';
const LIFETIME = { basis: 'lifetime', firesAtCreation: false } as const;

let billing: TestBilling;

beforeEach(async () => {
  // Its workers may look; nobody tells them when.
  billing = await startBilling('2026-11-10T12:00:00Z', { env: { METERLINE_ROLE: 'all' } });
  await settle();
});

afterEach(async () => {
  await billing.close();
});

const foldAll = async (): Promise<void> => {
  while ((await billing.get(FoldService).workOnce()) > 0) {
    // Again, until there is nothing to do.
  }
};

/** One look of the worker of thresholds. */
const tick = async (): Promise<void> => {
  const worker = billing.get(ThresholdsWorker);
  worker.tick();
  await worker.beforeApplicationShutdown();
  // It thinks that the process stops.
  Object.assign(worker, { isStopped: false });
};

async function settle(): Promise<void> {
  await foldAll();
  await tick();
}

/** How many statements it takes. */
const statementsOf = async (run: () => Promise<unknown>): Promise<number> => {
  const database = billing.get(Database);
  let count = 0;
  const counting = <Parameters extends unknown[], Result>(
    ask: (...parameters: Parameters) => Result,
  ): ((...parameters: Parameters) => Result) => {
    return (...parameters) => {
      count += 1;
      return ask.apply(database, parameters);
    };
  };
  Object.assign(database, {
    query: counting(Database.prototype.query),
    transaction: counting(Database.prototype.transaction),
  });
  await run();
  Reflect.deleteProperty(database, 'query');
  Reflect.deleteProperty(database, 'transaction');
  return count;
};

it('nothing to fold is one statement', async () => {
  expect(await statementsOf(async () => await billing.get(FoldService).workOnce())).toBe(1);
});

it('nothing to judge is one statement, whether anything is watched or not', async () => {
  expect(await statementsOf(tick)).toBe(1);
  await threshold(billing, ['10'], LIFETIME);
  await settle();
  expect(await statementsOf(tick)).toBe(1);
});

it('a batch that is pending is folded', async () => {
  const customer = await billing.customer();
  await billing.use(customer.key, TIME, ['4']);
  await foldAll();
  expect(await billing.rows('SELECT FROM ingest_batches WHERE fold IS NULL')).toEqual([]);
  const figures = 'SELECT sum(value_sum)::text AS sum FROM usage_rollups WHERE subject = $1';
  expect(await billing.rows(figures, [customer.key])).toEqual([{ sum: '4' }]);
});

it('a meter that is new gets its history in the same look', async () => {
  const customer = await billing.customer();
  await billing.use(customer.key, TIME, ['4']);
  await foldAll();
  const meter = await billing.get(MetersService).create(factory.meter({ key: 'is-new' }));
  expect(await billing.get(FoldService).workOnce()).toBeGreaterThan(0);
  const state = 'SELECT finished_at IS NOT NULL AS is_done FROM usage_backfills WHERE meter = $1';
  expect(await billing.rows(state, [meter.number])).toEqual([{ is_done: true }]);
});

it('a history that was begun elsewhere is gone on with', async () => {
  const meter = await billing.get(MetersService).create(factory.meter({ key: 'begun' }));
  await billing.rows('INSERT INTO usage_backfills VALUES ($1, 0, 0)', [meter.number]);
  await foldAll();
  const open = 'SELECT meter FROM usage_backfills WHERE finished_at IS NULL';
  expect(await billing.rows(open)).toEqual([]);
});

it('a meter that failed is tried again when its time has come', async () => {
  const insert = `INSERT INTO usage_failing_meters (meter, failing_since, error, attempt_count, next_attempt_at, batch_limit)
    SELECT min(number), $1, 'refused', 1, $2, 1 FROM meters`;
  const now = billing.clock.now();
  await billing.rows(insert, [now, new Date(now.getTime() + 1_000)]);
  const failing = async (): Promise<unknown[]> =>
    await billing.rows('SELECT error FROM usage_failing_meters');
  await foldAll();
  expect(await failing()).toHaveLength(1);
  billing.clock.advance(1_000);
  await foldAll();
  expect(await failing()).toEqual([]);
});

describe('a threshold', () => {
  const levelsOf = async (key: string): Promise<unknown[]> =>
    (await told(billing, key)).map(({ level }) => level);

  it('hears by a tick of what is stored, and of what is folded', async () => {
    const customer = await billing.customer();
    const { key } = await threshold(billing, ['10', '20'], LIFETIME);
    await settle();
    await billing.use(customer.key, TIME, ['12']);
    await tick();
    expect(await levelsOf(key)).toEqual(['10']);
    await billing.use(customer.key, TIME, ['9']);
    await foldAll();
    await tick();
    expect(await levelsOf(key)).toEqual(['10', '20']);
    const left = 'SELECT FROM usage_changes UNION ALL SELECT FROM threshold_dues';
    expect(await billing.rows(left)).toEqual([]);
  });

  it('hears of an owner', async () => {
    const customer = await billing.customer();
    const { key } = await threshold(billing, ['10'], LIFETIME);
    await billing.use('handed-over', TIME, ['12']);
    await settle();
    await billing.get(CustomersService).assignSubject(customer.id, 'handed-over', null);
    await tick();
    // Who is found by one look is judged by the next.
    await tick();
    expect(await levelsOf(key)).toEqual(['10']);
  });

  it('hears of figures that were made anew', async () => {
    const customer = await billing.customer();
    const { key } = await threshold(billing, ['10'], LIFETIME);
    await settle();
    await billing.rows(
      `INSERT INTO usage_remakes (wanted_by, subjects, starts_at, ends_at, made_at)
       VALUES ('thresholds', $1, '2026-11-10T00:00:00Z', '2026-11-11T00:00:00Z', now())`,
      [[customer.key]],
    );
    await tick();
    expect(await billing.rows('SELECT FROM usage_remakes')).toEqual([]);
    expect(await levelsOf(key)).toEqual([]);
  });

  it('is judged of who is due, once a lease has ended', async () => {
    const customer = await billing.customer();
    await billing.use(customer.key, TIME, ['12']);
    const { key } = await threshold(billing, ['10'], { ...LIFETIME, firesAtCreation: true });
    const until = new Date(billing.clock.now().getTime() + 30_000);
    await billing.rows('UPDATE threshold_dues SET leased_until = $1', [until]);
    await tick();
    expect(await levelsOf(key)).toEqual([]);
    billing.clock.advance(30_000);
    await tick();
    expect(await levelsOf(key)).toEqual(['10']);
  });
});
