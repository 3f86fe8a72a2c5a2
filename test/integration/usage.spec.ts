/*
 * Aim: the usage read equals a brute-force count, whatever was folded, voided or replaced when.
 * Method: random events, meters and windows; the oracle knows nothing of SQL, rollups or batches.
 */
import { Big } from 'big.js';
import fc from 'fast-check';
import { type Interval } from '../../src/kernel/interval.js';
import { type Aggregation, type Meter } from '../../src/meters/meter.js';
import { readCursor } from '../../src/platform/http/page.js';
import { type UsageQuestion } from '../../src/usage/usage.sql.js';
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

type Sent = OracleEvent;

/** What an event counts now; null when it is void. */
interface Counted {
  readonly id: string;
  body: Sent | null;
}

const SOURCE = 'usage';
const NOTE = { reason: 'a test', by: 'key_test' };
const SUBJECTS = ['s1', 's2', 's3', 's4', 's5'];
const HANDED_OVER_AT = new Date('2026-11-09T10:30:00Z');
const OWNED_FROM = new Date('2026-11-09T09:45:10.500Z');
const COUNTS_FROM = new Date('2026-11-09T09:20:00.250Z');
const OWNED: readonly Ownership[] = [
  { subject: 's1', customer: 'a', from: null, to: null },
  { subject: 's2', customer: 'a', from: null, to: null },
  { subject: 's3', customer: 'a', from: null, to: HANDED_OVER_AT },
  { subject: 's3', customer: 'b', from: HANDED_OVER_AT, to: null },
  { subject: 's4', customer: 'a', from: OWNED_FROM, to: null },
  { subject: 's5', customer: 'b', from: HANDED_OVER_AT, to: null },
];
/** Stands for all customers together. */
const EVERYBODY = 'everybody';
const ALWAYS = { start: new Date(0), end: new Date('2100-01-01') };

const ALL = { source: null, state: null };

/** What belongs to nobody: how many, the first and last time, and the types, by subject. */
function unowned(events: Sent[]): unknown[] {
  return SUBJECTS.flatMap((subject) => {
    const mine = events.filter(
      (event) => event.subject === subject && !isWithin(event, OWNED, ALWAYS),
    );
    const times = mine.map((event) => event.time).toSorted();
    const types = [...new Set(mine.map((event) => event.type))].toSorted();
    const [firstTime, lastTime] = [times[0], times.at(-1)];
    const settlement = { state: 'open' };
    const figures = { eventCount: mine.length, firstTime, lastTime, types, settlement };
    return mine.length === 0 ? [] : [{ subject, source: SOURCE, ...figures }];
  });
}

const VALUE = { kind: 'property', path: '$.v' } as const;
const EXPRESSION = { kind: 'expression', text: '2 * v - default(w, 1.5) / 8' } as const;
const GROUPED = [
  { key: 'plan', property: '$.plan' },
  { key: 'region', property: '$.region' },
];
const AGGREGATIONS: readonly Aggregation[] = [
  { kind: 'count' },
  ...(['sum', 'min', 'max', 'avg', 'latest', 'time_weighted_sum'] as const).map((kind) => ({
    kind,
    value: VALUE,
  })),
  { kind: 'unique_count', property: '$.v' },
  { kind: 'percentile', value: VALUE, percentile: '62.5' },
];

/** What a meter has that is made later. */
const LATER: Partial<Meter> = {
  filters: [
    { property: '$.status', op: 'lt', value: 500 },
    {
      any: [
        { property: '$.plan', op: 'exists', value: false },
        {
          all: [
            { property: '$.plan', op: 'in', value: ['null', 'a'] },
            { property: '$.region', op: 'ne', value: 'us' },
          ],
        },
      ],
    },
  ],
  countsFrom: COUNTS_FROM,
};

function isOfLater({ time, data: { status, plan, region } }: Sent): boolean {
  const isAny = plan === undefined || (['null', 'a'].includes(plan) && region !== 'us');
  return status < 500 && isAny && new Date(time) >= COUNTS_FROM;
}

/** What EXPRESSION comes to. */
function computed({ data: { v, w } }: Sent): Big | null {
  const number = numberOf(v);
  const result = number?.times(2).minus(new Big(w ?? '1.5').times('0.125')) ?? null;
  return result === null || result.abs().gte('1e26') ? null : result;
}

