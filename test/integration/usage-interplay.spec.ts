/*
 * Aim: whatever is done to usage in whichever order, an answer is what raw events come to.
 * Method: random steps of all kinds there are, then random questions; the same question is asked in each
 * way that there is, and once more of raw events alone, which another test holds against a brute-force count.
 */
import fc from 'fast-check';
import { type Interval, type OpenInterval } from '../../src/kernel/interval.js';
import { type Aggregation, type Meter } from '../../src/meters/meter.js';
import { bucketsOf } from '../../src/usage/buckets.js';
import { type UsageQuestion } from '../../src/usage/usage.sql.js';
import { type UsageRow } from '../../src/usage/usage-row.js';
import { UsageStore } from '../../src/usage/usage.store.js';
import { factory } from '../support/factory.js';
import { type Metering, startMetering } from '../support/metering.js';

const FIRST = Date.parse('2026-10-24T00:00:00Z');
const NOW = new Date('2026-10-29T02:00:00Z');
const DAYS = 4;
const TENTH_MS = 600_000;
const SOURCE = 'interplay';
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
const SUBJECTS = ['alone', 'one', 'other', 'moved', 'nobody'] as const;
const CUSTOMERS = ['single', 'several', 'late'] as const;

/** Few hours, so that much meets in one of them. */
const instant = fc
  .tuple(fc.nat(DAYS), fc.constantFrom(0, 0, 1, 6, 7, 60, 141, 143), fc.constantFrom(0, 0, 0, 1))
  .map(([day, tenth, ms]) => new Date(FIRST + day * 86_400_000 + tenth * TENTH_MS + ms));
const sent = fc.record({
  subject: fc.constantFrom(...SUBJECTS),
  at: instant,
  v: fc.constantFrom<unknown>(-3, 0, 1, 1, 2, '2.0', 5, 'none', undefined),
  region: fc.constantFrom('eu', 'us', undefined),
  tier: fc.constantFrom('a', undefined),
});
type Sent = typeof sent extends fc.Arbitrary<infer Value> ? Value : never;

const STEPS = [
  ...['fold', 'fold', 'fold around', 'fold around', 'days', 'days', 'some days', 'backfill'],
  ...['rebuild', 'repair', 'move', 'meter', 'archive', 'fail', 'heal', 'again'],
] as const;

const asked = fc.record({
  meter: fc.nat(),
  whose: fc.constantFrom(
    'customers',
    'customers',
    'customer',
    'some_customers',
    'subject',
    'nobody',
  ),
  by: fc.constantFrom('customer', 'subject', 'total'),
  ends: fc.tuple(instant, instant),
  isWhole: fc.boolean(),
  size: fc.constantFrom(null, 'hour', 'day', 'day', 'week', 'month'),
  zone: fc.constantFrom('UTC', 'UTC', 'UTC', 'Europe/Berlin', 'Asia/Kolkata'),
  groupBy: fc.subarray(['region', 'tier']),
  filter: fc.constantFrom({}, {}, { region: ['eu', null] }, { tier: ['a'], region: ['us'] }),
  exclusions: fc.constantFrom([], [], [{ region: ['eu'] }]),
  except: fc.option(fc.tuple(instant, instant)),
  who: fc.nat(),
});
type Asked = typeof asked extends fc.Arbitrary<infer Value> ? Value : never;

