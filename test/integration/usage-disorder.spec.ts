/*
 * Aim: usage is exact whatever is folded before what, and no event can stop a fold.
 * Method: another replica's fold is played by a transaction that has a batch locked.
 */
import { type Aggregation, type Meter } from '../../src/meters/meter.js';
import { factory } from '../support/factory.js';
import { type Metering, startMetering } from '../support/metering.js';

const NOW = '2026-11-09T13:00:00Z';
const DAY = { start: new Date('2026-11-09T00:00:00Z'), end: new Date('2026-11-10T00:00:00Z') };
const SOURCE = 'disorder';
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

describe('usage that is folded out of order', () => {
  let metering: Metering;
  let customer: string;

  beforeEach(async () => {
    metering = await startMetering(NOW);
    customer = (await metering.customers.create(factory.customer(), ['s1'])).id;
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

  const send = async (id: string, v: number, time = '10:10:00'): Promise<void> => {
    await metering.send(
      factory.event({
        ...{ source: SOURCE, id, subject: 's1', type: 'api.request' },
        ...{ time: `2026-11-09T${time}Z`, data: { v } },
      }),
    );
  };

  const replace = async (id: string, v: number): Promise<void> => {
    const identity = { source: SOURCE, id };
    await metering.corrections.replace(
      identity,
      ({ event }) => ({ ...event, data: JSON.stringify({ v }) }),
      NOTE,
    );
  };

  /** Does the steps and folds what they leave, while another replica is folding what came before. */
  const behindAnotherFold = async (steps: () => Promise<void>): Promise<void> => {
    const runner = metering.db.database.dataSource.createQueryRunner();
    await runner.startTransaction();
    await runner.query('SELECT FROM ingest_batches WHERE fold IS NULL FOR UPDATE');
    try {
      await steps();
      await metering.fold.foldOnce();
    } finally {
      await runner.rollbackTransaction();
      await runner.release();
    }
  };

  const read = async (meter: Meter): Promise<string> =>
    (await metering.usage.quantityOf(meter, customer, DAY)).toFixed();

  it.each(AGGREGATIONS)(
    'reads a $kind exactly when a correction is folded before its event',
    async (aggregation) => {
      const meter = await metering.meters.create(factory.meter({ aggregation }));
      await drain();
      await send('a', 5);
      await behindAnotherFold(async () => {
        await replace('a', 7);
      });
      const afresh = await metering.meters.create(factory.meter({ aggregation }));
      expect(await read(meter)).toBe(await read(afresh));
      await drain();
      expect(await read(meter)).toBe(await read(afresh));
      expect(await metering.checks.checkNow(false)).toMatchObject({ differenceCount: 0 });
    },
  );

  it.each(AGGREGATIONS)(
    'reads a $kind exactly when an event came beside a void that was folded before its event',
    async (aggregation) => {
      const meter = await metering.meters.create(factory.meter({ aggregation }));
      await drain();
      await send('a', 5);
      await behindAnotherFold(async () => {
        await metering.corrections.void({ source: SOURCE, id: 'a' }, NOTE);
        await send('b', 11, '10:20:00');
      });
      const afresh = await metering.meters.create(factory.meter({ aggregation }));
      expect(await read(meter)).toBe(await read(afresh));
      await drain();
      expect(await read(meter)).toBe(await read(afresh));
    },
  );

  it.each(AGGREGATIONS)(
    'folds a $kind of groups that are equal once they are cut',
    async (aggregation) => {
      const groupBy = [{ key: 'path', property: '$.path' }];
      const meter = await metering.meters.create(factory.meter({ aggregation, groupBy }));
      await drain();
      const path = 'x'.repeat(300);
      const event = { source: SOURCE, subject: 's1', time: '2026-11-09T10:10:00Z' };
      await metering.send([factory.event({ ...event, data: { v: 1, path } })]);
      await drain();
      const [row] = await metering.db.database.query<{ path: string }>(
        `SELECT groups[1] AS path FROM usage_rollups
       UNION ALL SELECT groups[1] FROM usage_distinct_values`,
      );
      await metering.send([
        factory.event({ ...event, data: { v: 1, path } }),
        factory.event({ ...event, data: { v: 1, path: row?.path } }),
      ]);
      const exact = await read(meter);
      await drain();
      expect(await read(meter)).toBe(exact);
    },
  );
});
