/*
 * Aim: what corrections do to an hour comes to what its events say, whoever folds what first, and what is
 * not the extreme and not beside a level costs no reading of the hour.
 * Method: busy hours of extremes and levels with voids and replacements, folded in any order, also before
 * their events; each check makes the hours anew from their events.
 */
import fc from 'fast-check';
import { factory } from '../support/factory.js';
import { type Metering, startMetering } from '../support/metering.js';

const NOW = '2026-11-09T13:00:00Z';
const HOUR_MS = Date.parse('2026-11-09T10:00:00Z');
const SOURCE = 'corrected';
const VALUE = { kind: 'property', path: '$.v' } as const;
const NOTE = { reason: 'a test', by: 'key_test' };
const KINDS = ['min', 'max', 'latest', 'time_weighted_sum'] as const;

/** Few times and values, so that many are equal. */
const body = fc.record({
  second: fc.integer({ min: 0, max: 40 }),
  v: fc.integer({ min: -5, max: 9 }),
  region: fc.constantFrom('eu', 'us'),
});
type Body = typeof body extends fc.Arbitrary<infer T> ? T : never;

const step = fc.oneof(
  fc.record({ kind: fc.constant('send' as const), bodies: fc.array(body, { maxLength: 3 }) }),
  fc.record({ kind: fc.constant('void' as const), pick: fc.nat(99), body }),
  fc.record({ kind: fc.constant('replace' as const), pick: fc.nat(99), body }),
  fc.constant({ kind: 'fold' as const }),
  fc.record({ kind: fc.constant('fold some' as const), areCorrections: fc.boolean() }),
);

describe('an hour whose events are corrected', () => {
  let metering: Metering;
  let serial = 0;

  beforeAll(async () => {
    metering = await startMetering(NOW);
    const groupBy = [{ key: 'region', property: '$.region' }];
    for (const kind of KINDS) {
      const aggregation = { kind, value: VALUE };
      await metering.meters.create(factory.meter({ aggregation }));
      await metering.meters.create(factory.meter({ aggregation, groupBy }));
    }
    await metering.fold.foldOnce();
    while ((await metering.fold.backfillOnce()) > 0) {
      // Until no meter lacks a history.
    }
  });

  afterAll(async () => {
    await metering.close();
  });

  const send = async (subject: string, bodies: readonly Body[]): Promise<string[]> => {
    const ids = bodies.map(() => `c${(serial += 1)}`);
    await metering.send(
      bodies.map(({ second, v, region }, index) =>
        factory.event({
          ...{ source: SOURCE, id: ids[index], subject, data: { v, region } },
          time: new Date(HOUR_MS + 600_000 + second * 9_001).toISOString(),
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

  /** Folds corrections only, or events only, as when another replica is folding the others. */
  const foldSome = async (areCorrections: boolean): Promise<void> => {
    const other = metering.db.database.dataSource.createQueryRunner();
    await other.startTransaction();
    await other.query(
      'SELECT FROM ingest_batches WHERE fold IS NULL AND is_correction <> $1 FOR UPDATE',
      [areCorrections],
    );
    await metering.fold.foldOnce();
    await other.rollbackTransaction();
    await other.release();
  };

  const differences = async (): Promise<unknown> =>
    (await metering.checks.checkNow(false)).differences;

  const flagged = async (): Promise<unknown> =>
    await metering.db.database.query('SELECT * FROM usage_rollups WHERE is_corrected');

  it('is what its events say after each fold, and keeps no mark of what has been made up for', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(body, { minLength: 15, maxLength: 60 }),
        fc.array(step, { minLength: 5, maxLength: 14 }),
        async (first, steps) => {
          const subject = `s${(serial += 1)}`;
          const ids = await send(subject, first);
          await fold();
          for (const each of steps) {
            switch (each.kind) {
              case 'send':
                ids.push(...(await send(subject, each.bodies)));
                break;
              case 'void':
              case 'replace': {
                const identity = { source: SOURCE, id: ids[each.pick % ids.length]! };
                const data = JSON.stringify({ v: each.body.v, region: each.body.region });
                await (each.kind === 'void'
                  ? metering.corrections.void(identity, NOTE)
                  : metering.corrections.replace(
                      identity,
                      ({ event }) => ({ ...event, data }),
                      NOTE,
                    ));
                break;
              }
              case 'fold':
                await fold();
                expect(await differences()).toEqual([]);
                break;
              case 'fold some':
                await foldSome(each.areCorrections);
                expect(await differences()).toEqual([]);
                break;
            }
          }
          await fold();
          expect(await differences()).toEqual([]);
          await send(subject, first.slice(0, 3));
          await fold();
          expect([await differences(), await flagged()]).toEqual([[], []]);
        },
      ),
      { numRuns: 12 },
    );
  });

  it.each([-20, 20, 100])(
    'counts nothing of what went before it came, at second %i',
    async (second) => {
      const subject = `early ${second}`;
      await send(
        subject,
        Array.from({ length: 60 }, (_, index) => ({ second: index, v: index % 7, region: 'eu' })),
      );
      await fold();
      const [id] = await send(subject, [{ second, v: 5, region: 'eu' }]);
      await metering.corrections.void({ source: SOURCE, id: id! }, NOTE);
      await foldSome(true);
      expect(await differences()).toEqual([]);
      await fold();
      expect(await differences()).toEqual([]);
      await send(subject, [{ second: second + 1, v: 3, region: 'eu' }]);
      await fold();
      expect(await differences()).toEqual([]);
    },
  );

  it('is not read when what goes is neither its extreme nor one of its last', async () => {
    const { database } = metering.db;
    const ids = await send(
      'steady',
      Array.from({ length: 600 }, (_, index) => ({ second: index / 2, v: index, region: 'eu' })),
    );
    await fold();
    await database.query('ANALYZE usage_events, usage_corrections, ingest_batches, usage_rollups');
    // Of its connection, with what was done on it before.
    const rowsRead = async (): Promise<number> => {
      const [row] = await database.query<{ count: string }>(
        `SELECT sum(seq_tup_read + idx_tup_fetch) AS count FROM pg_stat_xact_user_tables
         WHERE relname LIKE 'usage_events%'`,
      );
      return Number(row?.count);
    };
    await metering.corrections.void({ source: SOURCE, id: ids[300]! }, NOTE);
    const read = await database.transaction(async () => {
      const before = await rowsRead();
      await metering.fold.foldOnce();
      return (await rowsRead()) - before;
    });
    expect(read).toBeLessThan(200);
    expect([await differences(), await flagged()]).toEqual([[], []]);
  });
});
