/* Rows that PostgreSQL puts together and the service takes apart again, in the order that answers have. */
import { Big } from 'big.js';
import fc from 'fast-check';
import { formatDecimal } from '../../../src/kernel/decimal.js';
import { type Meter } from '../../../src/meters/meter.js';
import { type UsageLine } from '../../../src/usage/usage-row.js';
import { linesOf, sortSeries, type StatedSeries } from '../../../src/usage/usage-series.sql.js';

const METER = { aggregation: { kind: 'sum' } } as unknown as Meter;

const name = fc.constantFrom('a', 'b', 'B', 'ä', '10', '9');
const nullable = fc.option(name);

const line: fc.Arbitrary<UsageLine> = fc.record({
  customerId: nullable,
  subject: nullable,
  bucket: fc.nat(12),
  groups: fc.tuple(nullable, nullable),
  quantity: fc.nat(99).map(String),
});

const keyOf = ({ customerId, subject, groups }: UsageLine): string =>
  JSON.stringify([customerId, subject, groups]);

/** As `seriesOf` has them: one for each customer, subject and groups. */
function toSeries(lines: readonly UsageLine[]): StatedSeries[] {
  return [...new Set(lines.map(keyOf))].flatMap((key) => {
    const own = lines.filter((each) => keyOf(each) === key);
    const [first] = own;
    const array = (elements: readonly unknown[]): string => `{${elements.join(',')}}`;
    return first === undefined
      ? []
      : {
          customer_id: first.customerId,
          subject: first.subject,
          groups: first.groups,
          buckets: array(own.map(({ bucket }) => bucket + 1)),
          divisors: array(own.map(() => '1')),
          values: array(own.map(({ quantity }) => `${quantity}.50`)),
        };
  });
}

/** What PostgreSQL's ORDER BY has: what is missing comes last. */
function order(left: string | null, right: string | null): number {
  const place = (text: string | null): string => (text === null ? '\uffff' : text);
  return place(left) < place(right) ? -1 : Number(place(left) > place(right));
}

const inOrder = (left: UsageLine, right: UsageLine): number =>
  order(left.customerId, right.customerId) ||
  order(left.subject, right.subject) ||
  left.bucket - right.bucket ||
  order(left.groups[0] ?? null, right.groups[0] ?? null) ||
  order(left.groups[1] ?? null, right.groups[1] ?? null);

describe('series of usage', () => {
  it('are taken apart into the rows of which they were made, by customer, subject, bucket and group', () => {
    const rows = fc.uniqueArray(line, {
      maxLength: 60,
      selector: (each) => `${keyOf(each)} ${each.bucket}`,
    });
    fc.assert(
      fc.property(rows, (lines) => {
        const taken = [...linesOf(METER, sortSeries(toSeries(lines)))];
        const expected = lines.map((each) => ({ ...each, quantity: `${each.quantity}.5` }));
        expect(taken).toEqual(expected.toSorted(inOrder));
      }),
    );
  });

  it('add up what comes in parts, and have no row where nothing is left', () => {
    const part = fc.record({
      ...{
        bucket: fc.integer({ min: 1, max: 5 }),
        count: fc.option(fc.integer({ min: -2, max: 3 })),
      },
      cents: fc.integer({ min: -300, max: 300 }),
    });
    const meter = { aggregation: { kind: 'avg' } } as unknown as Meter;
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 20 }), (parts) => {
        const array = (elements: readonly unknown[]): string => `{${elements.join(',')}}`;
        const series: StatedSeries = {
          ...{ customer_id: 'one', subject: null, groups: [] },
          buckets: array(parts.map(({ bucket }) => bucket)),
          divisors: array(parts.map(({ count }) => count ?? 'NULL')),
          values: array(parts.map(({ count, cents }) => (count === null ? 'NULL' : cents / 100))),
        };
        const expected = [1, 2, 3, 4, 5].flatMap((bucket) => {
          const own = parts.filter((each) => each.bucket === bucket && each.count !== null);
          const count = own.reduce((sum, each) => sum + (each.count ?? 0), 0);
          const cents = own.reduce((sum, each) => sum + each.cents, 0);
          return count > 0
            ? [{ bucket: bucket - 1, average: new Big(cents).div(100).div(count) }]
            : [];
        });
        const taken = [...linesOf(meter, sortSeries([series]))];
        expect(taken.map(({ bucket, quantity }) => ({ bucket, quantity }))).toEqual(
          expected.map(({ bucket, average }) => ({
            bucket,
            quantity: formatDecimal(average.round(12)),
          })),
        );
      }),
    );
  });

  it('are none where there is no usage', () => {
    const none: StatedSeries = { buckets: null };
    expect([...linesOf(METER, sortSeries([none]))]).toEqual([]);
  });

  it('have how many events there are where the meter counts', () => {
    const counted: StatedSeries = {
      ...{ customer_id: 'one', subject: null, groups: [] },
      ...{ buckets: '{2,1}', divisors: '{7,5}', values: '{NULL,NULL}' },
    };
    const meter = { aggregation: { kind: 'count' } } as unknown as Meter;
    const row = { customerId: 'one', subject: null, groups: [] };
    expect([...linesOf(meter, sortSeries([counted]))]).toEqual([
      { ...row, bucket: 0, quantity: '5' },
      { ...row, bucket: 1, quantity: '7' },
    ]);
  });
});