/** As `{"a","b"}` and null alike are different from the text "null". */
const keyOf = (groups: readonly unknown[]): string => JSON.stringify(groups);

/** The same meter for the oracle. */
function oracleMeter({ aggregation, groupBy, filters, eventType }: Meter): OracleMeter {
  const isComputed = 'value' in aggregation && aggregation.value.kind === 'expression';
  return {
    kind: aggregation.kind,
    ...(aggregation.kind === 'percentile' ? { percentile: aggregation.percentile } : {}),
    groupOf: ({ data: { plan, region } }) =>
      keyOf(groupBy.length === 0 ? [] : [plan ?? null, region ?? null]),
    numberOf: (event) => (isComputed ? computed(event) : numberOf(event.data.v)),
    matches: (event) => event.type === eventType && (filters.length === 0 || isOfLater(event)),
  };
}

function expected(
  meter: Meter,
  customer: string,
  window: Interval,
  events: Sent[],
): Record<string, string> {
  const owned = OWNED.filter((span) => customer === EVERYBODY || span.customer === customer);
  // A level is counted up to the moment of reading.
  const isCut = meter.aggregation.kind === 'time_weighted_sum' && window.end > NOW;
  const end = isCut ? NOW : window.end;
  return quantities(oracleMeter(meter), events, owned, { start: window.start, end });
}

const NOW = new Date('2026-11-09T13:00:00Z');
const at = fc
  .integer({ min: Date.parse('2026-11-09T08:00:00Z'), max: Date.parse('2026-11-09T13:00:00Z') })
  .map((ms) => new Date(ms));
/** Instants around which windows and owners change. */
const boundary = fc.constantFrom(
  ...['09:00:00.000', '10:00:00.000', '10:29:59.999', '10:30:00.000', '11:00:00.000'].map(
    (time) => new Date(`2026-11-09T${time}Z`),
  ),
);
const time = fc.oneof(at, boundary);
/** With microseconds, which no Date has. */
const timeText = fc
  .tuple(time, fc.constantFrom('000Z', '000Z', '001Z', '999Z'))
  .map(([instant, micros]) => instant.toISOString().replace('Z', micros));
const value = fc.oneof(
  fc.integer({ min: -1_000, max: 1_000 }),
  fc.constantFrom(
    '0.1',
    '0.2',
    '12345678901234567890.5',
    '-0.000000000001',
    '99999999999999999999999999.999999999999',
    '-99999999999999999999999999.999999999999',
    '-0',
    'many',
    null,
    undefined,
  ),
);
const sent: fc.Arbitrary<Sent> = fc.record({
  subject: fc.constantFrom(...SUBJECTS),
  type: fc.constantFrom('api.request', 'other'),
  time: timeText,
  data: fc.record({
    v: value,
    w: fc.constantFrom(0, 3, -0.25, undefined),
    region: fc.constantFrom('eu', 'us', 'null', '', null, undefined),
    plan: fc.constantFrom('a', '{"b\\,', 'null', undefined),
    status: fc.constantFrom(200, 404, 500),
  }) as fc.Arbitrary<Sent['data']>,
});

