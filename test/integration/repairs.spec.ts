/*
 * Aim: what was put aside is settled once, and in one piece with what it changes.
 * Method: services on a real database; several settle the same, or the transaction is cut.
 */
import { type ConflictingEvent, type RejectedEvent } from '../../src/events/put-aside.js';
import { type Meter } from '../../src/meters/meter.js';
import { factory } from '../support/factory.js';
import { type Metering, startMetering } from '../support/metering.js';

const WINDOW = { start: new Date('2026-11-10T00:00:00Z'), end: new Date('2026-11-11T00:00:00Z') };
const BY = 'key_test';
const DIALECT = {
  toText: (value: unknown): string => JSON.stringify(value),
  isLongNumber: (): boolean => false,
  isSuspicious: true,
};

describe('repairs', () => {
  let metering: Metering;
  let customerId: string;
  let meter: Meter;

  beforeAll(async () => {
    metering = await startMetering();
    ({ id: customerId } = await metering.customers.create(factory.customer(), ['key-1']));
    meter = await metering.meters.create(
      factory.meter({ aggregation: { kind: 'sum', value: { kind: 'property', path: '$.v' } } }),
    );
  });

  afterAll(async () => {
    await metering.close();
  });

  const quantity = async (): Promise<number> =>
    Number(await metering.usage.quantityOf(meter, customerId, WINDOW));
  const conflictOf = async (source: string, ...values: number[]): Promise<ConflictingEvent[]> => {
    for (const v of values) {
      await metering.send(factory.event({ source, id: 'a', data: { v } }));
    }
    return [...(await metering.eventsReader.listConflicts({ source, state: null }, 9, null)).items];
  };
  const rejectionOf = async (source: string, event: object = {}): Promise<RejectedEvent> => {
    await metering.send(factory.event({ source, id: 'a', subject: undefined, ...event }));
    const filter = { source, code: null, state: null };
    const { items } = await metering.eventsReader.listRejections(filter, 9, null);
    return items[0] as RejectedEvent;
  };
  const parsed = (event: unknown): { value: unknown; dialect: typeof DIALECT } => ({
    value: event,
    dialect: DIALECT,
  });

  it('takes the other body once, though many ask at once, and knows both again', async () => {
    const before = await quantity();
    const [conflict] = await conflictOf('take', 1, 20);
    const id = conflict?.id ?? '';
    const answers = await Promise.all(
      Array.from(
        { length: 8 },
        async () => await metering.repairs.resolveConflict(id, 'other', BY),
      ),
    );
    expect(new Set(answers.map(({ settlement }) => JSON.stringify(settlement))).size).toBe(1);
    expect(await quantity()).toBe(before + 20);
    for (const v of [1, 20]) {
      const again = await metering.send(factory.event({ source: 'take', id: 'a', data: { v } }));
      expect(again).toMatchObject([{ status: 'duplicate' }]);
    }
    await metering.fold.foldOnce();
    expect(await quantity()).toBe(before + 20);
    await expect(metering.repairs.resolveConflict(id, 'stored', BY)).rejects.toMatchObject({
      code: 'already_settled',
    });
  });

  it('shows beside a conflict what is stored, as it was put there last', async () => {
    const shown = async (): Promise<unknown[]> => {
      const filter = { source: 'both', state: null };
      const { items } = await metering.eventsReader.listConflicts(filter, 9, null);
      const seen = items.map(({ stored }) => [stored?.data, stored?.subject, stored?.voidedAt]);
      expect(seen).toHaveLength(2);
      expect(seen[1]).toEqual(seen[0]);
      return seen[0] ?? [];
    };
    const [latest] = await conflictOf('both', 1, 20, 300);
    await conflictOf('other', 1, 2);
    expect(await shown()).toEqual(['{"v": 1}', 'key-1', null]);
    await metering.repairs.resolveConflict(latest?.id ?? '', 'other', BY);
    expect(await shown()).toEqual(['{"v": 300}', 'key-1', null]);
    await metering.corrections.void({ source: 'both', id: 'a' }, { reason: 'wrong', by: BY });
    expect(await shown()).toEqual(['{"v": 300}', 'key-1', metering.clock.now()]);
  });

  it('leaves what counts alone when the stored body is taken, and does not ask again', async () => {
    const before = await quantity();
    const [conflict] = await conflictOf('keep', 1, 20);
    const settled = await metering.repairs.resolveConflict(conflict?.id ?? '', 'stored', BY);
    expect(settled.settlement).toMatchObject({ state: 'dismissed', by: BY });
    expect(await quantity()).toBe(before + 1);
    expect(await conflictOf('keep', 20)).toMatchObject([{ settlement: { state: 'dismissed' } }]);
  });

  it('takes one body after the other, also after the event was voided', async () => {
    const before = await quantity();
    const conflicts = await conflictOf('several', 1, 20, 300, 4_000);
    expect(conflicts).toHaveLength(3);
    const identity = { source: 'several', id: 'a' };
    for (const { id, event } of conflicts) {
      await metering.corrections.void(identity, { reason: 'a test', by: BY });
      expect(await quantity()).toBe(before);
      await metering.repairs.resolveConflict(id, 'other', BY);
      expect(await quantity()).toBe(before + (JSON.parse(event.data) as { v: number }).v);
    }
    await Promise.all([metering.fold.foldOnce(), metering.fold.foldOnce()]);
    expect(await quantity()).toBe(before + 20);
  });

  it('leaves a conflict open when it dies in the middle', async () => {
    const [conflict] = await conflictOf('cut', 1, 20);
    const before = await quantity();
    const { database } = metering.db;
    await expect(
      database.transaction(async () => {
        await metering.repairs.resolveConflict(conflict?.id ?? '', 'other', BY);
        await database.query('SELECT pg_terminate_backend(pg_backend_pid())');
      }),
    ).rejects.toThrow(/terminat/);
    expect(await conflictOf('cut')).toMatchObject([{ settlement: { state: 'open' } }]);
    expect(await quantity()).toBe(before);
  });

  it('stores a repaired event once, though many repair it at once with different events', async () => {
    const before = await quantity();
    const rejection = await rejectionOf('fixed');
    const answers = await Promise.allSettled(
      Array.from({ length: 6 }, async (_, index) => {
        const event = factory.event({ source: 'fixed', id: `fixed-${index}`, data: { v: 7 } });
        return await metering.repairs.repairRejection(rejection.id, parsed(event), BY);
      }),
    );
    const done = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
    expect(done).toHaveLength(1);
    expect(await quantity()).toBe(before + 7);
    expect(await rejectionOf('fixed')).toEqual(done[0]);
  });

  it('finds the event stored when the repair before died after storing it', async () => {
    const before = await quantity();
    const rejection = await rejectionOf('lost');
    const event = factory.event({ source: 'lost', id: 'b', data: { v: 7 } });
    const { database } = metering.db;
    await expect(
      database.transaction(async () => {
        await metering.repairs.repairRejection(rejection.id, parsed(event), BY);
        await database.query('SELECT pg_terminate_backend(pg_backend_pid())');
      }),
    ).rejects.toThrow(/terminat/);
    expect(await rejectionOf('lost')).toMatchObject({ settlement: { state: 'open' } });
    const repaired = await metering.repairs.repairRejection(rejection.id, parsed(event), BY);
    expect(repaired.became).toEqual({ source: 'lost', id: 'b' });
    expect(await quantity()).toBe(before + 7);
  });

  it('wakes those who wait for stored events outside of its transaction', async () => {
    const { database } = metering.db;
    const before = await quantity();
    const rejection = await rejectionOf('awake');
    let folding: Promise<unknown> | null = null;
    metering.eventsReader.onStored(() => {
      folding ??= metering.fold.foldOnce().then(() => {
        database.assertNoTransaction();
      });
    });
    const event = factory.event({ source: 'awake', id: 'b', data: { v: 7 } });
    await metering.repairs.repairRejection(rejection.id, parsed(event), BY);
    await expect(folding).resolves.toBeUndefined();
    expect(await quantity()).toBe(before + 7);
  });

  it('judges the age of a repaired event as of when the refused one came', async () => {
    const rejection = await rejectionOf('old');
    metering.clock.advance(40 * 86_400_000);
    const { time: _, ...event } = factory.event({ source: 'old', id: 'old' });
    await metering.repairs.repairRejection(rejection.id, parsed(event), BY);
    const [row] = await metering.db.database.query<{ time: Date }>(
      `SELECT time FROM usage_events WHERE source = 'old'`,
    );
    expect(row?.time).toEqual(rejection.receivedAt);
    const late = await rejectionOf('late', { time: metering.clock.now().toISOString() });
    const older = factory.event({ source: 'late', id: 'late', time: '2026-11-10T10:20:30Z' });
    await expect(
      metering.repairs.repairRejection(late.id, parsed(older), BY),
    ).rejects.toMatchObject({ errors: [{ field: 'event', code: 'time_too_old' }] });
  });
});
