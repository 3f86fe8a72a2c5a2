/*
 * Aim: a value that a meter could not read is open exactly as long as the body that holds it counts.
 * Method: repairs, voids, conflicts and folds of one event in several orders, on a real database.
 */
import { type Meter } from '../../src/meters/meter.js';
import { type QuarantinedValue } from '../../src/usage/quarantined-value.js';
import { factory } from '../support/factory.js';
import { type Metering, startMetering } from '../support/metering.js';

const WINDOW = { start: new Date('2026-11-10T00:00:00Z'), end: new Date('2026-11-11T00:00:00Z') };
const BY = 'key_test';
const NOTE = { reason: 'a test', by: BY };

describe('quarantine', () => {
  let metering: Metering;
  let customerId: string;
  let bytes: Meter;
  let seconds: Meter;

  beforeAll(async () => {
    metering = await startMetering();
    ({ id: customerId } = await metering.customers.create(factory.customer(), ['key-1']));
    const sum = async (path: string): Promise<Meter> =>
      await metering.meters.create(
        factory.meter({ aggregation: { kind: 'sum', value: { kind: 'property', path } } }),
      );
    bytes = await sum('$.bytes');
    seconds = await sum('$.time.s');
  });

  afterAll(async () => {
    await metering.close();
  });

  const used = async (meter: Meter): Promise<number> =>
    Number(await metering.usage.quantityOf(meter, customerId, WINDOW));
  const fold = async (): Promise<void> => {
    while ((await metering.fold.foldOnce()) + (await metering.fold.backfillOnce()) > 0) {
      // Until nothing is pending.
    }
  };
  const send = async (source: string, data: object): Promise<void> => {
    await metering.send(factory.event({ source, id: 'a', data }));
  };
  const valuesOf = async (
    source: string,
    meter = bytes,
  ): Promise<Pick<QuarantinedValue, 'id' | 'settlement'>[]> => {
    const request = { meter: meter.id, source, reason: null, state: null };
    return [...(await metering.quarantine.list(request, 10, null)).items];
  };
  const stateOf = async (source: string, meter = bytes): Promise<string | undefined> =>
    (await valuesOf(source, meter))[0]?.settlement.state;
  const idOf = async (source: string, meter = bytes): Promise<string> =>
    (await valuesOf(source, meter))[0]?.id ?? '';

  it('counts a repaired value once, though many repair it at once, for that meter only', async () => {
    const [before, other] = [await used(bytes), await used(seconds)];
    await send('once', { bytes: 'many' });
    await fold();
    const id = await idOf('once');
    const answers = await Promise.allSettled(
      Array.from({ length: 6 }, async (_, index) => {
        const given = 10 + index;
        return await metering.quarantine.repair(id, { field: 'value', given }, BY);
      }),
    );
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await stateOf('once')).toBe('repaired');
    const counted = await used(bytes);
    expect(counted - before).toBeGreaterThanOrEqual(10);
    expect(await used(seconds)).toBe(other);
    await fold();
    expect(await used(bytes)).toBe(counted);
    expect(await stateOf('once')).toBe('repaired');
    expect(await stateOf('once', seconds)).toBe('open');
    await metering.quarantine.repair(await idOf('once', seconds), { field: 'value', given: 3 }, BY);
    await fold();
    expect(await used(seconds)).toBe(other + 3);
    expect(await used(bytes)).toBe(counted);
  });

  it('refuses what the meter cannot read either, and leaves it open', async () => {
    await send('unreadable', {});
    await fold();
    const id = await idOf('unreadable');
    const before = await used(bytes);
    for (const given of [null, 'much', '1e3', '0.1234567890123', {}, '']) {
      await expect(
        metering.quarantine.repair(id, { field: 'value', given }, BY),
      ).rejects.toMatchObject({ errors: [{ field: 'value', code: 'not_readable' }] });
    }
    expect(await stateOf('unreadable')).toBe('open');
    expect(await used(bytes)).toBe(before);
  });

  it('is dismissed with its event, whichever is folded first', async () => {
    await send('void late', { bytes: 'x' });
    await fold();
    await metering.corrections.void({ source: 'void late', id: 'a' }, NOTE);
    expect(await stateOf('void late')).toBe('dismissed');
    await send('void early', { bytes: 'x' });
    await metering.corrections.void({ source: 'void early', id: 'a' }, NOTE);
    await fold();
    expect(await stateOf('void late')).toBe('dismissed');
    expect(await stateOf('void early')).toBe('dismissed');
    const repair = { field: 'value', given: 1 } as const;
    await expect(
      metering.quarantine.repair(await idOf('void early'), repair, BY),
    ).rejects.toMatchObject({ code: 'already_settled' });
  });

  it('opens again when what takes the place of the event cannot be read either', async () => {
    await send('worse', { bytes: 'x' });
    await fold();
    await metering.quarantine.dismiss(await idOf('worse'), 'nothing to see', BY);
    expect(await valuesOf('worse')).toMatchObject([
      { settlement: { state: 'dismissed', by: BY, reason: 'nothing to see' } },
    ]);
    await send('worse', { bytes: 'y' });
    const filter = { source: 'worse', state: null };
    const { items } = await metering.eventsReader.listConflicts(filter, 1, null);
    await metering.repairs.resolveConflict(items[0]?.id ?? '', 'other', BY);
    await fold();
    expect(await valuesOf('worse')).toMatchObject([
      { value: '"y"', settlement: { state: 'open' } },
    ]);
    const before = await used(bytes);
    const data = { bytes: '5' };
    await metering.quarantine.repair(await idOf('worse'), { field: 'data', given: data }, BY);
    await fold();
    expect(await used(bytes)).toBe(before + 5);
    expect(await stateOf('worse')).toBe('repaired');
  });

  it('shows a new meter the body that counts, of an event that was replaced before', async () => {
    await send('history', { bytes: 'x', late: 'x' });
    await fold();
    const repair = { field: 'data', given: { bytes: 1, late: 'y' } } as const;
    await metering.quarantine.repair(await idOf('history'), repair, BY);
    await fold();
    const late = await metering.meters.create(
      factory.meter({ aggregation: { kind: 'sum', value: { kind: 'property', path: '$.late' } } }),
    );
    await fold();
    expect(await valuesOf('history', late)).toMatchObject([
      { value: '"y"', reason: 'not_a_number', settlement: { state: 'open' } },
    ]);
  });

  it('puts aside what a meter with groups, an expression or unique values cannot read', async () => {
    const groupBy = [{ key: 'region', property: '$.region' }];
    const [computed, unique] = await Promise.all([
      metering.meters.create(
        factory.meter({
          ...{ groupBy, eventType: 'computed' },
          aggregation: { kind: 'sum', value: { kind: 'expression', text: 'a * default(b, 2)' } },
        }),
      ),
      metering.meters.create(
        factory.meter({
          ...{ groupBy, eventType: 'computed' },
          aggregation: { kind: 'unique_count', property: '$.user' },
        }),
      ),
    ]);
    const data = { a: 'many', user: ['u'], region: 'eu' };
    await metering.send(factory.event({ source: 'computed', id: 'a', type: 'computed', data }));
    await fold();
    const request = { source: 'computed', reason: null, state: null };
    const { items } = await metering.quarantine.list({ ...request, meter: computed.id }, 9, null);
    expect(items).toMatchObject([
      { reason: 'not_a_number', value: '{"$.a": "many", "$.b": null}' },
    ]);
    expect(await valuesOf('computed', unique)).toMatchObject([
      { reason: 'not_a_value', value: '["u"]' },
    ]);
    const id = items[0]?.id ?? '';
    await expect(
      metering.quarantine.repair(id, { field: 'value', given: 4 }, BY),
    ).rejects.toMatchObject({ errors: [{ field: 'value', code: 'no_place' }] });
    const given = { a: 4, user: 'u' };
    await metering.quarantine.repair(id, { field: 'data', given }, BY);
    expect(await used(computed)).toBe(8);
    expect(await stateOf('computed', unique)).toBe('repaired');
  });

  it('stays open when a repair dies in the middle', async () => {
    await send('cut', { bytes: 'x' });
    await fold();
    const before = await used(bytes);
    const { database } = metering.db;
    const id = await idOf('cut');
    await expect(
      database.transaction(async () => {
        await metering.quarantine.repair(id, { field: 'value', given: 9 }, BY);
        await database.query('SELECT pg_terminate_backend(pg_backend_pid())');
      }),
    ).rejects.toThrow(/terminat/);
    expect(await stateOf('cut')).toBe('open');
    expect(await used(bytes)).toBe(before);
  });
});
