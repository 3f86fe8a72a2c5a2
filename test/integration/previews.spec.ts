/*
 * Aim: a preview equals a brute-force count of both sides, by customer and of what nobody owns.
 * Method: random events, some voided, replaced or not folded yet; the oracle knows nothing of SQL.
 */
import fc from 'fast-check';
import { Client } from 'pg';
import { formatDecimal } from '../../src/kernel/decimal.js';
import { type Interval } from '../../src/kernel/interval.js';
import { type MeterDefinition } from '../../src/meters/meter-definition.js';
import { type Aggregation, type Meter, type MeterFilter } from '../../src/meters/meter.js';
import { type Comparison, differenceOf } from '../../src/usage/previews/preview.js';
import { testConfig } from '../support/config.js';
import { factory } from '../support/factory.js';
import { type Metering, startMetering } from '../support/metering.js';
import {
  isWithin,
  numberOf,
  type OracleEvent,
  type OracleMeter,
  type Ownership,
  quantities,
} from '../support/usage-oracle.js';

const NOW = new Date('2026-11-09T13:00:00Z');
const NOTE = { reason: 'a test', by: 'key_test' };
const SOURCE = 'preview';
const SUBJECTS = ['s1', 's2', 's3', 's4', 's5'];
const HANDED_OVER_AT = new Date('2026-11-09T10:30:00Z');
const OWNED: readonly Ownership[] = [
  { subject: 's1', customer: 'a', from: null, to: null },
  { subject: 's2', customer: 'a', from: null, to: null },
  { subject: 's3', customer: 'a', from: null, to: HANDED_OVER_AT },
  { subject: 's3', customer: 'b', from: HANDED_OVER_AT, to: null },
  { subject: 's5', customer: 'b', from: HANDED_OVER_AT, to: null },
];
const UNOWNED: readonly Ownership[] = [
  { subject: 's4', customer: '', from: null, to: null },
  { subject: 's5', customer: '', from: null, to: HANDED_OVER_AT },
];
const EVERYBODY = [...OWNED, ...UNOWNED];
const WINDOWS: readonly Interval[] = [
  { start: new Date('2026-11-09T00:00:00Z'), end: new Date('2026-11-10T00:00:00Z') },
  { start: new Date('2026-11-09T09:20:00Z'), end: new Date('2026-11-09T10:45:00.5Z') },
  // Hardly any event is in it, but levels are.
  { start: new Date('2026-11-09T10:15:00Z'), end: new Date('2026-11-09T10:15:00.5Z') },
];
const VALUE = { kind: 'property', path: '$.v' } as const;
const BELOW_500: readonly MeterFilter[] = [{ property: '$.status', op: 'lt', value: 500 }];
const AGGREGATIONS: readonly Aggregation[] = [
  { kind: 'count' },
  ...(['sum', 'min', 'max', 'avg', 'latest', 'time_weighted_sum'] as const).map((kind) => ({
    kind,
    value: VALUE,
  })),
  { kind: 'unique_count', property: '$.v' },
  { kind: 'percentile', value: VALUE, percentile: '62.5' },
];

const sent = fc.record({
  subject: fc.constantFrom(...SUBJECTS),
  type: fc.constantFrom('api.request', 'api.request', 'other'),
  time: fc
    .integer({ min: Date.parse('2026-11-09T08:00:00Z'), max: NOW.getTime() })
    .map((ms) => new Date(ms).toISOString()),
  data: fc.record({
    v: fc.oneof(
      fc.integer({ min: -1_000, max: 1_000 }),
      fc.constantFrom('0.1', '12345678901234567890.5', 'many', null, undefined),
    ),
    status: fc.constantFrom(200, 404, 500),
  }),
}) as fc.Arbitrary<OracleEvent>;

const counted = (meter: Pick<Meter, 'aggregation' | 'filters'>): OracleMeter => ({
  kind: meter.aggregation.kind,
  ...(meter.aggregation.kind === 'percentile' ? { percentile: meter.aggregation.percentile } : {}),
  groupOf: () => '',
  numberOf: ({ data }) => numberOf(data.v),
  matches: ({ type, data }) =>
    type === 'api.request' && (meter.filters.length === 0 || data.status < 500),
});

const isBad = ({ kind }: Aggregation, { data: { v } }: OracleEvent): boolean =>
  kind !== 'count' &&
  (kind === 'unique_count' ? v === undefined || v === null : numberOf(v) === null);

