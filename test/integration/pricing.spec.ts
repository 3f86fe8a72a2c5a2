import { ClosingService } from '../../src/billing/periods/closing.service.js';
import { EventsService } from '../../src/events/events.service.js';
import { type Aggregation } from '../../src/meters/meter.js';
import { MetersService } from '../../src/meters/meters.service.js';
import { PlansReader } from '../../src/pricing/plans.reader.js';
import { type NewPrice } from '../../src/pricing/price-rules.js';
import { readUsageTerms, type TermsText } from '../../src/pricing/price-terms.js';
import { FillPriceDefinitions1763700000071 } from '../../migrations/1763700000071-fill-price-definitions.js';
import { flat, perUnit, startBilling, type TestBilling } from '../support/billing.js';
import { factory } from '../support/factory.js';

const VALUE = { kind: 'property', path: '$.v' } as const;

describe('prices', () => {
  let billing: TestBilling;

  beforeEach(async () => {
    billing = await startBilling('2026-11-10T12:00:00Z');
  });

  afterEach(async () => {
    await billing.close();
  });

  const lines = async (): Promise<unknown[]> =>
    (
      await billing.rows(
        `SELECT price.key, item.kind, item.quantity, item.amount_minor FROM line_items AS item
         JOIN prices AS price ON price.id = item.price_id ORDER BY price.position`,
      )
    ).map((row) => [row['key'], row['kind'], row['quantity'], row['amount_minor']]);
  const priced = (meter: string, key: string, terms: TermsText): NewPrice => ({
    ...{ key, meter },
    ...readUsageTerms('per_unit', { unit_price: '1', ...terms }),
  });

  describe('by group', () => {
    const AGGREGATIONS: readonly (readonly [
      Aggregation,
      eu: string,
      us: string,
      rest: string,
      all: string,
    ])[] = [
      [{ kind: 'count' }, '3', '1', '3', '7'],
      [{ kind: 'sum', value: VALUE }, '9', '5', '17', '31'],
      // A value that two groups of the rest have in common counts once, which no sum over groups does.
      [{ kind: 'unique_count', property: '$.v' }, '2', '1', '2', '4'],
      [{ kind: 'max', value: VALUE }, '4', '5', '7', '7'],
      [{ kind: 'avg', value: VALUE }, '3', '5', '5.666666666667', '4.428571428571'],
      [{ kind: 'percentile', value: VALUE, percentile: '50' }, '4', '5', '5', '5'],
    ];
    const EVENTS = [
      [{ region: 'eu' }, 1],
      [{ region: 'eu' }, 4],
      [{ region: 'eu' }, 4],
      [{ region: 'us' }, 5],
      [{ region: 'ap' }, 5],
      [{ region: 'sa' }, 5],
      [{}, 7],
    ] as const;

    it.each(AGGREGATIONS)('take all usage once, of %j', async (aggregation, ...expected) => {
      await billing.get(MetersService).create(
        factory.meter({
          ...{ key: 'by-region', aggregation },
          groupBy: [
            { key: 'region', property: '$.region' },
            { key: 'zone', property: '$.zone' },
          ],
        }),
      );
      const customer = await billing.customer();
      const events = EVENTS.map(([groups, v]) =>
        factory.event({
          ...{ subject: customer.key, time: '2026-11-20T00:00:00Z' },
          data: { ...groups, v },
        }),
      );
      billing.clock.set('2026-11-20T01:00:00Z');
      await billing.get(EventsService).ingest(Buffer.from(JSON.stringify(events)), {});
      const [eu, us, rest, all] = expected;
      const plan = await billing.plan([
        priced('by-region', 'us', { match: { region: 'us' } }),
        priced('by-region', 'rest', {}),
        priced('by-region', 'eu', { match: { region: 'eu' } }),
      ]);
      await billing.subscribe(customer, plan, { startsAt: new Date('2026-11-01T00:00:00Z') });
      const whole = await billing.plan([priced('by-region', 'all', {})]);
      await billing.subscribe(customer, whole, { startsAt: new Date('2026-11-01T00:00:00Z') });
      billing.clock.set('2026-12-01T01:00:00Z');
      expect(await billing.closeAllDue()).toBe(2);
      expect(
        Object.fromEntries(
          (await lines()).map((line) => [(line as unknown[])[0], (line as unknown[])[2]]),
        ),
      ).toEqual({ eu, us, rest, all });
    });
  });

  it('by two groups match only what has both values', async () => {
    await billing.get(MetersService).create(
      factory.meter({
        key: 'by-two',
        groupBy: [
          { key: 'model', property: '$.model' },
          { key: 'side', property: '$.side' },
        ],
      }),
    );
    const customer = await billing.customer();
    const datas = [{ model: 'a', side: 'in' }, { model: 'a', side: 'out' }, { model: 'a' }, {}];
    const events = datas.map((data) =>
      factory.event({ subject: customer.key, time: '2026-11-10T12:00:00Z', data }),
    );
    await billing.get(EventsService).ingest(Buffer.from(JSON.stringify(events)), {});
    const plan = await billing.plan([
      priced('by-two', 'a-in', { match: { side: 'in', model: 'a' } }),
      priced('by-two', 'rest', {}),
    ]);
    await billing.subscribe(customer, plan, { startsAt: new Date('2026-11-01T00:00:00Z') });
    billing.clock.set('2026-12-01T01:00:00Z');
    await billing.closeAllDue();
    expect(await lines()).toEqual([
      ['a-in', 'usage', '1', '100'],
      ['rest', 'usage', '3', '300'],
    ]);
  });

  describe('of before', () => {
    const forget = async (): Promise<void> => {
      await billing.rows(`UPDATE prices SET definition = NULL`);
    };

    it('read the same, with and without their data migrated', async () => {
      const { latest } = await billing.plan([flat('49.50'), perUnit('0.0004')]);
      const reader = billing.get(PlansReader);
      const read = async (): Promise<unknown> => await reader.version(latest.id);
      expect(await read()).toEqual(latest);
      await forget();
      expect(await read()).toEqual(latest);

      const runner = billing.db.database;
      const migration = new FillPriceDefinitions1763700000071();
      const query = { query: async (sql: string) => await runner.query(sql) };
      await migration.up(query as unknown as Parameters<typeof migration.up>[0]);
      expect(await billing.rows(`SELECT definition FROM prices ORDER BY position`)).toEqual([
        { definition: { amount: '49.5' } },
        { definition: { unit_price: '0.0004' } },
      ]);
      expect(await read()).toEqual(latest);
    });

    it('are still written for a version of the program that knows no definitions', async () => {
      await billing.plan([flat('49.50'), perUnit('0.0004')]);
      expect(await billing.rows(`SELECT amount, unit_price FROM prices ORDER BY position`)).toEqual(
        [
          { amount: '49.5', unit_price: null },
          { amount: null, unit_price: '0.0004' },
        ],
      );
    });

    it('are charged as they were', async () => {
      const customer = await billing.customer();
      await billing.use(customer.key, '2026-11-10T12:00:00Z', ['123456']);
      await billing.subscribe(customer, await billing.plan([flat('49.50'), perUnit('0.0004')]));
      await forget();
      billing.clock.set('2026-12-01T01:00:00Z');
      expect(await billing.get(ClosingService).closeDue()).toBe(1);
      expect(await lines()).toEqual([
        ['base', 'flat', null, '4950'],
        ['used', 'usage', '123456', '4938'],
      ]);
    });
  });
});
