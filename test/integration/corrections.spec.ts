/*
 * Aim: an event that was voided or replaced counts as it should, whoever does what at the same time.
 * Method: services on a real database; that usage stays exact in general is shown in usage.spec.ts.
 */
import { type UsageEvent } from '../../src/events/usage-event.js';
import { type Meter } from '../../src/meters/meter.js';
import { factory } from '../support/factory.js';
import { type Metering, startMetering } from '../support/metering.js';

const WINDOW = { start: new Date('2026-11-10T00:00:00Z'), end: new Date('2026-11-11T00:00:00Z') };
const NOTE = { reason: 'sent by a test client', by: 'key_test' };

describe('corrections', () => {
  let metering: Metering;
  let customerId: string;
  let meter: Meter;

  beforeAll(async () => {
    metering = await startMetering();
    ({ id: customerId } = await metering.customers.create(factory.customer(), ['key-1', 'key-2']));
    meter = await metering.meters.create(
      factory.meter({ aggregation: { kind: 'sum', value: { kind: 'property', path: '$.v' } } }),
    );
  });

  afterAll(async () => {
    await metering.close();
  });

  const quantity = async (): Promise<number> =>
    Number(await metering.usage.quantityOf(meter, customerId, WINDOW));
  const corrections = async (source: string): Promise<unknown[]> =>
    await metering.db.database.query(
      'SELECT sign, batch_id FROM usage_corrections WHERE source = $1 ORDER BY batch_id, sign',
      [source],
    );
  const body = (v: number, overrides: Partial<UsageEvent> = {}): UsageEvent => ({
    ...{ source: '', id: '', type: 'api.request', subject: 'key-1', extensions: null },
    ...{ time: '2026-11-10T09:00:00.000000Z', data: JSON.stringify({ v }) },
    ...overrides,
  });

  it('takes an event out of the count once, though it is voided many times at once', async () => {
    const identity = { source: 'at once', id: 'a' };
    const before = await quantity();
    await metering.send(factory.event({ ...identity, data: { v: 5 } }));
    const answers = await Promise.all(
      Array.from({ length: 12 }, async (_, index) =>
        index % 3 === 2
          ? await metering.fold.foldOnce()
          : await metering.corrections.void(identity, { ...NOTE, reason: `number ${index}` }),
      ),
    );
    const reasons = answers.flatMap((answer) => (typeof answer === 'number' ? [] : answer.reason));
    expect(new Set(reasons).size).toBe(1);
    expect(await corrections(identity.source)).toHaveLength(1);
    expect(await quantity()).toBe(before);
    await metering.fold.foldOnce();
    expect(await quantity()).toBe(before);
  });

  it('does not let a voided event come back when it is sent again', async () => {
    const identity = { source: 'again', id: 'a' };
    const before = await quantity();
    const event = factory.event({ ...identity, data: { v: 5 } });
    await metering.send(event);
    await metering.corrections.void(identity, NOTE);
    expect(await metering.send(event)).toMatchObject([{ status: 'duplicate' }]);
    expect(await quantity()).toBe(before);
  });

  it('does not know an event that was never stored', async () => {
    const identity = { source: 'nobody', id: 'a' };
    await expect(metering.corrections.void(identity, NOTE)).rejects.toMatchObject({
      kind: 'not_found',
    });
    await expect(metering.corrections.replace(identity, () => body(1), NOTE)).rejects.toMatchObject(
      { kind: 'not_found' },
    );
  });

  it('counts what was put in the place of an event, and knows every body of it again', async () => {
    const identity = { source: 'replaced', id: 'a' };
    const before = await quantity();
    const bodies = [1, 20, 300].map((v) => factory.event({ ...identity, data: { v } }));
    await metering.send(bodies[0]);
    await metering.corrections.replace(identity, () => body(20), NOTE);
    expect(await quantity()).toBe(before + 20);
    await metering.corrections.void(identity, NOTE);
    expect(await quantity()).toBe(before);
    await metering.corrections.replace(identity, () => body(300, { subject: 'key-2' }), NOTE);
    expect(await quantity()).toBe(before + 300);
    bodies[2] = { ...bodies[2], subject: 'key-2' };
    for (const event of bodies) {
      expect(await metering.send(event)).toMatchObject([{ status: 'duplicate' }]);
    }
    expect(await metering.send({ ...bodies[2], data: { v: 4 } })).toMatchObject([
      { status: 'conflict' },
    ]);
    expect(await quantity()).toBe(before + 300);
  });

  it('shows what an event counts now beside what came', async () => {
    const source = 'shown';
    for (const id of ['a', 'b', 'c']) {
      await metering.send(factory.event({ source, id, data: { v: 1 } }));
    }
    await metering.corrections.void({ source, id: 'b' }, NOTE);
    const replaced = body(0, { subject: 'nobody', data: '{"v": 12345678901234567890.123}' });
    await metering.corrections.replace({ source, id: 'c' }, () => replaced, NOTE);
    const filter = { subjects: null, type: null, from: null, to: null, source };
    const { items } = await metering.eventsReader.list(filter, 10, null);
    expect(items.map(({ id, voidReason }) => [id, voidReason])).toEqual([
      ['c', null],
      ['b', NOTE.reason],
      ['a', null],
    ]);
    expect(items.map(({ voidedAt }) => voidedAt !== null)).toEqual([false, true, false]);
    expect(items.map(({ data }) => data)).toEqual(items.map(() => '{"v": 1}'));
    expect(items[0]?.replacement).toContain('12345678901234567890.123');
    expect(items[1]?.replacement).toBeNull();
  });

  it('leaves nothing when it dies in the middle', async () => {
    const identity = { source: 'middle', id: 'a' };
    await metering.send(factory.event({ ...identity, data: { v: 5 } }));
    const before = await quantity();
    const { database } = metering.db;
    const batches = async (): Promise<unknown> =>
      await database.query('SELECT count(*) FROM ingest_batches');
    const kept = await batches();
    await expect(
      database.transaction(async () => {
        await metering.corrections.replace(identity, () => body(7), NOTE);
        await database.query('SELECT pg_terminate_backend(pg_backend_pid())');
      }),
    ).rejects.toThrow(/terminat/);
    expect(await corrections(identity.source)).toEqual([]);
    expect(await batches()).toEqual(kept);
    expect(await quantity()).toBe(before);
    await metering.corrections.void(identity, NOTE);
    expect(await quantity()).toBe(before - 5);
  });

  it('is seen by no reader in part, while events are folded and a new meter takes its history', async () => {
    const source = 'readers';
    const ids = Array.from({ length: 60 }, (_, index) => `e${index}`);
    for (const id of ids) {
      await metering.send(factory.event({ source, id, data: { v: 1 } }));
    }
    const before = await quantity();
    const late = await metering.meters.create(
      factory.meter({ aggregation: { kind: 'sum', value: { kind: 'property', path: '$.v' } } }),
    );
    const voids = { areDone: false };
    const seen: number[] = [];
    const reading = async (): Promise<void> => {
      while (!voids.areDone) {
        const [mine, lately] = await metering.db.database.transaction(async () => {
          await metering.db.database.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ');
          return [
            await metering.usage.quantityOf(meter, customerId, WINDOW),
            await metering.usage.quantityOf(late, customerId, WINDOW),
          ];
        });
        expect(Number(lately)).toBe(Number(mine));
        seen.push(Number(mine));
      }
    };
    const working = async (): Promise<void> => {
      while (!voids.areDone) {
        await metering.fold.foldOnce();
        await metering.fold.backfillOnce();
      }
    };
    const voiding = async (): Promise<void> => {
      for (const id of ids) {
        await metering.corrections.void({ source, id }, NOTE);
      }
      voids.areDone = true;
    };
    await Promise.all([reading(), working(), voiding()]);
    expect(seen).toEqual(seen.toSorted((left, right) => right - left));
    expect(await quantity()).toBe(before - ids.length);
  });
});
