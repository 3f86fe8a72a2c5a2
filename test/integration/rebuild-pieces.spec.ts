/*
 * Aim: an hour that is made anew in pieces is what it is when it is made anew at once.
 * Method: random events of one hour, many of them of one time, corrected and folded in any order; pieces
 * of a few events; what is kept is compared row by row, and answers with those from raw events.
 */
import fc from 'fast-check';
import { type Aggregation, type Meter } from '../../src/meters/meter.js';
import { BatchesStore } from '../../src/usage/batches.store.js';
import { RollupStore } from '../../src/usage/rollup.store.js';
import { type UsageQuestion } from '../../src/usage/usage.sql.js';
import { factory } from '../support/factory.js';
import { type Metering, startMetering } from '../support/metering.js';

const NOW = new Date('2026-11-09T13:00:00Z');
const START = Date.parse('2026-11-09T10:00:00Z');
const HOUR = { start: new Date(START), end: new Date(START + 3_600_000) };
const NOTE = { reason: 'a test', by: 'key_test' };
const VALUE = { kind: 'property', path: '$.v' } as const;
const AGGREGATIONS: readonly Aggregation[] = [
  { kind: 'count' },
  ...(['sum', 'avg', 'min', 'max', 'latest', 'time_weighted_sum'] as const).map((kind) => ({
    kind,
    value: VALUE,
  })),
  { kind: 'unique_count', property: '$.v' },
  { kind: 'percentile', value: VALUE, percentile: '50' },
];

const sent = fc.record({
  subject: fc.constantFrom('s1', 's2'),
  minute: fc.constantFrom(0, 0, 7, 20, 21, 59),
  v: fc.integer({ min: -2, max: 4 }),
  region: fc.constantFrom('eu', undefined),
});

describe('an hour that is made anew in pieces', () => {
  let metering: Metering;
  let meters: Meter[];
  let serial = 0;
  const ids: string[] = [];

  beforeAll(async () => {
    metering = await startMetering(NOW.toISOString());
    await metering.customers.create(factory.customer(), ['s1', 's2']);
    meters = [];
    const groupBy = [{ key: 'region', property: '$.region' }];
    for (const aggregation of AGGREGATIONS) {
      meters.push(await metering.meters.create(factory.meter({ aggregation, groupBy })));
    }
    await fold();
  });

  afterAll(async () => {
    await metering.close();
  });

  const fold = async (): Promise<void> => {
    while ((await metering.fold.foldOnce()) + (await metering.fold.backfillOnce()) > 0) {
      // Until nothing is pending.
    }
  };

  /** Folds every second batch, as when another replica is folding the others. */
  const foldAround = async (): Promise<void> => {
    const other = metering.db.database.dataSource.createQueryRunner();
    await other.startTransaction();
    await other.query('SELECT FROM ingest_batches WHERE fold IS NULL AND id % 2 = 0 FOR UPDATE');
    await metering.fold.foldOnce();
    await other.rollbackTransaction();
    await other.release();
  };

  const send = async (events: readonly (typeof sent extends fc.Arbitrary<infer T> ? T : never)[]) =>
    await metering.send(
      events.map(({ subject, minute, v, region }) => {
        ids.push(`p${(serial += 1)}`);
        const time = new Date(START + minute * 60_000).toISOString();
        return factory.event({
          ...{ source: 'pieces', id: ids.at(-1), subject, time, data: { v, region } },
        });
      }),
    );

  const correct = async (pick: number): Promise<void> => {
    const identity = { source: 'pieces', id: ids[pick % Math.max(1, ids.length)] ?? '' };
    await (pick % 2 === 0
      ? metering.corrections.void(identity, NOTE)
      : metering.corrections.replace(
          identity,
          ({ event }) => ({ ...event, data: JSON.stringify({ v: pick % 5, region: 'eu' }) }),
          NOTE,
        ));
  };

  const rebuild = async (meter: Meter, atOnce: number): Promise<void> => {
    const { database } = metering.db;
    await database.transaction(async () => {
      await new BatchesStore(database).holdMeters('exclusive');
      await new RollupStore(database).rebuild(meter, HOUR, null, atOnce);
    });
  };

  /** What stands, however many zeros it is written with. */
  const kept = async (meter: Meter): Promise<unknown[]> =>
    await metering.db.database.query(
      `SELECT subject, groups, NULL AS distinct_value, event_count, trim_scale(value_sum) AS value_sum,
         trim_scale(value) AS value, first_time, last_time, trim_scale(level_sum) AS level_sum, is_corrected
       FROM usage_rollups WHERE meter = $1
       UNION ALL
       SELECT subject, groups, value, event_count, NULL, NULL, NULL, NULL, NULL, NULL
       FROM usage_distinct_values WHERE meter = $1 AND event_count <> 0
       ORDER BY 1, 2, 3`,
      [meter.number],
    );

  const readsExactly = async (meter: Meter): Promise<void> => {
    const question: UsageQuestion = {
      ...{ meter, buckets: [HOUR], by: 'subject', now: NOW, whose: { kind: 'customers' } },
      ...{ groupBy: ['region'], groupFilter: {} },
    };
    expect(await metering.usageStore.read(question)).toEqual(
      await metering.usageStore.readFromEvents(question),
    );
  };

  it('is what it is when it is made anew at once, for every aggregation', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(sent, { minLength: 1, maxLength: 25 }),
        fc.array(fc.nat(), { maxLength: 6 }),
        fc.integer({ min: 1, max: 9 }),
        fc.boolean(),
        async (events, picks, atOnce, isInDisorder) => {
          await send(events);
          for (const pick of picks) {
            await correct(pick);
          }
          if (isInDisorder) {
            await foldAround();
            for (const meter of meters) {
              await rebuild(meter, atOnce);
              await readsExactly(meter);
            }
          }
          await fold();
          for (const meter of meters) {
            await readsExactly(meter);
            await rebuild(meter, 1_000_000);
            const atOnceKept = await kept(meter);
            await rebuild(meter, atOnce);
            expect({ meter, rows: await kept(meter) }).toEqual({ meter, rows: atOnceKept });
          }
        },
      ),
      { numRuns: 3 },
    );
    expect(await metering.checks.checkNow(false)).toMatchObject({ differenceCount: 0 });
  });
});
