/*
 * Aim: reads are exact whatever days are summed up, and whatever is folded into them afterwards.
 * Method: random usage of four days, of which the last is not over at first, and steps in any order; raw
 * events say what is right.
 */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { type Interval } from '../../src/kernel/interval.js';
import { type Aggregation, type Meter } from '../../src/meters/meter.js';
import { type UsageQuestion, type UsageSplit, type Whose } from '../../src/usage/usage.sql.js';
import { type UsageRow } from '../../src/usage/usage-row.js';
import { factory } from '../support/factory.js';
import { type Metering, startMetering } from '../support/metering.js';

const NOW = new Date('2026-11-12T02:00:00Z');
const FIRST = Date.parse('2026-11-08T00:00:00Z');
const DAY_MS = 86_400_000;
/** The fourth day is summed up until 4:00 then, and until 8:00 or 12:00 some steps later. */
const MORNING = new Date('2026-11-11T08:40:00Z');
const SOURCE = 'days';
const NOTE = { reason: 'a test', by: 'key_test' };
const VALUE = { kind: 'property', path: '$.v' } as const;
const AGGREGATIONS: readonly Aggregation[] = [
  { kind: 'count' },
  ...(['sum', 'avg', 'min', 'max', 'latest', 'time_weighted_sum'] as const).map((kind) => ({
    kind,
    value: VALUE,
  })),
  { kind: 'unique_count', property: '$.v' },
  { kind: 'percentile', value: VALUE, percentile: '62.5' },
];

interface Sent {
  readonly subject: string;
  readonly at: number;
  readonly v: number;
  readonly region: string | undefined;
}

const sent: fc.Arbitrary<Sent> = fc.record({
  subject: fc.constantFrom('alone', 'one', 'other', 'moved', 'nobody'),
  at: fc.integer({ min: 0, max: (3 * 24 + 8) * 6 }).map((tenth) => FIRST + tenth * 600_000),
  v: fc.integer({ min: -3, max: 6 }),
  region: fc.constantFrom('eu', 'us', undefined),
});

const instant = fc
  .tuple(fc.nat(4), fc.constantFrom(0, 0, 0, 3_600_000, 5_400_000, 6 * 3_600_000))
  .map(([day, ms]) => new Date(FIRST + day * DAY_MS + ms));

const bucketsBetween = (instants: readonly Date[]): Interval[] => {
  const sorted = instants.toSorted((left, right) => left.getTime() - right.getTime());
  return sorted.slice(1).flatMap((end, index) => {
    const start = sorted[index] as Date;
    return start < end ? [{ start, end }] : [];
  });
};

const DAYS = bucketsBetween([0, 1, 2, 3, 4].map((day) => new Date(FIRST + day * DAY_MS)));

