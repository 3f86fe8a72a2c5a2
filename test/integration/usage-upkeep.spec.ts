/*
 * Aim: what meters have counted can be made anew at any moment, checked, and ended, and reads stay exact.
 * Method: tables are damaged by hand, as no fold would; raw events say what is right.
 */
import { CountPercentilesAnew1763700000094 } from '../../migrations/1763700000094-count-percentiles-anew.js';
import { type Interval } from '../../src/kernel/interval.js';
import { type Aggregation, type Meter } from '../../src/meters/meter.js';
import { IN_THIS_DATABASE } from '../support/database.js';
import { factory } from '../support/factory.js';
import { BatchesStore, METERS_LOCK } from '../../src/usage/batches.store.js';
import { ChecksStore } from '../../src/usage/upkeep/checks.store.js';
import { UsageStore } from '../../src/usage/usage.store.js';
import { type Metering, startMetering } from '../support/metering.js';

const NOW = new Date('2026-11-09T13:00:00Z');
const DAY: Interval = {
  start: new Date('2026-11-09T00:00:00Z'),
  end: new Date('2026-11-10T00:00:00Z'),
};
const VALUE = { kind: 'property', path: '$.v' } as const;
const AGGREGATIONS: readonly Aggregation[] = [
  { kind: 'sum', value: VALUE },
  { kind: 'max', value: VALUE },
  { kind: 'time_weighted_sum', value: VALUE },
  { kind: 'unique_count', property: '$.v' },
  { kind: 'percentile', value: VALUE, percentile: '50' },
];

