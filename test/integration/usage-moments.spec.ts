/*
 * Aim: an answer is of one moment, whatever happens between the statements that it is made of.
 * Method: what happens is done just then: in an older snapshot, or after a certain statement of a read.
 */
import { type Aggregation, type Meter } from '../../src/meters/meter.js';
import { Database } from '../../src/platform/database/database.js';
import { type UsageQuestion } from '../../src/usage/usage.sql.js';
import { type UsageRow } from '../../src/usage/usage-row.js';
import { UsageStore } from '../../src/usage/usage.store.js';
import { factory } from '../support/factory.js';
import { type Metering, startMetering } from '../support/metering.js';

const DAY = { start: new Date('2026-11-10T00:00:00Z'), end: new Date('2026-11-11T00:00:00Z') };
const SUM = { kind: 'sum', value: { kind: 'property', path: '$.v' } } as const;

describe('the moment of an answer', () => {
  let metering: Metering;
  let customerId: string;
  let serial = 0;

  beforeEach(async () => {
    metering = await startMetering();
    ({ id: customerId } = await metering.customers.create(factory.customer(), ['key-1']));
  });

  afterEach(async () => {
    await metering.close();
  });

  const send = async (v: number, time = '2026-11-10T09:00:00Z'): Promise<void> => {
    await metering.send(factory.event({ source: 's', id: `e${(serial += 1)}`, time, data: { v } }));
  };
  const foldAll = async (): Promise<void> => {
    while ((await metering.fold.foldOnce()) + (await metering.fold.backfillOnce()) > 0) {
      // Until nothing is pending.
    }
  };
  const question = (
    meter: Meter,
    whose: UsageQuestion['whose'] = { kind: 'customer', customerId },
  ): UsageQuestion => ({
    ...{ meter, buckets: [DAY], by: 'customer', groupBy: [], groupFilter: {} },
    ...{ now: metering.clock.now(), whose },
  });
  const shown = (rows: readonly UsageRow[] = []): string[] =>
    rows.map(({ quantity }) => quantity.toFixed());

  /** The same question in each way that there is; in a transaction. */
  const readEveryWay = async (meter: Meter): Promise<string[][]> => {
    const { usageStore } = metering;
    const ofAll = question(meter, { kind: 'customers' });
    const streamed: UsageRow[] = [];
    await usageStore.stream(question(meter), async (found) => {
      await Promise.resolve();
      streamed.push(...found);
    });
    const [one, all] = await usageStore.readAll([question(meter), ofAll]);
    return [
      shown(await usageStore.read(question(meter))),
      shown(await usageStore.read(ofAll)),
      shown(one),
      shown(all),
      shown(streamed),
    ];
  };

  /** Does something once, after the first statement that a pattern matches. */
  const after = (pattern: RegExp, happens: () => Promise<void>): void => {
    const { database } = metering.db;
    const query = database.query.bind(database);
    database.query = async <Row>(sql: string, values?: readonly unknown[]): Promise<Row[]> => {
      const rows = await query<Row>(sql, values);
      if (pattern.test(sql)) {
        database.query = query;
        await happens();
      }
      return rows;
    };
  };

  /** Every meter that there may be, over events, corrections and history of which some is to be done yet. */
  const muchToDo = async (): Promise<Meter[]> => {
    const value = SUM.value;
    const aggregations: readonly Aggregation[] = [
      ...(['sum', 'max', 'time_weighted_sum'] as const).map((kind) => ({ kind, value })),
      { kind: 'percentile', value, percentile: '50' },
    ];
    const meters: Meter[] = [];
    for (const aggregation of aggregations) {
      meters.push(await metering.meters.create(factory.meter({ aggregation })));
    }
    for (const v of [1, 5, 5, 7]) {
      await send(v, `2026-11-09T0${v}:10:00Z`);
    }
    await foldAll();
    while ((await metering.days.sumOnce()) > 0) {
      // Until all are summed up.
    }
    const note = { reason: 'a test', by: 'k' };
    await metering.corrections.void({ source: 's', id: `e${serial}` }, note);
    await metering.corrections.replace(
      { source: 's', id: `e${serial - 1}` },
      ({ event }) => ({ ...event, time: '2026-11-09T01:20:00Z', data: '{"v":9}' }),
      note,
    );
    await send(3, '2026-11-09T01:05:00Z');
    for (const aggregation of aggregations.slice(2, 3)) {
      meters.push(await metering.meters.create(factory.meter({ aggregation })));
    }
    return meters;
  };

  /** Two days, of some customers and of all. */
  const questionsOf = (meters: readonly Meter[]): UsageQuestion[] => {
    const days = [-2, -1, 0].map((day) => DAY.start.getTime() + day * 86_400_000);
    const buckets = days.slice(1).map((end, index) => ({
      start: new Date(days[index] as number),
      end: new Date(end),
    }));
    return meters.map((meter, index) => ({
      ...question(
        meter,
        index % 3 === 0 ? { kind: 'customer', customerId } : { kind: 'customers' },
      ),
      buckets,
    }));
  };

  /** As somebody else sees it meanwhile. */
  const seenOutside = async (questions: readonly UsageQuestion[]): Promise<string[][]> => {
    const outside = new UsageStore(new Database(metering.db.database.dataSource));
    return (await outside.readAll(questions)).map(shown);
  };

  /** Runs something again and again, each time killed one statement later, with a look before; until it is done. */
  const lookingAtEach = async (
    run: () => Promise<unknown>,
    look: () => Promise<void>,
  ): Promise<number> => {
    const { database } = metering.db;
    const query = database.query.bind(database);
    for (let killedAt = 1; ; killedAt += 1) {
      let count = 0;
      database.query = async <Row>(sql: string, values?: readonly unknown[]): Promise<Row[]> => {
        const rows = await query<Row>(sql, values);
        count += 1;
        if (count === killedAt) {
          await look();
          throw new Error('Killed');
        }
        return rows;
      };
      const isKilled = await run().then(
        () => false,
        () => true,
      );
      database.query = query;
      if (!isKilled) {
        await look();
        return killedAt;
      }
    }
  };

  it('is one before or after whatever is done to figures, at each statement of it, and if it is killed there', async () => {
    const meters = await muchToDo();
    const questions = questionsOf(meters);
    const right: string[][] = [];
    for (const one of questions) {
      right.push(shown(await metering.usageStore.readFromEvents(one)));
    }
    const look = async (): Promise<void> => {
      expect(await seenOutside(questions)).toEqual(right);
    };
    await look();
    const { fold, days, rebuilds } = metering;
    expect(await lookingAtEach(async () => await fold.foldOnce(), look)).toBeGreaterThan(10);
    expect(await lookingAtEach(async () => await fold.backfillOnce(), look)).toBeGreaterThan(5);
    await foldAll();
    metering.clock.advance(300_000);
    expect(await lookingAtEach(async () => await days.sumOnce(), look)).toBeGreaterThan(5);
    const window = { start: new Date('2026-11-09T00:00:00Z'), end: DAY.start };
    await rebuilds.request({ meter: meters[3]?.key ?? '', window, subjects: null }, 'k');
    await rebuilds.stepOnce();
    const step = async (): Promise<number> => {
      // One that failed is put off.
      metering.clock.advance(86_400_000);
      return await rebuilds.stepOnce();
    };
    expect(await lookingAtEach(step, look)).toBeGreaterThan(5);
  });

  it('is that of a snapshot in which the history of a meter was not counted, though it is now', async () => {
    await send(1);
    await send(2, '2026-11-10T10:00:00Z');
    await foldAll();
    const meter = await metering.meters.create(factory.meter({ aggregation: SUM }));
    await metering.fold.foldOnce();
    const [taken, counted] = [gate(), gate()];
    const answers = metering.db.database.snapshot(async () => {
      await metering.db.database.query('SELECT FROM ingest_batches');
      taken.open();
      await counted.opened;
      return await readEveryWay(meter);
    });
    await taken.opened;
    await foldAll();
    expect(shown(await metering.usageStore.read(question(meter)))).toEqual(['3']);
    counted.open();
    expect(await answers).toEqual(Array.from({ length: 5 }, () => ['3']));
  });

  it.each(['customer', 'customers'] as const)(
    'is one while a meter was failing or one after, and no mixture of both: of %s',
    async (kind) => {
      const meter = await metering.meters.create(factory.meter({ aggregation: SUM }));
      await foldAll();
      await metering.db.database.query(
        'ALTER TABLE usage_rollups ADD CONSTRAINT refused CHECK (value_sum <= 100)',
      );
      await send(1_000);
      await foldAll();
      await metering.db.database.query('ALTER TABLE usage_rollups DROP CONSTRAINT refused');
      metering.clock.advance(60_000);
      const whose = kind === 'customer' ? ({ kind, customerId } as const) : ({ kind } as const);
      after(/FROM usage_rollups|JOIN usage_rollups/, async () => {
        while ((await metering.fold.retryFailingOnce()) > 0) {
          // Until it has what it lacked.
        }
      });
      expect(shown(await metering.usageStore.read(question(meter, whose)))).toEqual(['1000']);
      expect(await metering.db.database.query('SELECT FROM usage_failing_meters')).toEqual([]);
    },
  );

  it('is that of the meter that was asked for, though it has ended since it was looked up', async () => {
    const meter = await metering.meters.create(factory.meter({ aggregation: SUM }));
    await send(1, '2026-11-10T12:04:00Z');
    await foldAll();
    await metering.archiving.archive(meter.key);
    await send(2, '2026-11-10T12:04:30Z');
    await send(4, '2026-11-10T09:00:00Z');
    const answers = await metering.db.database.snapshot(async () => await readEveryWay(meter));
    expect(answers).toEqual(Array.from({ length: 5 }, () => ['7']));
    const ended = { ...meter, archivedAt: metering.clock.now() };
    expect(shown(await metering.usageStore.read(question(ended)))).toEqual(['4']);
  });
});

interface Gate {
  readonly opened: Promise<void>;
  readonly open: () => void;
}

function gate(): Gate {
  let open: Gate['open'] = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
