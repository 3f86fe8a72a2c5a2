/*
 * Aim: the value of a rank is the one that plain ranking finds, though most values are never looked at.
 * Method: runs of thousands of numbers of every shape, with and without what is in no run; plain ranking of
 * all of them in this process says what is right.
 */
import fc from 'fast-check';
import { Big } from 'big.js';
import { pickedValues } from '../../src/usage/days/picked-values.sql.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

interface Weighed {
  readonly value: string;
  readonly weight: number;
}

/** The values of one row of the answer: those of runs, and those that are in none. */
interface Given {
  readonly runs: readonly (readonly Weighed[])[];
  readonly rest: readonly Weighed[];
}

const PERCENTILES = ['0.01', '1', '37.5', '50', '95', '99.9', '100'];

/** How the values of a run are spread: the number of the run and the place in it make the value. */
const SHAPES: Readonly<Record<string, (run: number, index: number, seed: number) => string>> = {
  even: (_run, index, seed) => String(((index * 7919 + seed) % 10_007) / 10),
  same: () => '5',
  apart: (run, index) => String(run * 100_000 + index),
  'one after another': (run, index) => new Big(index * 50 + run).div(1_000).toFixed(),
  steep: (run, index, seed) => String((index * seed * (run + 1)) % 997 ** 2),
  'close together': (_run, index, seed) =>
    `1000000.${String((index * seed) % 1_009).padStart(4, '0')}1`,
  negative: (run, index, seed) => String(((index * 31 + run * seed) % 2_003) - 1_000),
};

const run = fc
  .record({
    shape: fc.constantFrom(...Object.keys(SHAPES)),
    size: fc.oneof(
      ...[fc.integer({ min: 0, max: 3 }), fc.integer({ min: 4, max: 60 })],
      fc.integer({ min: 300, max: 1_500 }),
    ),
    seed: fc.integer({ min: 1, max: 500 }),
    heavy: fc.constantFrom(1, 1, 3, 1_000),
  })
  .map(
    ({ shape, size, seed, heavy }) =>
      (number: number): Weighed[] =>
        Array.from({ length: size }, (_, index) => ({
          value: SHAPES[shape]?.(number, index, seed) ?? '',
          weight: index % 5 === 0 ? heavy : 1,
        })),
  );

/** Twenty digits are no float8, and what has less than no events cannot be searched. */
const rest = fc.array(
  fc.record({
    value: fc.constantFrom(
      '5',
      '50.1',
      '-3',
      '99999',
      '1000000.00051',
      '12345678901234567890.000000000001',
    ),
    weight: fc.constantFrom(1, 1, 2, 700, -1, -900),
  }),
  { maxLength: 12 },
);

const given: fc.Arbitrary<Given> = fc
  .record({ runs: fc.array(run, { minLength: 1, maxLength: 7 }), rest })
  .map((one) => ({ rest: one.rest, runs: one.runs.map((make, number) => make(number)) }));

describe('pickedValues', () => {
  let db: TestDatabase;

  beforeAll(async () => {
    db = await createTestDatabase();
  });

  afterAll(async () => {
    await db.drop();
  });

  /** Equal values are one, in order. */
  const sorted = (values: readonly Weighed[]): Weighed[] => {
    const weights = new Map<string, number>();
    for (const { value, weight } of values) {
      weights.set(value, (weights.get(value) ?? 0) + weight);
    }
    return [...weights]
      .map(([value, weight]) => ({ value, weight, order: new Big(value) }))
      .toSorted((left, right) => left.order.cmp(right.order));
  };

  const toRun = (values: readonly Weighed[]): object => {
    let upTo = 0;
    const all = sorted(values);
    return {
      numbers: all.map(({ value }) => Number(value)),
      up_to: all.map(({ weight }) => (upTo += weight)),
      event_counts: all.map(({ weight }) => weight),
    };
  };

  const row = (bucket: number): object => ({
    ...{ customer_id: null, subject: null, bucket, groups: [null] },
  });

  const find = async (
    runs: readonly object[],
    others: readonly object[],
    { percentile, isOfOne }: { readonly percentile: string; readonly isOfOne: boolean },
  ): Promise<unknown[]> => {
    const keys = 'customer_id text, subject text, bucket int, groups text[]';
    const { ctes, answer } = pickedValues({
      runs: `SELECT * FROM jsonb_to_recordset($1::jsonb) AS given
        (${keys}, numbers float8[], up_to bigint[], event_counts bigint[])`,
      rest: `SELECT * FROM jsonb_to_recordset($2::jsonb) AS given (${keys}, value text, weight bigint)`,
      varying: isOfOne ? [] : ['customer_id', 'bucket'],
      percentile: '$3',
    });
    const found = await db.database.query<{ bucket: number; value: string }>(
      `WITH ${ctes} SELECT bucket, value FROM (${answer}) AS answer ORDER BY bucket`,
      [JSON.stringify(runs), JSON.stringify(others), percentile],
    );
    return found.map(({ bucket, value }) => ({ bucket, value: new Big(value).toFixed() }));
  };

  const picked = async (rows: readonly Given[], percentile: string): Promise<unknown[]> =>
    await find(
      rows.flatMap(({ runs }, bucket) =>
        runs.flatMap((values) =>
          values.length === 0 ? [] : [{ ...row(bucket), ...toRun(values) }],
        ),
      ),
      rows.flatMap((one, bucket) => one.rest.map((value) => ({ ...row(bucket), ...value }))),
      { percentile, isOfOne: rows.length === 1 },
    );

  const plain = (rows: readonly Given[], percentile: string): unknown[] =>
    rows.flatMap(({ runs, rest: others }, bucket) => {
      const all = sorted([...runs.flat(), ...others]).filter(({ weight }) => weight > 0);
      const total = all.reduce((sum, { weight }) => sum + weight, 0);
      let upTo = 0;
      const found = all.find(({ weight }) => {
        upTo += weight;
        return new Big(upTo).times(100).gte(new Big(total).times(percentile));
      });
      return found === undefined ? [] : [{ bucket, value: new Big(found.value).toFixed() }];
    });

  it('finds what plain ranking of all values finds', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(given, { minLength: 1, maxLength: 3 }),
        fc.constantFrom(...PERCENTILES),
        async (rows, percentile) => {
          expect(await picked(rows, percentile)).toEqual(plain(rows, percentile));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('takes a value that it asks about itself', async () => {
    const upTo = Array.from({ length: 5_000 }, (_, index) => index + 1);
    const one = { ...row(0), numbers: upTo, up_to: upTo, event_counts: upTo.map(() => 1) };
    // The first question is about what has the rank in the only run.
    for (const nth of [1, 2, 10, 16]) {
      const percentile = new Big('5.9').times(nth).toFixed();
      const found = await find([one], [], { percentile, isOfOne: true });
      expect(found).toEqual([{ bucket: 0, value: String(295 * nth) }]);
    }
  });

  it('looks at no value that is far from the one it finds', async () => {
    const upTo = Array.from({ length: 5_000 }, (_, index) => index + 1);
    const isNear = (number: number): boolean => number > 2_450 && number < 2_550;
    const one = {
      ...row(0),
      numbers: upTo.map((number) => number / 10),
      up_to: upTo,
      event_counts: upTo.map((number) => (isNear(number) ? 1 : 1_000_000 * number)),
    };
    const half = { percentile: '50', isOfOne: true };
    expect(await find([one], [], half)).toEqual([{ bucket: 0, value: '250' }]);
  });
});