describe('upkeep of usage', () => {
  let metering: Metering;
  let customer: string;
  let meters: Meter[];

  beforeEach(async () => {
    metering = await startMetering(NOW.toISOString());
    const created = await metering.customers.create(factory.customer(), ['s1', 's2']);
    customer = created.id;
    meters = [];
    for (const aggregation of AGGREGATIONS) {
      meters.push(await metering.meters.create(factory.meter({ aggregation })));
    }
    await metering.send(
      ['08:10', '08:20', '09:30', '11:45'].flatMap((time, index) =>
        ['s1', 's2'].map((subject) =>
          factory.event({ subject, time: `2026-11-09T${time}:00Z`, data: { v: index * 3 + 1 } }),
        ),
      ),
    );
    await drain();
  });

  afterEach(async () => {
    await metering.close();
  });

  const drain = async (): Promise<void> => {
    let done: number;
    do {
      done = (await metering.fold.foldOnce()) + (await metering.fold.backfillOnce());
    } while (done > 0);
  };

  const read = async (meter: Meter, isRaw = false): Promise<string | undefined> => {
    const question = {
      ...{ meter, buckets: [DAY], by: 'customer' as const, groupBy: [], groupFilter: {}, now: NOW },
      whose: { kind: 'customer', customerId: customer } as const,
    };
    const [row] = await (isRaw
      ? metering.usageStore.readFromEvents(question)
      : metering.usageStore.read(question));
    return row?.quantity.toFixed();
  };

  const readAll = async (isRaw = false): Promise<(string | undefined)[]> => {
    const answers: (string | undefined)[] = [];
    for (const meter of meters) {
      answers.push(await read(meter, isRaw));
    }
    return answers;
  };

  const run = async (sql: string): Promise<void> => {
    await metering.db.database.query(sql);
  };

  const damage = async (): Promise<void> => {
    await run(`UPDATE usage_rollups SET event_count = event_count + 5, value_sum = value_sum + 5,
      value = value + 5, level_sum = level_sum + 5 WHERE subject = 's1'`);
    await run(`DELETE FROM usage_rollups WHERE subject = 's2' AND hour < '2026-11-09T09:00:00Z'`);
    await run(`DELETE FROM usage_distinct_values WHERE value = '4'`);
    await run(`INSERT INTO usage_rollups (subject, meter, hour, groups, event_count, value_sum, value)
      SELECT 's2', number, '2026-11-09T05:00:00Z', '{}', 1, 7, 7 FROM meters
      WHERE aggregation IN ('sum', 'max')`);
  };

  it('makes everything anew that was damaged, while events come and are folded', async () => {
    const right = await readAll(true);
    expect(await readAll()).toEqual(right);
    await damage();
    expect(await readAll()).not.toEqual(right);
    const ids: string[] = [];
    for (const { key } of meters) {
      const rebuild = await metering.rebuilds.request(
        { meter: key, window: DAY, subjects: null },
        'k',
      );
      ids.push(rebuild.id);
    }
    const rebuilding = new AbortController();
    const sending = (async () => {
      for (let index = 0; !rebuilding.signal.aborted; index += 1) {
        const time = `2026-11-09T${index % 2 === 0 ? '08' : '12'}:${String(index % 60).padStart(2, '0')}:30Z`;
        await metering.send([factory.event({ subject: 's1', time, data: { v: index } })]);
        await metering.fold.foldOnce();
      }
    })();
    const steps = async (): Promise<void> => {
      while ((await metering.rebuilds.stepOnce()) > 0) {
        // Until nothing is left.
      }
    };
    await Promise.all([steps(), steps()]);
    rebuilding.abort();
    await sending;
    expect(await readAll()).toEqual(await readAll(true));
    await drain();
    expect(await readAll()).toEqual(await readAll(true));
    const rebuild = await metering.rebuilds.get(meters[0]?.key ?? '', ids[0] ?? '');
    expect(rebuild.finishedAt).not.toBeNull();
    expect(rebuild.eventCount).toBeGreaterThanOrEqual(8n);
  });

  it('makes only the hours and subjects anew that were asked for', async () => {
    const [sum] = meters as [Meter];
    await damage();
    const hour = { start: new Date('2026-11-09T08:15:00Z'), end: new Date('2026-11-09T08:16:00Z') };
    await metering.rebuilds.request({ meter: sum.key, window: hour, subjects: ['s1'] }, 'k');
    while ((await metering.rebuilds.stepOnce()) > 0) {
      // Until it is done.
    }
    const rows = await metering.db.database.query(
      `SELECT subject, extract(hour FROM hour AT TIME ZONE 'UTC')::integer AS hour, value_sum
       FROM usage_rollups WHERE meter = $1 ORDER BY 1, 2`,
      [sum.number],
    );
    expect(rows).toEqual([
      { subject: 's1', hour: 8, value_sum: '5' },
      { subject: 's1', hour: 9, value_sum: '12' },
      { subject: 's1', hour: 11, value_sum: '15' },
      { subject: 's2', hour: 5, value_sum: '7' },
      { subject: 's2', hour: 9, value_sum: '7' },
      { subject: 's2', hour: 11, value_sum: '10' },
    ]);
  });

  it('finds what differs, says what it should be, and makes it anew only when told to', async () => {
    const right = await readAll(true);
    expect(await metering.checks.checkNow(false)).toMatchObject({
      ...{ meterCount: 5, differenceCount: 0, isRepaired: false },
    });
    await damage();
    const found = await metering.checks.checkNow(false);
    expect(found.differenceCount).toBeGreaterThan(8);
    expect(found.differences).toContainEqual({
      meter: meters[0]?.key,
      subject: 's1',
      hour: '2026-11-09T08:00:00.000000Z',
      groups: [],
      kept: { event_count: '7', value_sum: '10', value: undefined, level_sum: undefined },
      counted: { event_count: '2', value_sum: '5' },
    });
    expect(await readAll()).not.toEqual(right);
    expect(await metering.checks.checkNow(true)).toMatchObject({ isRepaired: true });
    expect(await readAll()).toEqual(right);
    expect(await metering.checks.checkNow(false)).toMatchObject({ differenceCount: 0 });
    const messages = await metering.db.database.query<{ type: string }>(
      'SELECT type FROM webhook_messages',
    );
    expect(messages.map(({ type }) => type)).toEqual(['usage.check_failed', 'usage.check_failed']);
  });

  it('checks each night once, whoever looks', async () => {
    metering.clock.set('2026-11-10T02:59:59Z');
    expect(await metering.checks.checkNight(false)).toBe(0);
    metering.clock.set('2026-11-10T03:00:00Z');
    const done = await Promise.all(
      [1, 2, 3].map(async () => await metering.checks.checkNight(false)),
    );
    expect(done.reduce((sum, count) => sum + count, 0)).toBe(1);
    expect(await metering.checks.checkNight(false)).toBe(0);
    metering.clock.set('2026-11-11T09:00:00Z');
    expect(await metering.checks.checkNight(false)).toBe(1);
    const { items } = await metering.checks.list(10, null);
    expect(items.map(({ night }) => night)).toEqual(['2026-11-11', '2026-11-10']);
  });

  it('ends a meter at a moment: what is of a later time goes, what comes late still counts', async () => {
    const [sum] = meters as [Meter];
    const [event, late] = [
      factory.event({ subject: 's1', time: '2026-11-09T13:00:00Z', data: { v: 100 } }),
      factory.event({ subject: 's1', time: '2026-11-09T12:59:59.999Z', data: { v: 1000 } }),
    ];
    await metering.send([event]);
    await drain();
    expect(await read(sum)).toBe('144');
    const archived = await metering.archiving.archive(sum.key);
    expect(archived.archivedAt).toEqual(NOW);
    expect(await read(archived)).toBe('44');
    await metering.send([late]);
    expect(await read(archived)).toBe('1044');
    await drain();
    expect(await read(archived)).toBe('1044');
    metering.clock.advance(1_000);
    expect((await metering.archiving.archive(sum.id)).archivedAt).toEqual(NOW);
  });

  it('ends a level where its meter ends', async () => {
    const [, , levels] = meters as [Meter, Meter, Meter];
    const archived = await metering.archiving.archive(levels.key);
    const before = await read(archived);
    metering.clock.advance(3_600_000);
    const window = { start: DAY.start, end: metering.clock.now() };
    expect((await metering.usage.quantityOf(archived, customer, window)).toFixed()).toBe(before);
  });

  /** Until so many wait for an advisory lock. */
  const waiting = async (count: number): Promise<void> => {
    let found: unknown[];
    do {
      found = await metering.db.database.query(
        `SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND ${IN_THIS_DATABASE}`,
      );
    } while (found.length < count);
  };

  /** Ends a meter while something else waits behind that, having read the meter as it was. */
  const archiveBefore = async (meter: Meter, step: () => Promise<unknown>): Promise<Meter> => {
    const folding = metering.db.database.dataSource.createQueryRunner();
    await folding.startTransaction();
    await folding.query(`SELECT pg_advisory_xact_lock_shared(${METERS_LOCK})`);
    const archiving = metering.archiving.archive(meter.key);
    await waiting(1);
    const behind = step();
    await waiting(2);
    await folding.commitTransaction();
    await folding.release();
    const archived = await archiving;
    await behind;
    return archived;
  };

  it('makes nothing anew of a time after the end of its meter, though it ended meanwhile', async () => {
    const [sum, max] = meters as [Meter, Meter];
    const ahead = factory.event({ subject: 's1', time: '2026-11-09T13:00:00Z', data: { v: 100 } });
    await metering.send([ahead]);
    await drain();
    const window = { start: NOW, end: new Date('2026-11-09T14:00:00Z') };
    await metering.rebuilds.request({ meter: sum.key, window, subjects: null }, 'k');
    await metering.rebuilds.stepOnce();
    const step = async (): Promise<unknown> => await metering.rebuilds.stepOnce();
    expect(await read(await archiveBefore(sum, step))).toBe('44');
    await run(`UPDATE usage_rollups SET value = 5000 WHERE value = 100`);
    const check = async (): Promise<unknown> => await metering.checks.checkNow(true);
    expect(await read(await archiveBefore(max, check))).toBe('10');
    expect(await metering.checks.checkNow(false)).toMatchObject({ differenceCount: 0 });
  });

  it('tries a step of a rebuild that did not end in time with fewer hours', async () => {
    const [sum] = meters as [Meter];
    await damage();
    const { id } = await metering.rebuilds.request(
      { meter: sum.key, window: DAY, subjects: null },
      'k',
    );
    await metering.rebuilds.stepOnce();
    await metering.rebuilds.stepOnce();
    await run(`UPDATE usage_rebuilds SET step_hours = 16`);
    const blocking = metering.db.database.dataSource.createQueryRunner();
    await blocking.startTransaction();
    await blocking.query('LOCK TABLE usage_rollups IN EXCLUSIVE MODE');
    const step = metering.rebuilds.stepOnce();
    const canceled = `SELECT pg_cancel_backend(pid) FROM pg_locks
      WHERE relation = 'usage_rollups'::regclass AND NOT granted AND ${IN_THIS_DATABASE}`;
    while ((await metering.db.database.query(canceled)).length === 0) {
      // Until the step waits for the table.
    }
    expect(await step).toBe(1);
    await blocking.rollbackTransaction();
    await blocking.release();
    const { stepHours, doneTo } = await metering.rebuilds.get(sum.key, id);
    expect({ stepHours, doneTo: doneTo.toISOString() }).toEqual({
      stepHours: 2,
      doneTo: '2026-11-09T06:00:00.000Z',
    });
    while ((await metering.rebuilds.stepOnce()) > 0) {
      // Until it is done.
    }
    expect(await read(sum)).toBe(await read(sum, true));
  });

  it('makes anew what a rebuild can only find in corrections', async () => {
    const unique = meters[3] as Meter;
    await metering.send([
      factory.event({ source: 'moved', id: 'm', subject: 's1', time: '2026-11-09T08:10:00Z' }),
    ]);
    await metering.corrections.replace(
      { source: 'moved', id: 'm' },
      ({ event }) => ({ ...event, time: '2026-11-09T03:10:00Z', data: '{"v":77}' }),
      { reason: 'a test', by: 'k' },
    );
    await drain();
    const right = await read(unique);
    await run(`DELETE FROM usage_distinct_values WHERE value = '77'`);
    expect(await read(unique)).not.toBe(right);
    await metering.rebuilds.request({ meter: unique.key, window: DAY, subjects: null }, 'k');
    while ((await metering.rebuilds.stepOnce()) > 0) {
      // Until it is done.
    }
    expect(await read(unique)).toBe(right);
  });

  it('checks and repairs an hour of which very much differs', async () => {
    await run(`INSERT INTO usage_distinct_values (subject, meter, hour, groups, value, event_count)
      SELECT 's1', number, '2026-11-09T08:00:00Z', '{}', 'x' || n, 1
      FROM meters, generate_series(1, 150000) AS n WHERE aggregation = 'unique_count'`);
    const found = await metering.checks.checkNow(true);
    expect(found).toMatchObject({ differenceCount: 150_000, isRepaired: true });
    expect(await metering.checks.checkNow(false)).toMatchObject({ differenceCount: 0 });
  });

  it('finds a day that is not what its hours come to, and has it summed up anew', async () => {
    metering.clock.set('2026-11-10T02:00:00Z');
    while ((await metering.days.sumOnce()) > 0) {
      // Until all are summed up.
    }
    expect(await metering.checks.checkNow(false)).toMatchObject({ differenceCount: 0 });
    await run(
      `UPDATE usage_days SET value = value + 1, value_sum = value_sum + 1 WHERE subject = 's1'`,
    );
    await run(`DELETE FROM usage_days WHERE subject = 's2'`);
    const found = await metering.checks.checkNow(true);
    expect(found.differenceCount).toBe(2 * meters.length);
    expect(found.differences).toContainEqual({
      ...{ meter: meters[0]?.key, subject: 's1', hour: '2026-11-09T00:00:00.000000Z', groups: [] },
      kept: { event_count: '4', value_sum: '23', hours: '24' },
      counted: { event_count: '4', value_sum: '22', hours: '24' },
    });
    expect(await metering.checks.checkNow(false)).toMatchObject({ differenceCount: 0 });
    metering.clock.advance(300_000);
    while ((await metering.days.sumOnce()) > 0) {
      // Until all are summed up.
    }
    const rows = await metering.db.database.query('SELECT FROM usage_days');
    expect(rows).toHaveLength(2 * meters.length);
    expect(await metering.checks.checkNow(false)).toMatchObject({ differenceCount: 0 });
    await run(`UPDATE usage_day_values SET event_counts[1] = 7 WHERE subject = 's1'`);
    await run(`DELETE FROM usage_day_values WHERE subject = 's2'`);
    const isOfValues = ({ aggregation: { kind } }: Meter): boolean =>
      kind === 'unique_count' || kind === 'percentile';
    const { differenceCount } = await metering.checks.checkNow(true);
    expect(differenceCount).toBe(2 * meters.filter(isOfValues).length);
    expect(await metering.checks.checkNow(false)).toMatchObject({ differenceCount: 0 });
    metering.clock.advance(300_000);
    while ((await metering.days.sumOnce()) > 0) {
      // Until all are summed up.
    }
    await run(
      `UPDATE usage_day_values SET up_to[1] = 7 WHERE subject = 's1' AND up_to IS NOT NULL`,
    );
    expect(await metering.checks.checkNow(true)).toMatchObject({ differenceCount: 1 });
  });

  it('looks at all parts of large tables, and at hours that only a correction has', async () => {
    const store = new ChecksStore(metering.db.database);
    await run(`INSERT INTO usage_rollups (subject, meter, hour, groups, event_count, value_sum)
      SELECT 's' || n / 10000, 1, '2020-01-01T00:00:00Z'::timestamptz + n % 10000 * interval '1 hour', '{}', 1, 1
      FROM generate_series(10000, 79999) AS n ORDER BY n`);
    await run('ANALYZE usage_rollups');
    await metering.send([
      factory.event({ source: 'moved', id: 'm', subject: 's1', time: '2026-11-09T08:10:00Z' }),
    ]);
    await metering.corrections.replace(
      { source: 'moved', id: 'm' },
      ({ event }) => ({ ...event, subject: 'only corrected' }),
      { reason: 'a test', by: 'k' },
    );
    const subjects = new Set((await store.sample(500)).map(({ subject }) => subject));
    expect([...subjects]).toEqual(
      expect.arrayContaining(['s1', 's2', 's3', 's4', 's5', 's6', 's7', 'only corrected']),
    );
  });

  it('finds a sum of which no event is left', async () => {
    await run(`INSERT INTO usage_rollups (subject, meter, hour, groups, event_count, value_sum)
      SELECT 's2', number, '2026-11-09T05:00:00Z', '{}', 0, 7 FROM meters WHERE aggregation = 'sum'`);
    expect(await metering.checks.checkNow(false)).toMatchObject({ differenceCount: 1 });
  });

  it('brings in the percentiles that the version before did not keep, and reads events until then', async () => {
    const percentile = meters[4] as Meter;
    const { database } = metering.db;
    await run('DELETE FROM usage_distinct_values');
    const runner = database.dataSource.createQueryRunner();
    await new CountPercentilesAnew1763700000094().up(runner);
    await runner.release();
    const late = factory.event({ subject: 's1', time: '2026-11-09T09:10:00Z', data: { v: 500 } });
    await metering.send([late]);
    const question = {
      ...{ meter: percentile, buckets: [DAY], by: 'customer' as const, groupBy: [] },
      ...{ groupFilter: {}, now: NOW, whose: { kind: 'customers' } as const },
    };
    const fresh = new UsageStore(database);
    const batches = new BatchesStore(database);
    expect(await fresh.read(question)).toEqual(await fresh.readFromEvents(question));
    expect((await batches.findHistory(percentile.number))?.finishedAt).toBeNull();
    await drain();
    expect((await batches.findHistory(percentile.number))?.finishedAt).not.toBeNull();
    expect(await fresh.read(question)).toEqual(await fresh.readFromEvents(question));
    const [kept] = await database.query<{ count: string }>(
      'SELECT sum(event_count)::text AS count FROM usage_distinct_values WHERE meter = $1',
      [percentile.number],
    );
    expect(kept?.count).toBe('9');
  });

  it('answers several questions together as each by itself, whatever is folded or cut', async () => {
    const hour = { start: new Date('2026-11-09T08:00:00Z'), end: new Date('2026-11-09T10:00:00Z') };
    const cut = { start: new Date('2026-11-09T08:15:00Z'), end: new Date('2026-11-09T10:00:00Z') };
    const ask = async (): Promise<void> => {
      const questions = meters.flatMap((meter) =>
        [hour, cut, DAY].map((bucket) => ({
          ...{ meter, buckets: [bucket], by: 'customer' as const, groupBy: [], groupFilter: {} },
          ...{ now: NOW, whose: { kind: 'customer', customerId: customer } as const },
        })),
      );
      const together = await metering.usageStore.readAll(questions);
      for (const [index, question] of questions.entries()) {
        expect(together[index]).toEqual(await metering.usageStore.readFromEvents(question));
      }
    };
    await ask();
    await metering.send([
      factory.event({ subject: 's2', time: '2026-11-09T08:40:00Z', data: { v: 2 } }),
    ]);
    await ask();
    await drain();
    await ask();
  });

  it('leaves what was counted of events that were dropped', async () => {
    const [sum] = meters as [Meter];
    metering.clock.set('2026-12-20T00:00:00Z');
    await metering.send(
      ['18', '19'].map((day) =>
        factory.event({ subject: 's1', time: `2026-12-${day}T00:00:00Z`, data: { v: 7 } }),
      ),
    );
    await drain();
    const end = metering.clock.now();
    const window = { start: new Date('2026-11-01T00:00:00Z'), end };
    await run('DROP TABLE usage_events_2026_11');
    expect(await metering.checks.checkNow(true)).toMatchObject({ differenceCount: 0 });
    const request = { meter: sum.key, window, subjects: null };
    await expect(metering.rebuilds.request(request, 'k')).rejects.toMatchObject({
      code: 'events_dropped',
    });
    await run("UPDATE usage_rollups SET value_sum = 5000 WHERE hour > '2026-12-01'");
    const start = new Date('2026-12-02T00:00:00Z');
    await metering.rebuilds.request({ ...request, window: { start, end } }, 'k');
    while ((await metering.rebuilds.stepOnce()) > 0) {
      // Until it is done.
    }
    const rows = await metering.db.database.query(
      'SELECT sum(value_sum)::text AS sum FROM usage_rollups WHERE meter = $1',
      [sum.number],
    );
    expect(rows).toEqual([{ sum: '58' }]);
  });

  it('refuses a rebuild while the history of a new meter is brought in', async () => {
    const meter = await metering.meters.create(factory.meter());
    await expect(
      metering.rebuilds.request({ meter: meter.key, window: DAY, subjects: null }, 'k'),
    ).rejects.toMatchObject({ code: 'history_incomplete' });
  });
});