describe('usage', () => {
  let metering: Metering;
  let customers: Record<string, string>;
  let meters: Meter[];
  const all: Counted[] = [];
  const standing = (): Sent[] => all.flatMap(({ body }) => (body === null ? [] : [body]));
  let serial = 0;

  beforeAll(async () => {
    metering = await startMetering('2026-11-09T13:00:00Z');
    const a = await metering.customers.create(factory.customer({ key: 'a' }), ['s1', 's2', 's3']);
    const b = await metering.customers.create(factory.customer({ key: 'b' }), []);
    await metering.customers.assignSubject('b', 's3', HANDED_OVER_AT);
    await metering.customers.assignSubject('a', 's4', OWNED_FROM);
    await metering.customers.assignSubject('b', 's5', HANDED_OVER_AT);
    customers = { a: a.id, b: b.id };
    meters = [];
    for (const aggregation of AGGREGATIONS) {
      meters.push(await metering.meters.create(factory.meter({ aggregation })));
      const computing =
        'value' in aggregation ? { ...aggregation, value: EXPRESSION } : aggregation;
      const grouped = factory.meter({ aggregation: computing, groupBy: GROUPED });
      meters.push(await metering.meters.create(grouped));
    }
  });

  afterAll(async () => {
    await metering.close();
  });

  const send = async (events: Sent[]): Promise<void> => {
    const counted = events.map((body) => ({ id: `u${(serial += 1)}`, body }));
    await metering.send(
      counted.map(({ id, body }) => factory.event({ ...body, id, source: SOURCE })),
    );
    all.push(...counted);
  };

  /** What is sent again counts nothing more, though it is stamped with another time then. */
  const sendAgain = async (picks: readonly number[]): Promise<void> => {
    const known = picks.flatMap((pick) => all[pick % Math.max(1, all.length)] ?? []);
    const bodies = known.flatMap(({ id, body }) =>
      body === null ? [] : factory.event({ ...body, id, source: SOURCE, time: NOW.toISOString() }),
    );
    const receipts = await metering.send(bodies);
    expect(receipts.every(({ status }) => status === 'duplicate')).toBe(true);
  };

  const voidEvent = async (event: Counted): Promise<void> => {
    await metering.corrections.void({ source: SOURCE, id: event.id }, NOTE);
    event.body = null;
  };

  const replace = async (event: Counted, body: Sent): Promise<void> => {
    const { type, subject } = body;
    const data = JSON.stringify(body.data);
    const identity = { source: SOURCE, id: event.id };
    const next = { ...identity, type, subject, time: body.time, data, extensions: null };
    await metering.corrections.replace(identity, () => next, NOTE);
    event.body = body;
  };

  /** Voids or replaces some of what was ever sent; numbers pick which. */
  const correct = async (picks: number[], bodies: Sent[]): Promise<void> => {
    for (const [index, pick] of picks.entries()) {
      const event = all[pick % Math.max(1, all.length)];
      const body = bodies[index];
      if (event !== undefined) {
        await (body === undefined || pick % 2 === 0 ? voidEvent(event) : replace(event, body));
      }
    }
  };

  const read = async (
    meter: Meter,
    customer: string,
    buckets: readonly Interval[],
    asOf: bigint | null = null,
  ): Promise<Record<string, string>[]> => {
    const question: UsageQuestion = {
      meter,
      whose:
        customer === EVERYBODY
          ? { kind: 'customers' }
          : { kind: 'customer', customerId: customers[customer] ?? '' },
      buckets,
      by: customer === EVERYBODY ? 'total' : 'customer',
      groupBy: meter.groupBy.map(({ key }) => key),
      groupFilter: {},
      now: NOW,
    };
    const rows = await (asOf === null
      ? metering.usageStore.read(question)
      : metering.usage.readAsOf(question, asOf));
    return buckets.map((_, index) =>
      Object.fromEntries(
        rows
          .filter(({ bucket }) => bucket === index)
          .map(({ groups, quantity }) => [keyOf(groups), quantity.toFixed()]),
      ),
    );
  };

  /** Of every meter, or of some that numbers pick. */
  const readsExactly = async (
    buckets: readonly Interval[],
    picks: readonly number[] | null = null,
  ): Promise<void> => {
    const picked = picks?.map((pick) => meters[pick % meters.length] as Meter);
    for (const meter of new Set(picked ?? meters)) {
      for (const customer of ['a', 'b', EVERYBODY]) {
        const counted = buckets.map((bucket) => expected(meter, customer, bucket, standing()));
        const answer = await read(meter, customer, buckets);
        expect({ kind: meter.aggregation.kind, answer }).toEqual({
          kind: meter.aggregation.kind,
          answer: counted,
        });
      }
    }
    const first = await metering.unattributed.list(ALL, 1, null);
    const after = readCursor(first.nextCursor ?? undefined, 2);
    const rest = after === null ? [] : (await metering.unattributed.list(ALL, 9, after)).items;
    expect([...first.items, ...rest]).toEqual(unowned(standing()));
  };

  /** What had been counted when cut-offs were taken. */
  const cutOffs: { readonly batch: bigint; readonly counted: Sent[] }[] = [];
  const takeCutOff = async (): Promise<void> => {
    const batch = await metering.usage.atCutOff(async (cutOff) => await Promise.resolve(cutOff));
    cutOffs.push({ batch, counted: standing() });
  };

  /** Folds while another replica is folding some of the batches: what came later is folded first. */
  const foldAround = async (pick: number): Promise<void> => {
    const other = metering.db.database.dataSource.createQueryRunner();
    await other.startTransaction();
    try {
      await other.query(
        `SELECT FROM ingest_batches WHERE fold IS NULL AND id % 3 = $1 FOR UPDATE`,
        [pick % 3],
      );
      await metering.fold.foldOnce();
    } finally {
      await other.rollbackTransaction();
      await other.release();
    }
  };

  const drain = async (): Promise<void> => {
    let done: number;
    do {
      done = (await metering.fold.foldOnce()) + (await metering.fold.backfillOnce());
    } while (done > 0);
  };

  it('equals a brute-force count at any moment between ingest, corrections, folds and new meters', async () => {
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(sent, { maxLength: 40 }),
        fc.tuple(fc.array(fc.nat(), { maxLength: 12 }), fc.array(sent, { maxLength: 12 })),
        fc.constantFrom('fold', 'fold around', 'backfill', 'nothing', 'meter', 'cut off'),
        fc.array(time, { minLength: 2, maxLength: 4 }),
        fc.array(fc.nat(), { minLength: 8, maxLength: 8 }),
        async (events, [picks, bodies], step, cuts, chosen) => {
          await send(events);
          await sendAgain(chosen);
          if (step === 'fold') {
            await metering.fold.foldOnce();
          }
          if (step === 'backfill') {
            await metering.fold.backfillOnce();
          }
          if (step === 'meter' && meters.length < 3 * AGGREGATIONS.length) {
            const aggregation = AGGREGATIONS[meters.length % AGGREGATIONS.length] as Aggregation;
            meters.push(await metering.meters.create(factory.meter({ ...LATER, aggregation })));
          }
          runs += 1;
          if (step === 'cut off' || runs % 10 === 0) {
            await takeCutOff();
          }
          await correct(picks, bodies);
          if (step === 'fold around') {
            await foldAround(chosen[0] ?? 0);
          }
          const instants = cuts.toSorted((left, right) => left.getTime() - right.getTime());
          const buckets = instants.slice(1).flatMap((end, index) => {
            const start = instants[index];
            return start === undefined || start >= end ? [] : [{ start, end }];
          });
          if (buckets.length > 0) {
            await readsExactly(buckets, chosen);
          }
        },
      ),
      { numRuns: 40 },
    );
    await drain();
    await readsExactly([
      { start: new Date('2026-11-09T08:15:00.5Z'), end: new Date('2026-11-09T12:59:59.999Z') },
    ]);
  });

  it('counts as of a cut-off what was counted then, whatever was corrected later', async () => {
    await correct(fc.sample(fc.nat(), 50), fc.sample(sent, 50));
    await drain();
    const window = {
      start: new Date('2026-11-09T08:15:00.5Z'),
      end: new Date('2026-11-09T12:30:00Z'),
    };
    expect(cutOffs.length).toBeGreaterThan(2);
    for (const { batch, counted } of cutOffs) {
      for (const meter of meters) {
        const then = expected(meter, 'a', window, counted);
        expect(await read(meter, 'a', [window], batch)).toEqual([then]);
      }
    }
  });

  it('loses and doubles nothing when several fold and correct at once', async () => {
    const events = fc.sample(sent, 2_000);
    for (let index = 0; index < events.length; index += 50) {
      await send(events.slice(index, index + 50));
    }
    const fresh = all.slice(-2_000);
    const bodies = fc.sample(sent, fresh.length);
    meters.push(
      await metering.meters.create(factory.meter({ aggregation: { kind: 'sum', value: VALUE } })),
    );
    const correctSome = async (lane: number): Promise<void> => {
      for (let index = lane; index < fresh.length; index += 20) {
        const event = fresh[index] as Counted;
        await (index % 40 < 20 ? voidEvent(event) : replace(event, bodies[index] as Sent));
      }
    };
    await Promise.all([drain(), drain(), drain(), correctSome(0), correctSome(1), correctSome(20)]);
    await Promise.all([drain(), drain(), drain(), drain()]);
    await readsExactly([
      { start: new Date('2026-11-09T08:00:00Z'), end: new Date('2026-11-09T13:00:01Z') },
    ]);
  });

  it('puts values that it cannot read aside, with the reason', async () => {
    const rows = await metering.db.database.query<{ reason: string }>(
      'SELECT DISTINCT reason FROM quarantined_values ORDER BY reason',
    );
    expect(rows.map(({ reason }) => reason)).toEqual(['missing', 'not_a_number', 'out_of_range']);
  });

  it('counts exactly the batches up to a cut-off, though ingest goes on', async () => {
    const window = {
      start: new Date('2026-11-09T08:00:00Z'),
      end: new Date('2026-11-09T13:00:01Z'),
    };
    const [meter] = meters as [Meter];
    const sending = Promise.all(
      Array.from({ length: 20 }, async () => {
        const event = factory.event({ subject: 's1', time: '2026-11-09T09:00:00Z' });
        await metering.send([event]);
        await metering.corrections.void({ source: 'test', id: String(event['id']) }, NOTE);
      }),
    );
    const { counted, raw } = await metering.usage.atCutOff(async (cutOff) => {
      const [row] = await metering.db.database.query<{ count: string }>(
        `SELECT count(*) FROM usage_events WHERE batch_id <= $1 AND type = 'api.request'
           AND (subject IN ('s1', 's2') OR (subject = 's3' AND time < $2)
             OR (subject = 's4' AND time >= $3))`,
        [cutOff.toString(), HANDED_OVER_AT, OWNED_FROM],
      );
      const [corrected] = await metering.db.database.query<{ count: string }>(
        `SELECT coalesce(sum(sign), 0) AS count FROM usage_corrections
         WHERE batch_id <= $1 AND type = 'api.request'
           AND (subject IN ('s1', 's2') OR (subject = 's3' AND time < $2)
             OR (subject = 's4' AND time >= $3))`,
        [cutOff.toString(), HANDED_OVER_AT, OWNED_FROM],
      );
      await sending;
      const quantity = await metering.usage.quantityOf(meter, customers['a'] ?? '', window);
      return {
        counted: quantity.toFixed(),
        raw: String(Number(row?.count) + Number(corrected?.count)),
      };
    });
    expect(counted).toBe(raw);
  });
});