describe('days that are summed up', () => {
  let metering: Metering;
  let meters: Meter[];
  let all: { readonly id: string; readonly event: Sent }[];
  let asked: readonly Whose[];
  let serial = 0;

  beforeEach(async () => {
    metering = await startMetering(NOW.toISOString());
    const single = await metering.customers.create(factory.customer({ key: 'single' }), ['alone']);
    const subjects = ['one', 'other', 'moved'];
    const several = await metering.customers.create(factory.customer({ key: 'several' }), subjects);
    await metering.customers.assignSubject('single', 'moved', new Date('2026-11-09T10:30:00Z'));
    asked = [
      { kind: 'customers' },
      { kind: 'customer', customerId: single.id },
      { kind: 'customer', customerId: several.id },
      { kind: 'subject', subject: 'moved' },
    ];
    meters = [];
    all = [];
    for (const aggregation of AGGREGATIONS) {
      const isOfValues = aggregation.kind === 'unique_count' || aggregation.kind === 'percentile';
      const groupBy = [{ key: 'region', property: '$.region' }];
      if (isOfValues || meters.length % 2 === 0) {
        meters.push(await metering.meters.create(factory.meter({ aggregation })));
      }
      if (isOfValues || meters.length % 2 === 1) {
        meters.push(await metering.meters.create(factory.meter({ aggregation, groupBy })));
      }
    }
  });

  afterEach(async () => {
    await metering.close();
  });

  const send = async (events: readonly Sent[]): Promise<void> => {
    const body = events.map((event) => {
      const id = `d${(serial += 1)}`;
      all.push({ id, event });
      const { subject, at, v, region } = event;
      const time = new Date(at).toISOString();
      return factory.event({ source: SOURCE, id, subject, time, data: { v, region } });
    });
    await metering.send(body);
  };

  const fold = async (): Promise<void> => {
    let done: number;
    do {
      done = (await metering.fold.foldOnce()) + (await metering.fold.backfillOnce());
    } while (done > 0);
  };

  /** A day is summed up again after a while only. */
  const sumDays = async (most: number): Promise<void> => {
    metering.clock.advance(1_200_000);
    for (let count = 0; count < most && (await metering.days.sumOnce()) > 0; count += 1) {
      // Until all are, or enough.
    }
  };

  const correct = async (pick: number): Promise<void> => {
    const picked = all[pick % Math.max(1, all.length)];
    if (picked === undefined) {
      return;
    }
    const { id, event } = picked;
    const identity = { source: SOURCE, id };
    const data = JSON.stringify({ v: pick % 5, region: 'eu' });
    const next = {
      ...{ ...identity, type: 'api.request', subject: event.subject, data, extensions: null },
      time: new Date(event.at).toISOString(),
    };
    await (pick % 2 === 0
      ? metering.corrections.void(identity, NOTE)
      : metering.corrections.replace(identity, () => next, NOTE));
  };

  /** Folds what comes in the steps, and what came beside some batches that another replica is folding. */
  const foldAround = async (
    which = 'id % 2 = 0',
    steps = async (): Promise<void> => {},
  ): Promise<void> => {
    const other = metering.db.database.dataSource.createQueryRunner();
    await other.startTransaction();
    await other.query(`SELECT FROM ingest_batches WHERE fold IS NULL AND ${which} FOR UPDATE`);
    try {
      await steps();
      await metering.fold.foldOnce();
    } finally {
      await other.rollbackTransaction();
      await other.release();
    }
  };

  const questionOf = (
    meter: Meter,
    buckets: readonly Interval[],
    by: UsageSplit,
    { whose = 0, isFiltered = false } = {},
  ): UsageQuestion => ({
    ...{
      meter,
      buckets,
      by,
      now: metering.clock.now(),
      whose: asked[whose] ?? { kind: 'customers' },
    },
    groupBy: by === 'total' ? [] : meter.groupBy.map(({ key }) => key),
    groupFilter: isFiltered && meter.groupBy.length > 0 ? { region: ['eu', null] } : {},
  });

  const shown = (rows: readonly UsageRow[]): unknown[] =>
    rows.map((row) => ({ ...row, quantity: row.quantity.toFixed() }));

  const readsExactly = async (question: UsageQuestion): Promise<void> => {
    expect({
      kind: question.meter.aggregation.kind,
      rows: shown(await metering.usageStore.read(question)),
    }).toEqual({
      kind: question.meter.aggregation.kind,
      rows: shown(await metering.usageStore.readFromEvents(question)),
    });
  };

  const summed = async (): Promise<number> => {
    const [row] = await metering.db.database.query<{ count: string }>(
      'SELECT count(*) FROM usage_summed_days WHERE NOT is_too_large',
    );
    return Number(row?.count);
  };

  it('are read exactly between ingest, corrections, folds and more summing', async () => {
    metering.clock.set(MORNING);
    await send(fc.sample(sent, 60));
    await fold();
    await sumDays(100);
    expect(await summed()).toBe(DAYS.length * meters.length);
    await fc.assert(
      fc.asyncProperty(
        fc.array(sent, { maxLength: 30 }),
        fc.constantFrom('fold', 'fold', 'fold around', 'nothing'),
        fc.array(fc.nat(), { maxLength: 3 }),
        fc.constantFrom(0, 3, 40),
        fc.array(instant, { minLength: 2, maxLength: 6 }),
        fc.array(
          fc.tuple(
            fc.nat(),
            fc.constantFrom('customer', 'subject', 'total'),
            fc.record({ whose: fc.constantFrom(0, 0, 1, 2, 3), isFiltered: fc.boolean() }),
          ),
          { minLength: 6, maxLength: 6 },
        ),
        async (events, step, picks, most, instants, questions) => {
          await send(events);
          for (const pick of picks) {
            await correct(pick);
          }
          if (step !== 'nothing') {
            await (step === 'fold' ? fold() : foldAround());
          }
          await sumDays(most);
          for (const [pick, by, options] of questions) {
            const meter = meters[pick % meters.length] as Meter;
            const buckets = pick % 3 === 0 ? bucketsBetween(instants) : DAYS;
            if (buckets.length > 0) {
              await readsExactly(questionOf(meter, buckets, by, options));
            }
          }
        },
      ),
      { numRuns: 12 },
    );
    await fold();
    await sumDays(100);
    for (const meter of meters) {
      await readsExactly(questionOf(meter, DAYS, 'customer'));
      await readsExactly(questionOf(meter, DAYS, 'total'));
      await readsExactly(questionOf(meter, DAYS, 'customer', { whose: 1 }));
      await readsExactly(questionOf(meter, DAYS, 'subject', { whose: 2 }));
      await readsExactly(questionOf(meter, DAYS, 'subject', { whose: 3 }));
    }
  });

  it('answer many questions of one customer or subject in one statement as one by one from events', async () => {
    metering.clock.set(MORNING);
    await send(fc.sample(sent, 60));
    await fold();
    await sumDays(100);
    const pause = fc.tuple(fc.nat({ max: 80 }), fc.integer({ min: 1, max: 20 }));
    await fc.assert(
      fc.asyncProperty(
        fc.array(sent, { maxLength: 20 }),
        fc.constantFrom('fold', 'fold', 'fold around', 'nothing'),
        fc.array(fc.nat(), { maxLength: 2 }),
        fc.constantFrom(0, 3, 40),
        fc.array(fc.oneof(instant, fc.constant(new Date(NOW.getTime() + DAY_MS))), {
          minLength: 2,
          maxLength: 5,
        }),
        fc.record({
          whose: fc.constantFrom(1, 2, 2, 3),
          by: fc.constantFrom<UsageSplit>('customer', 'subject', 'total'),
          isWhole: fc.boolean(),
          pause: fc.option(pause),
        }),
        async (events, step, picks, most, instants, { whose, by, isWhole, pause: paused }) => {
          await send(events);
          for (const pick of picks) {
            await correct(pick);
          }
          if (step !== 'nothing') {
            await (step === 'fold' ? fold() : foldAround());
          }
          await sumDays(most);
          const cut = bucketsBetween(instants);
          const [start, end] = [cut[0]?.start, cut.at(-1)?.end];
          if (start === undefined || end === undefined) {
            return;
          }
          const buckets = isWhole ? [{ start, end }] : cut;
          const from = FIRST + (paused?.[0] ?? 0) * 3_900_000;
          const except =
            paused === null
              ? []
              : [{ start: new Date(from), end: new Date(from + paused[1] * 3_600_000) }];
          const questions = meters.flatMap((meter) =>
            [false, true].map((isFiltered) => ({
              ...questionOf(meter, buckets, by, { whose, isFiltered }),
              except,
            })),
          );
          const right: unknown[][] = [];
          for (const question of questions) {
            right.push(shown(await metering.usageStore.readFromEvents(question)));
          }
          const together = await metering.usageStore.readAll(questions);
          expect(together.map(shown)).toEqual(right);
        },
      ),
      { numRuns: 15 },
    );
  });

  it('are read in place of their hours, values too, for many questions of one customer', async () => {
    await send([{ subject: 'alone', at: FIRST, v: 1, region: 'eu' }]);
    await fold();
    await sumDays(100);
    const buckets = [{ start: new Date(FIRST), end: new Date(FIRST + 3 * DAY_MS) }];
    const values = meters.filter(({ aggregation: { kind } }) => kind === 'unique_count');
    const read = async (): Promise<string[]> => {
      const questions = values.map((meter) => questionOf(meter, buckets, 'total', { whose: 1 }));
      const answers = await metering.usageStore.readAll(questions);
      return answers.flat().map(({ quantity }) => quantity.toFixed());
    };
    expect(await read()).toEqual(['1', '1']);
    const { database } = metering.db;
    await database.query(
      `UPDATE usage_day_values SET day_values = '{1,2}', event_counts = '{1,1}'`,
    );
    expect(await read()).toEqual(['2', '2']);
    // The version before sums days up without their values; this one does so once more.
    await database.query('UPDATE usage_summed_days SET has_values = false');
    expect(await read()).toEqual(['1', '1']);
    await sumDays(100);
    expect(await read()).toEqual(['1', '1']);
    await database.query(`UPDATE usage_day_values SET day_values = '{}', event_counts = '{}'`);
    expect(await read()).toEqual([]);
  });

  it('are searched for a percentile, of a period and of a day with two subjects', async () => {
    const event = { at: FIRST + DAY_MS, v: 1, region: 'eu' };
    await send(['alone', 'one', 'other'].map((subject) => ({ ...event, subject })));
    await fold();
    await sumDays(100);
    const { database } = metering.db;
    const [meter] = meters.filter(({ aggregation: { kind } }) => kind === 'percentile') as [Meter];
    const whole = [{ start: new Date(FIRST), end: new Date(FIRST + 3 * DAY_MS) }];
    const read = async (): Promise<string[]> => {
      const answers = [
        await metering.usageStore.read(questionOf(meter, whole, 'customer', { whose: 1 })),
        await metering.usageStore.read(questionOf(meter, DAYS, 'customer', { whose: 2 })),
        await metering.usageStore.read(questionOf(meter, DAYS, 'customer')),
        await metering.usageStore.read(questionOf(meter, whole, 'customer')),
      ];
      return answers.map((rows) => rows.map(({ quantity }) => quantity.toFixed()).join(' '));
    };
    expect(await read()).toEqual(['1', '1', '1 1', '1 1']);
    // What is kept of a day stands for it; a day that is all of a row is in another table.
    await database.query(`UPDATE usage_day_values SET numbers = '{0}' WHERE numbers IS NOT NULL`);
    expect(await read()).toEqual(['0', '0', '1 0', '0 0']);
    // Not every number can be searched.
    await database.query('UPDATE usage_day_values SET numbers = NULL, up_to = NULL');
    expect(await read()).toEqual(['1', '1', '1 1', '1 1']);
    await database.query(`UPDATE usage_day_values SET day_values = '{3}'`);
    expect(await read()).toEqual(['3', '3', '1 3', '3 3']);
    // The version before the last sums days up without their values, the one before without numbers.
    await database.query('UPDATE usage_summed_days SET has_values = false');
    expect(await read()).toEqual(['1', '1', '1 1', '1 1']);
    await database.query('UPDATE usage_summed_days SET has_values = true, has_numbers = false');
    await sumDays(100);
    expect(await read()).toEqual(['1', '1', '1 1', '1 1']);
    await database.query(`UPDATE usage_day_values SET numbers = '{4}' WHERE numbers IS NOT NULL`);
    expect(await read()).toEqual(['4', '4', '1 4', '4 4']);
  });

  it('keep numbers that are as long as a number may be, and a few thousand of them', async () => {
    const [meter] = meters.filter(({ aggregation: { kind } }) => kind === 'percentile') as [Meter];
    const digits = '12345678901234567890.1234';
    const value = (index: number): unknown =>
      index < 2_700 ? ((index * 7_919) % 10_007) / 10 : `${digits}${index}`;
    const body = Array.from({ length: 2_720 }, (_, index) => {
      const time = new Date(FIRST + (index % 3) * DAY_MS + index).toISOString();
      const subject = index < 2_700 || index % 4 > 0 ? 'one' : 'other';
      return factory.event({
        source: SOURCE,
        id: `l${index}`,
        subject,
        time,
        data: { v: value(index) },
      });
    });
    const periods = [1, 2, 3].map((days) => ({
      start: new Date(FIRST),
      end: new Date(FIRST + days * DAY_MS),
    }));
    const readsAll = async (): Promise<void> => {
      for (const period of periods) {
        await readsExactly(questionOf(meter, [period], 'customer', { whose: 2 }));
        await readsExactly(questionOf(meter, [period], 'subject', { whose: 2 }));
      }
      await readsExactly(questionOf(meter, DAYS, 'customer'));
    };
    await metering.send(body.slice(0, 2_700));
    await fold();
    await sumDays(100);
    await readsAll();
    await metering.send(body.slice(2_700));
    await readsAll();
    await fold();
    await sumDays(100);
    await readsAll();
    const rows = await metering.db.database.query(
      'SELECT FROM usage_day_values WHERE numbers IS NULL AND meter = $1',
      [meter.number],
    );
    expect(rows.length).toBeGreaterThan(3);
  });

  it('keep names that are as long as they may be, with numbers that are', async () => {
    const text = (seed: string, length: number): string =>
      Array.from({ length: 8 }, (_, part) =>
        createHash('sha512').update(`${seed}${part}`).digest('base64'),
      )
        .join('')
        .slice(0, length);
    const subject = Array.from(text('subject', 256), (letter, index) =>
      String.fromCharCode(0x4e00 + letter.charCodeAt(0) * 50 + (index % 50)),
    ).join('');
    const groups = ['a', 'b', 'c', 'd', 'e'];
    const data = Object.fromEntries(groups.map((group) => [group, text(group, 256)]));
    const groupBy = groups.map((key) => ({ key, property: `$.${key}` }));
    const named = await Promise.all(
      AGGREGATIONS.map(
        async (aggregation) =>
          await metering.meters.create(factory.meter({ aggregation, groupBy })),
      ),
    );
    const { id } = await metering.customers.create(factory.customer(), [subject]);
    const times = [0, 1, 2].map((day) => new Date(FIRST + day * DAY_MS + 1_234).toISOString());
    await metering.send(
      times.flatMap((time) =>
        ['-98765432109876543210987654.123456789012', '12345678901234567890123456.123456789012'].map(
          (v) => factory.event({ subject, time, data: { ...data, v } }),
        ),
      ),
    );
    await fold();
    await sumDays(1_000);
    const rows = await metering.db.database.query(
      'SELECT FROM usage_days WHERE subject = $1 AND octet_length(subject) = 768 AND meter = ANY ($2)',
      [subject, named.map(({ number }) => number)],
    );
    expect(rows).toHaveLength(named.length * times.length);
    for (const meter of named) {
      const question = questionOf(meter, DAYS, 'customer');
      await readsExactly({ ...question, whose: { kind: 'customer', customerId: id } });
    }
  });

  it('are added up in the service while customers have few subjects each, and else before they leave PostgreSQL', async () => {
    const [count] = meters as [Meter];
    const { database } = metering.db;
    const at = FIRST + DAY_MS;
    const event = { subject: 'one', at, v: 1, region: 'eu' };
    await send([event, { ...event, subject: 'other' }, { ...event, subject: 'alone' }]);
    await fold();
    await sumDays(100);
    const query = database.query.bind(database) as (...of: unknown[]) => Promise<unknown[]>;
    let arrays: string[] = [];
    Object.assign(database, {
      query: async (...of: unknown[]): Promise<unknown[]> => {
        const rows = await query(...of);
        arrays = (rows as { buckets?: string }[]).flatMap(({ buckets }) => buckets ?? []);
        return rows;
      },
    });
    const read = async (): Promise<string[]> => {
      await readsExactly(questionOf(count, DAYS, 'customer'));
      const rows = await metering.usageStore.read(questionOf(count, DAYS, 'customer'));
      expect(rows.map(({ quantity }) => quantity.toFixed()).toSorted()).toEqual(['1', '2']);
      return arrays.toSorted();
    };
    expect(await read()).toEqual(['{2,2}', '{2}']);
    const many = Array.from({ length: 9 }, (_, index) => `subject_${index}`);
    await metering.customers.create(factory.customer(), many);
    expect(await read()).toEqual(['{2}', '{2}']);
    await metering.db.database.query('DELETE FROM customer_subjects WHERE subject = ANY ($1)', [
      many,
    ]);
    expect(await read()).toEqual(['{2,2}', '{2}']);
  });

  it('stand for their hours until something is folded into one of them, or it is made anew', async () => {
    const [count] = meters as [Meter];
    const { database } = metering.db;
    const at = FIRST + DAY_MS + 1;
    const event = { subject: 'alone', at, v: 1, region: 'eu' };
    await send([event, { ...event, at: at + DAY_MS }]);
    await fold();
    await sumDays(100);
    const read = async (): Promise<string[]> =>
      (await metering.usageStore.read(questionOf(count, DAYS, 'customer'))).map(({ quantity }) =>
        quantity.toFixed(),
      );
    expect(await read()).toEqual(['1', '1']);
    await database.query('UPDATE usage_days SET event_count = event_count + 10');
    expect(await read()).toEqual(['11', '11']);
    await send([event]);
    await fold();
    expect(await read()).toEqual(['2', '11']);
    const window = DAYS[2] as Interval;
    await metering.rebuilds.request({ meter: count.key, window, subjects: null }, 'k');
    while ((await metering.rebuilds.stepOnce()) > 0) {
      // Until it is done.
    }
    expect(await read()).toEqual(['2', '1']);
    await sumDays(100);
    expect(await read()).toEqual(['2', '1']);
  });

  it('take away what a correction took that was folded before its event', async () => {
    const event = { subject: 'moved', at: FIRST + 3 * DAY_MS, v: 1, region: undefined };
    await send(['alone', 'one'].map((subject) => ({ ...event, subject })));
    await fold();
    await send([event]);
    await foldAround('true', async () => {
      await correct(all.length - 1);
    });
    await sumDays(100);
    for (const by of ['subject', 'customer', 'total'] as const) {
      for (const meter of meters) {
        await readsExactly(questionOf(meter, DAYS, by));
      }
    }
  });

  it('are those of which four hours more ended an hour ago, each once by several at a time', async () => {
    metering.clock.set('2026-11-09T04:59:59Z');
    await send([{ subject: 'alone', at: FIRST, v: 1, region: 'eu' }]);
    await fold();
    const sum = async (): Promise<void> => {
      while ((await metering.days.sumOnce()) > 0) {
        // Until all are.
      }
    };
    await Promise.all([sum(), sum()]);
    expect(await summed()).toBe(meters.length);
    metering.clock.set('2026-11-09T05:00:00Z');
    await sum();
    expect(await summed()).toBe(2 * meters.length);
  });

  it('wait while folding is behind', async () => {
    await send([{ subject: 'alone', at: FIRST, v: 1, region: 'eu' }]);
    await fold();
    const { database } = metering.db;
    await database.query(
      'INSERT INTO ingest_batches (received_at, event_count) VALUES (now(), 50001)',
    );
    expect(await metering.days.sumOnce()).toBe(0);
    await database.query('UPDATE ingest_batches SET event_count = 50000 WHERE fold IS NULL');
    expect(await metering.days.sumOnce()).toBe(1);
  });

  it('stay as hours when they take too long to sum up', async () => {
    const [count] = meters as [Meter];
    await send([{ subject: 'alone', at: FIRST + 3 * DAY_MS, v: 1, region: 'eu' }]);
    await fold();
    const { database } = metering.db;
    await database.query(`CREATE FUNCTION take_long() RETURNS trigger LANGUAGE plpgsql
      AS 'BEGIN PERFORM pg_sleep(10); RETURN NEW; END'`);
    await database.query(`CREATE TRIGGER slow BEFORE INSERT ON usage_days
      FOR EACH ROW EXECUTE FUNCTION take_long()`);
    expect(await metering.days.sumOnce()).toBe(1);
    await database.query('DROP TRIGGER slow ON usage_days');
    const rows = await database.query('SELECT is_too_large FROM usage_summed_days');
    expect(rows).toEqual([{ is_too_large: true }]);
    await sumDays(100);
    await readsExactly(questionOf(count, DAYS, 'customer'));
  });

  it('are summed up later when somebody holds their table, as an index does that is built', async () => {
    const [count] = meters as [Meter];
    await send([{ subject: 'alone', at: FIRST, v: 1, region: 'eu' }]);
    await fold();
    const { database } = metering.db;
    const blocking = database.dataSource.createQueryRunner();
    await blocking.startTransaction();
    await blocking.query('LOCK TABLE usage_days IN SHARE MODE');
    expect(await metering.days.sumOnce()).toBe(1);
    await readsExactly(questionOf(count, DAYS, 'customer'));
    await blocking.rollbackTransaction();
    await blocking.release();
    expect(await database.query('SELECT FROM usage_summed_days')).toEqual([]);
    await sumDays(100);
    expect(await summed()).toBe(4 * meters.length);
    await readsExactly(questionOf(count, DAYS, 'customer'));
  });
});
