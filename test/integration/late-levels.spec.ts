/*
 * Aim: levels that come in any order come to what their events say, at a cost that does not grow with the hour.
 * Method: one hour of many levels, folded a few at a time; each check makes the hour anew from its events.
 */
import fc from 'fast-check';
import { factory } from '../support/factory.js';
import { type Metering, startMetering } from '../support/metering.js';

const NOW = '2026-11-09T13:00:00Z';
const HOUR_MS = Date.parse('2026-11-09T10:00:00Z');
const SOURCE = 'levels';
const VALUE = { kind: 'property', path: '$.v' } as const;

interface Level {
  readonly second: number;
  readonly v: number;
  readonly region: string;
}

/** Few seconds, so that many have the same time. */
const level: fc.Arbitrary<Level> = fc.record({
  second: fc.integer({ min: 0, max: 150 }),
  v: fc.integer({ min: -20, max: 100 }),
  region: fc.constantFrom('eu', 'us'),
});

describe('levels that come late', () => {
  let metering: Metering;
  let serial = 0;

  beforeAll(async () => {
    metering = await startMetering(NOW);
    const aggregation = { kind: 'time_weighted_sum', value: VALUE } as const;
    await metering.meters.create(factory.meter({ aggregation }));
    const groupBy = [{ key: 'region', property: '$.region' }];
    await metering.meters.create(factory.meter({ aggregation, groupBy }));
    await metering.fold.foldOnce();
    await metering.fold.backfillOnce();
    await metering.fold.backfillOnce();
  });

  afterAll(async () => {
    await metering.close();
  });

  const send = async (subject: string, levels: readonly Level[]): Promise<string[]> => {
    const ids = levels.map(() => `l${(serial += 1)}`);
    await metering.send(
      levels.map(({ second, v, region }, index) =>
        factory.event({
          ...{ source: SOURCE, id: ids[index], subject, data: { v, region } },
          time: new Date(HOUR_MS + second * 7_001).toISOString(),
        }),
      ),
    );
    return ids;
  };

  const fold = async (): Promise<void> => {
    while ((await metering.fold.foldOnce()) > 0) {
      // Until nothing is pending.
    }
  };

  const differences = async (): Promise<unknown> =>
    (await metering.checks.checkNow(false)).differences;

  it('come to the same in any order, few or many at a time, with equal times and without', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(level, { minLength: 1, maxLength: 3 }), { minLength: 12, maxLength: 20 }),
        fc.array(level, { minLength: 20, maxLength: 40 }),
        fc.nat(19),
        async (late, first, voidedAfter) => {
          const subject = `s${(serial += 1)}`;
          const [id] = await send(subject, first);
          await fold();
          for (const [index, levels] of late.entries()) {
            await send(subject, levels);
            if (index === voidedAfter) {
              const note = { reason: 'a test', by: 'key_test' };
              await metering.corrections.void({ source: SOURCE, id: id ?? '' }, note);
            }
            await fold();
          }
          expect(await differences()).toEqual([]);
        },
      ),
      { numRuns: 8 },
    );
  });

  it('come to the same when several fold at once', async () => {
    await send('busy', fc.sample(level, 40));
    await fold();
    for (let round = 0; round < 5; round += 1) {
      for (const levels of fc.sample(fc.array(level, { minLength: 1, maxLength: 2 }), 6)) {
        await send('busy', levels);
      }
      await Promise.all([metering.fold.foldOnce(), metering.fold.foldOnce(), fold()]);
    }
    expect(await differences()).toEqual([]);
  });

  it('cost the reading of their neighbours, however many levels their hour has', async () => {
    const { database } = metering.db;
    const every = Array.from({ length: 500 }, (_, index) => ({
      second: index,
      v: index,
      region: 'eu',
    }));
    await send('steady', every);
    await fold();
    await database.query('ANALYZE usage_events, ingest_batches, usage_rollups');
    await send('steady', [{ second: 250.5, v: 1_000, region: 'eu' }]);
    // Of its connection, with what was done on it before.
    const rowsRead = async (): Promise<number> => {
      const [row] = await database.query<{ count: string }>(
        `SELECT sum(seq_tup_read + idx_tup_fetch) AS count FROM pg_stat_xact_user_tables
         WHERE relname LIKE 'usage_events%'`,
      );
      return Number(row?.count);
    };
    const read = await database.transaction(async () => {
      const before = await rowsRead();
      await metering.fold.foldOnce();
      return (await rowsRead()) - before;
    });
    expect(read).toBeLessThan(100);
    expect(await differences()).toEqual([]);
  });
});