describe('a level of the hour that is not over', () => {
  it('counts until now, whatever comes later', async () => {
    const metering = await startMetering('2026-11-09T13:50:00Z');
    const customer = await metering.customers.create(factory.customer({}), ['level']);
    const aggregation = { kind: 'time_weighted_sum', value: VALUE } as const;
    const meter = await metering.meters.create(factory.meter({ aggregation }));
    const set = async (instant: string, v: number): Promise<void> => {
      await metering.send([factory.event({ subject: 'level', time: instant, data: { v } })]);
      await metering.fold.foldOnce();
    };
    const readAt = async (now: string, start: string): Promise<string[]> => {
      const window = { start: new Date(start), end: new Date('2026-11-10T00:00:00Z') };
      const rows = await metering.usageStore.read({
        ...{ meter, buckets: [window], by: 'customer', groupBy: [], groupFilter: {} },
        ...{ now: new Date(now), whose: { kind: 'customer', customerId: customer.id } },
      });
      return rows.map(({ quantity }) => quantity.toFixed());
    };
    try {
      await set('2026-11-09T12:45:00Z', 8);
      await set('2026-11-09T13:10:00Z', 2);
      while ((await metering.fold.backfillOnce()) > 0) {
        // Until its history is in.
      }
      expect(await readAt('2026-11-09T13:30:00Z', '2026-11-09T12:00:00Z')).toEqual(['4']);
      await set('2026-11-09T13:40:00Z', 6);
      expect(await readAt('2026-11-09T13:30:00Z', '2026-11-09T12:00:00Z')).toEqual(['4']);
      expect(await readAt('2026-11-09T13:30:00Z', '2026-11-09T13:00:00Z')).toEqual(['2']);
      expect(await readAt('2026-11-09T13:40:00Z', '2026-11-09T13:00:00Z')).toEqual([
        '2.333333333333',
      ]);
      expect(await readAt('2026-11-09T13:50:00Z', '2026-11-09T13:00:00Z')).toEqual([
        '3.333333333333',
      ]);
    } finally {
      await metering.close();
    }
  });
});