describe('a preview', () => {
  let metering: Metering;
  let customers: Record<string, string>;
  const standing = new Map<string, OracleEvent>();

  beforeAll(async () => {
    metering = await startMetering(NOW.toISOString());
    const a = await metering.customers.create(factory.customer({ key: 'a' }), ['s1', 's2', 's3']);
    const b = await metering.customers.create(factory.customer({ key: 'b' }), []);
    await metering.customers.assignSubject('b', 's3', HANDED_OVER_AT);
    await metering.customers.assignSubject('b', 's5', HANDED_OVER_AT);
    customers = { a: a.id, b: b.id };
    await send(fc.sample(sent, 150));
    await metering.fold.foldOnce();
    await send(fc.sample(sent, 150));
    const bodies = fc.sample(sent, 40);
    for (const [index, [id, body]] of [...standing].entries()) {
      const other = bodies[index % bodies.length] as OracleEvent;
      if (index % 6 === 0) {
        await correct(id, index % 12 === 0 ? null : other);
      }
      if (index % 24 === 0) {
        // Void, and then as it was.
        await correct(id, body);
      }
    }
  });

  afterAll(async () => {
    await metering.close();
  });

  const send = async (events: OracleEvent[]): Promise<void> => {
    const named = events.map((body) => [`p${standing.size + events.indexOf(body)}`, body] as const);
    await metering.send(named.map(([id, body]) => factory.event({ ...body, id, source: SOURCE })));
    named.forEach(([id, body]) => standing.set(id, body));
  };

  const correct = async (id: string, body: OracleEvent | null): Promise<void> => {
    const identity = { source: SOURCE, id };
    if (body === null) {
      await metering.corrections.void(identity, NOTE);
      standing.delete(id);
      return;
    }
    const { type, subject, time } = body;
    const data = JSON.stringify(body.data);
    const next = { ...identity, type, subject, time, data, extensions: null };
    await metering.corrections.replace(identity, () => next, NOTE);
    standing.set(id, body);
  };

  const expected = (
    meter: Pick<Meter, 'aggregation' | 'filters'>,
    owned: readonly Ownership[],
    window: Interval,
  ): string | undefined => {
    const isCut = meter.aggregation.kind === 'time_weighted_sum' && window.end > NOW;
    const until = { start: window.start, end: isCut ? NOW : window.end };
    return quantities(counted(meter), [...standing.values()], owned, until)[''];
  };

  const both = ({ quantity, comparedQuantity }: Comparison): (string | null)[] => [
    formatDecimal(quantity),
    comparedQuantity === null ? null : formatDecimal(comparedQuantity),
  ];

  const ownedBy = (customer: string): Ownership[] =>
    OWNED.filter((span) => span.customer === customer);

  it.each(AGGREGATIONS.map((aggregation) => [aggregation.kind, aggregation] as const))(
    'counts a %s of both sides as brute force does',
    async (_, aggregation) => {
      const definition: MeterDefinition = factory.meter({ aggregation, filters: BELOW_500 });
      const stored = await metering.meters.create(factory.meter({ aggregation }));
      for (const window of WINDOWS) {
        const preview = await metering.previews.preview({
          ...{ definition, window, compareWith: stored.key, customer: null },
        });
        const sides = (owned: readonly Ownership[]): string[] =>
          [definition, stored].map((meter) => expected(meter, owned, window) ?? '0');
        const byCustomer = Object.entries(customers)
          .filter(([key]) => expected(stored, ownedBy(key), window) !== undefined)
          .map(([key, id]) => [id, sides(ownedBy(key))] as const);
        expect(new Map(preview.listed.map((one) => [one.customerId, both(one)]))).toEqual(
          new Map(byCustomer),
        );
        expect(preview.unattributed && both(preview.unattributed)).toEqual(sides(UNOWNED));
        const matching = [...standing].filter(
          ([, event]) => counted(definition).matches(event) && isWithin(event, EVERYBODY, window),
        );
        const bad = matching.filter(([, event]) => isBad(aggregation, event));
        expect(preview.events).toEqual({
          matched: BigInt(matching.length),
          bad: BigInt(bad.length),
        });
        const first = bad
          .toSorted(([left, one], [right, other]) =>
            `${one.time} ${left}` < `${other.time} ${right}` ? -1 : 1,
          )
          .slice(0, 20);
        expect(preview.badValues.map(({ eventId }) => eventId)).toEqual(first.map(([id]) => id));
      }
    },
  );

  it('counts one customer alone, without what nobody owns', async () => {
    const definition = factory.meter({ aggregation: { kind: 'sum', value: VALUE } });
    const [window] = WINDOWS as [Interval];
    const preview = await metering.previews.preview({
      ...{ definition, window, compareWith: null, customer: 'b' },
    });
    const owned = ownedBy('b');
    const matching = [...standing.values()].filter(
      (event) => counted(definition).matches(event) && isWithin(event, owned, window),
    );
    expect(preview).toMatchObject({ unattributed: null, customerCount: 1 });
    expect(preview.listed.map(both)).toEqual([[expected(definition, owned, window), null]]);
    expect(preview.events.matched).toBe(BigInt(matching.length));
  });

  it('stores nothing, and sees both sides at one moment while events come and are folded', async () => {
    const [window] = WINDOWS as [Interval];
    const stored = await metering.meters.create(factory.meter());
    const done = new AbortController();
    const sending = (async () => {
      while (!done.signal.aborted) {
        await send(fc.sample(sent, 30));
        await metering.fold.foldOnce();
        await metering.fold.backfillOnce();
      }
    })();
    const before = await metering.db.database.query('SELECT id FROM meters ORDER BY id');
    for (let round = 0; round < 30; round += 1) {
      const preview = await metering.previews.preview({
        ...{ definition: factory.meter(), window, compareWith: stored.id, customer: null },
      });
      const { total, unattributed, events } = preview;
      expect(formatDecimal(differenceOf(total) ?? total.quantity)).toBe('0');
      const all = total.quantity.plus(unattributed?.quantity ?? 0);
      expect(formatDecimal(all)).toBe(events.matched.toString());
    }
    done.abort();
    await sending;
    expect(await metering.db.database.query('SELECT id FROM meters ORDER BY id')).toEqual(before);
  });

  it('lists the thousand largest differences first, and sums up all', async () => {
    const { database } = metering.db;
    await database.query(
      `INSERT INTO customers (id, key, name, currency, time_zone, metadata, created_at, updated_at)
       SELECT 'cus_' || n, 'many-' || n, 'Many', 'usd', 'UTC', '{}', $1, $1
       FROM generate_series(1, 1005) AS n`,
      [NOW],
    );
    await database.query(
      `INSERT INTO customer_subjects (subject, customer_id, starts_at, ends_at, created_at)
       SELECT 'many-' || n, 'cus_' || n, '-infinity', 'infinity', $1
       FROM generate_series(1, 1005) AS n`,
      [NOW],
    );
    const numbers = Array.from({ length: 1_005 }, (_, index) => index + 1);
    await metering.send(
      numbers.map((v) =>
        factory.event({
          ...{ type: 'many', subject: `many-${v}`, time: '2026-11-09T09:00:00Z' },
          data: { v: v % 2 === 0 ? v : -v },
        }),
      ),
    );
    const aggregation: Aggregation = { kind: 'sum', value: VALUE };
    const definition = factory.meter({ eventType: 'many', aggregation });
    const [window] = WINDOWS as [Interval];
    const preview = await metering.previews.preview({
      ...{ definition, window, compareWith: null, customer: null },
    });
    expect(preview.customerCount).toBe(1_005);
    expect(preview.listed).toHaveLength(1_000);
    expect(preview.listed.slice(0, 2).map(both)).toEqual([
      ['-1005', null],
      ['1004', null],
    ]);
    expect(preview.listed.at(-1)?.quantity.toFixed()).toBe('6');
    expect(both(preview.total)).toEqual(['-503', null]);
  });
});

describe('a preview of too much', () => {
  it('ends with a refusal, and leaves nothing behind', async () => {
    const metering = await startMetering(
      NOW.toISOString(),
      testConfig({ PREVIEW_TIMEOUT_MS: '1000' }),
    );
    const [window] = WINDOWS as [Interval];
    const preview = async (): Promise<unknown> =>
      await metering.previews.preview({
        ...{ definition: factory.meter(), window, compareWith: null, customer: null },
      });
    const holder = new Client({ connectionString: metering.db.url });
    await holder.connect();
    // As a scan that has no end.
    await holder.query('BEGIN; LOCK TABLE usage_corrections IN ACCESS EXCLUSIVE MODE');
    await expect(preview()).rejects.toMatchObject({ kind: 'invalid', code: 'too_much' });
    await holder.end();
    await expect(preview()).resolves.toMatchObject({ customerCount: 0 });
    await metering.close();
  });
});