describe('usage of which everything happens at once', () => {
  let metering: Metering;
  let meters: Meter[] = [];
  let customers: string[] = [];
  let isRefusing = false;
  let serial = 0;
  let all: { readonly id: string; readonly event: Sent }[] = [];

  beforeAll(async () => {
    metering = await startMetering(NOW.toISOString());
    const owned = { single: ['alone'], several: ['one', 'other', 'moved'], late: [] };
    for (const key of CUSTOMERS) {
      const { id } = await metering.customers.create(factory.customer({ key }), owned[key]);
      customers.push(id);
    }
    for (const aggregation of AGGREGATIONS) {
      await addMeter(aggregation);
    }
  });

  afterAll(async () => {
    await run('ALTER TABLE usage_rollups DROP CONSTRAINT IF EXISTS refused');
    await metering.close();
  });

  const run = async (sql: string): Promise<unknown[]> => await metering.db.database.query(sql);

  const addMeter = async (aggregation: Aggregation): Promise<void> => {
    const groupBy = ['region', 'tier'].map((key) => ({ key, property: `$.${key}` }));
    const isGrouped = meters.length % 4 < 2;
    meters.push(
      await metering.meters.create(
        factory.meter({ aggregation, groupBy: isGrouped ? groupBy : [] }),
      ),
    );
  };

  const bodyOf = ({ id, event: { subject, at, v, region, tier } }: (typeof all)[number]) =>
    factory.event({
      ...{ source: SOURCE, id, subject, time: at.toISOString(), data: { v, region, tier } },
    });

  /** Among few events more of what is odd shows. */
  const forget = async (): Promise<void> => {
    all = [];
    await run(`TRUNCATE usage_events, usage_corrections, usage_event_keys, ingest_batches, usage_rollups,
      usage_distinct_values, usage_days, usage_summed_days, usage_failing_meters, usage_unfolded_batches,
      usage_rebuilds`);
  };

  const send = async (events: readonly Sent[]): Promise<void> => {
    const fresh = events.map((event) => ({ id: `i${(serial += 1)}`, event }));
    all.push(...fresh);
    await metering.send(fresh.map(bodyOf));
  };

  const correct = async (pick: number, body: Sent | undefined): Promise<void> => {
    // Half of them what came last, which may be pending yet.
    const id = all.at(pick % 2 === 0 ? -1 - (pick % 13) : pick % Math.max(1, all.length))?.id;
    if (id === undefined) {
      return;
    }
    const identity = { source: SOURCE, id };
    if (body === undefined || pick % 3 === 0) {
      await metering.corrections.void(identity, NOTE);
      return;
    }
    const { subject, at, ...data } = body;
    await metering.corrections.replace(
      identity,
      ({ event }) => ({
        ...event,
        subject: pick % 3 === 1 ? event.subject : subject,
        time: pick % 3 === 1 ? event.time : at.toISOString(),
        data: JSON.stringify(data),
      }),
      NOTE,
    );
  };

  const foldAround = async (pick: number): Promise<void> => {
    const other = metering.db.database.dataSource.createQueryRunner();
    await other.startTransaction();
    await other.query(
      `SELECT FROM ingest_batches WHERE fold IS NULL AND id % 2 = ${pick % 2} FOR UPDATE`,
    );
    await metering.fold.foldOnce();
    await other.rollbackTransaction();
    await other.release();
  };

  const sumDays = async (most: number): Promise<void> => {
    metering.clock.advance(300_000);
    for (let count = 0; count < most && (await metering.days.sumOnce()) > 0; count += 1) {
      // Until all are, or enough.
    }
  };

  const rebuild = async (pick: number): Promise<void> => {
    const { key, number } = meters[pick % meters.length] as Meter;
    const [complete] = await run(
      `SELECT FROM usage_backfills WHERE meter = ${number} AND finished_at IS NOT NULL`,
    );
    if (complete === undefined) {
      return;
    }
    const start = new Date(FIRST + (pick % 90) * 3_600_000);
    const subjects = pick % 2 === 0 ? null : ['alone', 'moved'];
    const window = { start, end: new Date(start.getTime() + 20 * 3_600_000) };
    await metering.rebuilds.request({ meter: key, window, subjects }, 'k');
    for (let count = 0; count < 4; count += 1) {
      await metering.rebuilds.stepOnce();
    }
  };

  const step = async (what: (typeof STEPS)[number], pick: number): Promise<void> => {
    switch (what) {
      case 'fold':
        await metering.fold.foldOnce();
        await metering.fold.retryFailingOnce();
        break;
      case 'fold around':
        await foldAround(pick);
        break;
      case 'days':
        await sumDays(200);
        break;
      case 'some days':
        await sumDays(pick % 9);
        break;
      case 'backfill':
        await metering.fold.foldOnce();
        while ((await metering.fold.backfillOnce()) > 0) {
          // Until no history is open.
        }
        break;
      case 'rebuild':
        await rebuild(pick);
        break;
      case 'repair':
        expect(await metering.checks.checkNow(true)).toMatchObject({ differences: [] });
        break;
      case 'move':
        await metering.customers
          .assignSubject(
            CUSTOMERS[pick % 3] as string,
            SUBJECTS[pick % 5] as string,
            new Date(FIRST + (pick % (DAYS * 48)) * 1_800_000),
          )
          .catch(() => undefined);
        break;
      case 'meter':
        if (meters.length < 2 * AGGREGATIONS.length) {
          await addMeter(AGGREGATIONS[pick % AGGREGATIONS.length] as Aggregation);
        }
        break;
      case 'archive': {
        const index = pick % meters.length;
        if (pick % 4 === 0) {
          meters[index] = await metering.archiving.archive((meters[index] as Meter).key);
        }
        break;
      }
      case 'fail':
        if (!isRefusing && pick % 2 === 0) {
          await run(
            `ALTER TABLE usage_rollups ADD CONSTRAINT refused CHECK (meter <> ${meters[pick % meters.length]?.number} OR value_sum < 3) NOT VALID`,
          );
          isRefusing = true;
        }
        break;
      case 'heal':
        await run('ALTER TABLE usage_rollups DROP CONSTRAINT IF EXISTS refused');
        isRefusing = false;
        metering.clock.advance(20_000);
        await metering.fold.retryFailingOnce();
        break;
      case 'again':
        await metering.send(
          all.slice(-5).map((one) => ({ ...bodyOf(one), time: NOW.toISOString() })),
        );
        break;
    }
  };

  const whoseOf = ({ whose, who }: Asked): UsageQuestion['whose'] => {
    const customerId = customers[who % customers.length] ?? '';
    switch (whose) {
      case 'customer':
        return { kind: whose, customerId };
      case 'some_customers':
        return { kind: whose, customerIds: customers.slice(who % 2) };
      case 'subject':
        return { kind: whose, subject: SUBJECTS[who % SUBJECTS.length] ?? '' };
      case 'customers':
      case 'nobody':
        return { kind: whose };
    }
  };

  const questionOf = (one: Asked): UsageQuestion | null => {
    const meter = meters[one.meter % meters.length] as Meter;
    const ordered = (pair: readonly [Date, Date]): Interval | null => {
      const [start, end] = pair.toSorted((left, right) => left.getTime() - right.getTime());
      return start !== undefined && end !== undefined && start < end ? { start, end } : null;
    };
    const whole = { start: new Date(FIRST), end: new Date(FIRST + DAYS * 86_400_000) };
    const window = one.isWhole ? whole : ordered(one.ends);
    const buckets = window && bucketsOf(window, one.size, one.zone);
    const except: OpenInterval | null = one.except && ordered(one.except);
    const isGrouped = meter.groupBy.length > 0;
    return (
      buckets && {
        ...{ meter, buckets, by: one.by, whose: whoseOf(one), now: metering.clock.now() },
        ...(except === null ? {} : { except: [except] }),
        groupBy: isGrouped ? one.groupBy : [],
        groupFilter: isGrouped ? one.filter : {},
        groupExclusions: isGrouped ? one.exclusions : [],
      }
    );
  };

  /** What is read most: every customer by day. */
  const daysOfAll = (): UsageQuestion[] =>
    meters.flatMap(
      (_, meter) =>
        questionOf({
          ...{ meter, whose: 'customers', by: 'subject', isWhole: true, size: 'day', zone: 'UTC' },
          ...{ groupBy: ['region', 'tier'], filter: {}, exclusions: [], except: null, who: 0 },
          ends: [NOW, NOW],
        }) ?? [],
    );

  const shown = (rows: readonly UsageRow[]): unknown[] =>
    rows
      .map((row) => ({ ...row, quantity: row.quantity.toFixed() }))
      .map((row) => JSON.stringify(row))
      .toSorted();

  const streamed = async (question: UsageQuestion): Promise<UsageRow[]> => {
    const rows: UsageRow[] = [];
    await metering.db.database.snapshot(async () => {
      await new UsageStore(metering.db.database).stream(question, async (some) => {
        await Promise.resolve();
        rows.push(...some);
      });
    });
    return rows;
  };

  it('reads what its events come to', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(sent, { maxLength: 12 }),
        fc.array(fc.tuple(fc.nat(), fc.option(sent, { nil: undefined })), { maxLength: 4 }),
        fc.array(fc.tuple(fc.constantFrom(...STEPS), fc.nat()), { minLength: 1, maxLength: 6 }),
        fc.array(asked, { minLength: 5, maxLength: 5 }),
        async (events, corrections, steps, questions) => {
          await forget();
          await send(events);
          for (const [what, pick] of steps) {
            const [picked, body] = corrections[pick % 4] ?? [null, undefined];
            if (picked !== null) {
              await correct(picked, body);
            }
            await step(what, pick);
          }
          const made = [...questions.flatMap((one) => questionOf(one) ?? []), ...daysOfAll()];
          const together = await metering.usageStore.readAll(made);
          for (const [index, question] of made.entries()) {
            const right = {
              question,
              rows: shown(await metering.usageStore.readFromEvents(question)),
            };
            expect({ question, rows: shown(await metering.usageStore.read(question)) }).toEqual(
              right,
            );
            expect({ question, rows: shown(together[index] ?? []) }).toEqual(right);
            expect({ question, rows: shown(await streamed(question)) }).toEqual(right);
          }
        },
      ),
      { numRuns: 4, endOnFailure: true },
    );
  });
});
