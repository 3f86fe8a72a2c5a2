/*
 * Aim: a meter whose figures cannot be written holds up no other, is read exactly, and catches up by itself.
 * Method: a CHECK constraint that a meter breaks; answers are held against those from raw events.
 */
import { type Meter } from '../../src/meters/meter.js';
import { UsageStore } from '../../src/usage/usage.store.js';
import { type UsageQuestion } from '../../src/usage/usage.sql.js';
import { factory } from '../support/factory.js';
import { type Metering, meterFolding, startMetering } from '../support/metering.js';

const DAY = { start: new Date('2026-11-10T00:00:00Z'), end: new Date('2026-11-11T00:00:00Z') };
const NOTE = { reason: 'a test', by: 'key_test' };

describe('a meter that is failing', () => {
  let metering: Metering;
  let customerId: string;
  let failing: Meter;
  let sound: Meter;

  beforeEach(async () => {
    metering = await startMetering();
    ({ id: customerId } = await metering.customers.create(factory.customer(), ['key-1']));
    const aggregation = { kind: 'sum', value: { kind: 'property', path: '$.v' } } as const;
    failing = await metering.meters.create(factory.meter({ key: 'failing', aggregation }));
    sound = await metering.meters.create(factory.meter({ key: 'sound' }));
    await drain();
  });

  afterEach(async () => {
    await metering.close();
  });

  const rows = async (sql: string): Promise<Record<string, unknown>[]> =>
    await metering.db.database.query(sql);
  const drain = async (): Promise<void> => {
    while ((await metering.fold.foldOnce()) + (await metering.fold.backfillOnce()) > 0) {
      // Until nothing is pending.
    }
  };
  const retry = async (): Promise<void> => {
    while ((await metering.fold.retryFailingOnce()) > 0) {
      // Until nothing is due.
    }
  };
  /** Hours of more than a hundred cannot be written. */
  const refuse = async (): Promise<void> => {
    await rows(
      `ALTER TABLE usage_rollups ADD CONSTRAINT refused CHECK (meter <> ${failing.number} OR value_sum <= 100)`,
    );
  };
  const send = async (v: number, time = '2026-11-10T09:00:00Z'): Promise<void> => {
    await metering.send(factory.event({ source: 's', id: String(v), time, data: { v } }));
  };
  const question = (meter: Meter): UsageQuestion => ({
    ...{ meter, buckets: [DAY], by: 'customer', groupBy: [], groupFilter: {} },
    ...{ now: metering.clock.now(), whose: { kind: 'customer', customerId } },
  });
  const read = async (meter: Meter): Promise<string[]> => {
    const fresh = new UsageStore(metering.db.database);
    const alone = await metering.usageStore.read(question(meter));
    const [together] = await fresh.readAll([question(meter)]);
    expect(together).toEqual(alone);
    expect(await metering.usageStore.readFromEvents(question(meter))).toEqual(alone);
    const streamed: unknown[] = [];
    await metering.db.database.snapshot(async () => {
      await fresh.stream(question(meter), async (found) => {
        await Promise.resolve();
        streamed.push(...found);
      });
    });
    expect(streamed).toEqual(alone);
    return alone.map(({ quantity }) => quantity.toFixed());
  };

  it('holds up no other, is told once, and is read from its events', async () => {
    await send(1);
    await drain();
    await refuse();
    await send(1_000);
    await send(2, '2026-11-10T10:00:00Z');
    await drain();
    await send(3, '2026-11-10T10:30:00Z');
    await drain();
    expect(await rows('SELECT FROM ingest_batches WHERE fold IS NULL')).toEqual([]);
    expect(await read(failing)).toEqual(['1006']);
    expect(await read(sound)).toEqual(['4']);
    const told = await rows(`SELECT body::jsonb -> 'data' AS data FROM webhook_messages`);
    expect(told).toMatchObject([
      { data: { meter: 'failing', error: expect.stringMatching('refused') } },
    ]);
  });

  it('takes all but what fails when it is tried again, and that once it is voided', async () => {
    await drain();
    await refuse();
    for (const v of [1, 2, 1_000, 3]) {
      await send(v, `2026-11-10T${String(9 + (v % 4)).padStart(2, '0')}:00:00Z`);
    }
    await drain();
    metering.clock.advance(60_000);
    await retry();
    const lacking = `SELECT meter FROM usage_unfolded_batches`;
    expect(await rows(lacking)).toEqual([{ meter: failing.number }]);
    expect(await read(failing)).toEqual(['1006']);
    await metering.corrections.void({ source: 's', id: '1000' }, NOTE);
    await drain();
    expect(await read(failing)).toEqual(['6']);
    metering.clock.advance(7_200_000);
    await retry();
    expect(await rows(lacking)).toEqual([]);
    expect(await rows('SELECT FROM usage_failing_meters')).toEqual([]);
    expect(await read(failing)).toEqual(['6']);
    const kept = await rows(
      `SELECT sum(value_sum)::text AS sum FROM usage_rollups WHERE meter = ${failing.number}`,
    );
    expect(kept).toEqual([{ sum: '6' }]);
  });

  it('does not keep the history of another meter from being counted', async () => {
    await refuse();
    await send(1_000);
    await drain();
    const later = await metering.meters.create(factory.meter({ key: 'later' }));
    await rows(
      `UPDATE usage_backfills SET finished_at = NULL, done_through_batch = 0,
         through_fold = (SELECT last_value FROM usage_fold_numbers) WHERE meter = ${failing.number}`,
    );
    await rows('DELETE FROM usage_unfolded_batches');
    await rows('DELETE FROM usage_failing_meters');
    await drain();
    expect(await rows('SELECT FROM usage_backfills WHERE finished_at IS NULL')).toEqual([]);
    expect(await read(later)).toEqual(['1']);
    expect(await read(failing)).toEqual(['1000']);
  });

  it('is no longer folded for once it has ended, but for what happened before', async () => {
    await metering.archiving.archive('failing');
    await refuse();
    metering.clock.advance(3_600_000);
    await send(1_000, metering.clock.now().toISOString());
    await drain();
    expect(await rows('SELECT FROM usage_failing_meters')).toEqual([]);
    await send(7, '2026-11-10T09:00:00Z');
    await drain();
    expect(await read(await metering.archiving.archive('failing'))).toEqual(['7']);
  });

  it('tells who folds that something was corrected, once that is committed', async () => {
    const heard: string[] = [];
    metering.corrections.onCorrected(() => {
      heard.push('corrected');
    });
    await send(1);
    const { database } = metering.db;
    await database
      .transaction(async () => {
        await metering.corrections.void({ source: 's', id: '1' }, NOTE);
        throw new Error('taken back');
      })
      .catch(() => null);
    expect(heard).toEqual([]);
    await database.transaction(async () => {
      await metering.corrections.void({ source: 's', id: '1' }, NOTE);
      expect(heard).toEqual([]);
    });
    expect(heard).toEqual(['corrected']);
    expect(await meterFolding(database, metering.clock).retryOnce([])).toBe(0);
  });
});
