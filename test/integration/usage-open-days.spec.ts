/*
 * Aim: the day that is not over is summed up until an hour, and only what changes it up to there has it summed
 * up again. Method: figures that are falsified where they should be read, and not where hours should be.
 */
import { type Aggregation, type Meter } from '../../src/meters/meter.js';
import { type UsageQuestion, type Whose } from '../../src/usage/usage.sql.js';
import { factory } from '../support/factory.js';
import { type Metering, startMetering } from '../support/metering.js';

const VALUE = { kind: 'property', path: '$.v' } as const;
const AGGREGATIONS: readonly Aggregation[] = [
  { kind: 'count' },
  { kind: 'max', value: VALUE },
  { kind: 'time_weighted_sum', value: VALUE },
  { kind: 'unique_count', property: '$.v' },
  { kind: 'percentile', value: VALUE, percentile: '50' },
];
const MONTH = { start: new Date('2026-11-01T00:00:00Z'), end: new Date('2026-12-01T00:00:00Z') };
const DAYS = [8, 9, 10, 11].map((day) => ({
  start: new Date(Date.UTC(2026, 10, day)),
  end: new Date(Date.UTC(2026, 10, day + 1)),
}));

describe('a day that is not over', () => {
  let metering: Metering;
  let meters: Meter[];
  let customer: Whose;

  beforeEach(async () => {
    metering = await startMetering('2026-11-10T13:30:00Z');
    const { id } = await metering.customers.create(factory.customer(), ['key-1', 'key-2']);
    customer = { kind: 'customer', customerId: id };
    meters = [];
    for (const aggregation of AGGREGATIONS) {
      meters.push(await metering.meters.create(factory.meter({ aggregation })));
    }
  });

  afterEach(async () => {
    await metering.close();
  });

  const send = async (...times: string[]): Promise<void> => {
    const events = times.map((time) => ({ ...factory.event(), time: `2026-11-${time}:00Z` }));
    await metering.send(events.map((event) => ({ ...event, data: { v: 3 } })));
  };
  const fold = async (): Promise<void> => {
    while ((await metering.fold.foldOnce()) + (await metering.fold.backfillOnce()) > 0) {
      // Until nothing is pending.
    }
  };
  const sumDays = async (): Promise<void> => {
    while ((await metering.days.sumOnce()) > 0) {
      // Until all are summed up.
    }
  };
  /** Until when days are summed up, of all meters alike. */
  const untils = async (): Promise<string[]> => {
    const rows = await metering.db.database.query<{ until: Date | null; count: string }>(
      `SELECT until, count(*) FROM usage_summed_days WHERE NOT is_too_large GROUP BY day, until ORDER BY day`,
    );
    return rows.map(({ until, count }) => {
      expect(Number(count)).toBe(meters.length);
      return until === null ? 'nothing' : until.toISOString().slice(8, 13);
    });
  };
  /** Makes what days are summed up to something else, so that it shows who reads it. */
  const falsify = async (): Promise<void> => {
    const { database } = metering.db;
    await database.query(`UPDATE usage_days SET event_count = event_count + 100,
      value = value + 100, level_sum = level_sum + 360000000000`);
    await database.query(`UPDATE usage_day_values SET day_values = '{7,8,9}', event_counts = '{1,1,1}',
      numbers = CASE WHEN numbers IS NOT NULL THEN '{7,8,9}'::float8[] END,
      up_to = CASE WHEN numbers IS NOT NULL THEN '{1,2,3}'::bigint[] END`);
  };
  const questionsOf = (whose: Whose, buckets: UsageQuestion['buckets']): UsageQuestion[] =>
    meters.map((meter) => ({
      ...{ meter, whose, buckets, by: 'customer', groupBy: [], groupFilter: {} },
      now: metering.clock.now(),
    }));
  const read = async (whose: Whose, buckets: UsageQuestion['buckets']): Promise<string[]> => {
    const answers = await metering.usageStore.readAll(questionsOf(whose, buckets));
    return answers.map((rows) => rows.map(({ quantity }) => quantity.toFixed()).join(' '));
  };
  const everyAnswer = async (): Promise<string[][]> => [
    await read(customer, [MONTH]),
    await read(customer, DAYS),
    await read({ kind: 'subject', subject: 'key-1' }, DAYS),
    await read({ kind: 'customers' }, [MONTH]),
    await read({ kind: 'customers' }, DAYS),
  ];
  const isExact = async (whose: Whose, buckets: UsageQuestion['buckets']): Promise<void> => {
    const right: string[] = [];
    for (const question of questionsOf(whose, buckets)) {
      const rows = await metering.usageStore.readFromEvents(question);
      right.push(rows.map(({ quantity }) => quantity.toFixed()).join(' '));
    }
    expect(await read(whose, buckets)).toEqual(right);
  };
  const areExact = async (): Promise<void> => {
    await isExact(customer, [MONTH]);
    await isExact(customer, DAYS);
    await isExact({ kind: 'customers' }, DAYS);
  };

  it('is read up to its hour in place of hours, also while something later is pending', async () => {
    await send('10T01:10', '10T11:50');
    await fold();
    await sumDays();
    expect(await untils()).toEqual(['10T12']);
    await areExact();
    const right = await everyAnswer();
    await send('10T12:00');
    const withPending = await everyAnswer();
    await falsify();
    const falsified = await everyAnswer();
    for (const [which, answers] of falsified.entries()) {
      for (const [place, answer] of answers.entries()) {
        expect(answer).not.toBe(right[which]?.[place]);
        expect(answer).not.toBe(withPending[which]?.[place]);
      }
    }
    // What is pending within it, which not even a later sum takes in, has its hours read.
    await send('10T11:59');
    await isExact(customer, [MONTH]);
  });

  it('is summed up to a later hour as time goes by, and to its end', async () => {
    await send('10T01:10', '10T11:50');
    await fold();
    for (const [now, until] of [
      ['2026-11-10T12:59:59Z', '10T08'],
      ['2026-11-10T14:00:00Z', '10T12'],
      ['2026-11-10T16:59:00Z', '10T12'],
      ['2026-11-10T17:00:00Z', '10T16'],
      ['2026-11-11T01:00:00Z', '11T00'],
    ] as const) {
      metering.clock.set(now);
      await sumDays();
      expect(await untils()).toEqual([until]);
      await areExact();
    }
    metering.clock.set('2026-11-11T05:00:00Z');
    await sumDays();
    expect(await untils()).toEqual(['11T00', '11T04']);
    await areExact();
  });

  it('stays summed up when something later is folded, and not when something earlier is', async () => {
    await send('10T01:10');
    await fold();
    await sumDays();
    await send('10T12:00', '10T13:20');
    await fold();
    expect(await untils()).toEqual(['10T12']);
    await areExact();
    await send('10T13:25', '10T11:59');
    await fold();
    expect(await untils()).toEqual([]);
    await areExact();
    metering.clock.advance(3_599_999);
    await sumDays();
    expect(await untils()).toEqual([]);
    metering.clock.advance(1);
    await sumDays();
    expect(await untils()).toEqual(['10T12']);
    await areExact();
  });

  it('is struck out by a rebuild of one of its hours, and stays for one of a later hour', async () => {
    await send('10T01:10', '10T12:30');
    await fold();
    await sumDays();
    const rebuild = async (start: string, end: string): Promise<void> => {
      for (const { key } of meters) {
        const window = { start: new Date(start), end: new Date(end) };
        await metering.rebuilds.request({ meter: key, window, subjects: null }, 'k');
      }
      while ((await metering.rebuilds.stepOnce()) > 0) {
        // Until they are done.
      }
    };
    await rebuild('2026-11-10T12:00:00Z', '2026-11-10T13:00:00Z');
    expect(await untils()).toEqual(['10T12']);
    await rebuild('2026-11-10T01:00:00Z', '2026-11-10T02:00:00Z');
    expect(await untils()).toEqual([]);
    await areExact();
  });

  it('is found wrong by a check when it is not what its hours come to', async () => {
    await send('10T01:10');
    await fold();
    await sumDays();
    expect((await metering.checks.checkNow(false)).differenceCount).toBe(0);
    await falsify();
    const { differences } = await metering.checks.checkNow(false);
    expect(new Set(differences.map(({ meter }) => meter))).toEqual(
      new Set(meters.map(({ key }) => key)),
    );
    expect(new Set(differences.map(({ kept }) => kept?.['hours']))).toEqual(new Set(['12']));
  });

  it('that is too large is tried again when something up to the hour changes, or it is over', async () => {
    await send('10T01:10');
    await fold();
    const { database } = metering.db;
    const tooLarge = async (): Promise<number> => {
      const rows = await database.query('SELECT FROM usage_summed_days WHERE is_too_large');
      return rows.length;
    };
    await database.query(`CREATE FUNCTION take_long() RETURNS trigger LANGUAGE plpgsql
      AS 'BEGIN PERFORM pg_sleep(10); RETURN NEW; END'`);
    await database.query(`CREATE TRIGGER slow BEFORE INSERT ON usage_days
      FOR EACH ROW EXECUTE FUNCTION take_long()`);
    await sumDays();
    expect(await tooLarge()).toBe(meters.length);
    await database.query('DROP TRIGGER slow ON usage_days');
    metering.clock.advance(5 * 3_600_000);
    await send('10T18:10');
    await fold();
    await sumDays();
    expect(await tooLarge()).toBe(meters.length);
    await areExact();
    await send('10T11:10');
    await fold();
    metering.clock.advance(300_000);
    await sumDays();
    expect(await untils()).toEqual(['10T16']);
    await database.query('UPDATE usage_summed_days SET is_too_large = true');
    metering.clock.set('2026-11-10T23:59:00Z');
    await sumDays();
    expect(await untils()).toEqual([]);
    metering.clock.set('2026-11-11T01:00:00Z');
    await sumDays();
    expect(await untils()).toEqual(['11T00']);
    await areExact();
  });

  it('is summed up once more where the version before did it, which sums up whole days only', async () => {
    await send('09T01:10');
    await fold();
    await sumDays();
    const { database } = metering.db;
    await falsify();
    await database.query(`UPDATE usage_summed_days SET until = NULL, is_summed = true`);
    await areExact();
    metering.clock.advance(3_600_000);
    await sumDays();
    expect(await untils()).toEqual(['10T00', '10T12']);
    await areExact();
    const rows = await database.query<{ day: Date }>(
      'SELECT DISTINCT day FROM usage_summed_days WHERE is_summed',
    );
    expect(rows).toEqual([{ day: new Date('2026-11-09T00:00:00Z') }]);
  });
});
