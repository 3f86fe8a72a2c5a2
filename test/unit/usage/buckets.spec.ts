import fc from 'fast-check';
import { type Interval } from '../../../src/kernel/interval.js';
import {
  BUCKET_SIZES,
  bucketsOf,
  type BucketSize,
  MAX_BUCKETS,
} from '../../../src/usage/buckets.js';

const span = (start: string, end: string): Interval => ({
  start: new Date(start),
  end: new Date(end),
});
const hours = ({ start, end }: Interval): number => (end.getTime() - start.getTime()) / 3_600_000;

function boundsOf(window: Interval, size: BucketSize | null, zone: string): string[] {
  const buckets = bucketsOf(window, size, zone) ?? [];
  return [...buckets.map(({ start }) => start), window.end].map((date) => date.toISOString());
}

describe('bucketsOf', () => {
  it('is the window itself without a size', () => {
    const window = span('2026-11-01T00:00:00Z', '2036-11-01T00:00:00Z');
    expect(bucketsOf(window, null, 'UTC')).toEqual([window]);
  });

  it('cuts the first and the last one at the ends of the window', () => {
    expect(
      boundsOf(span('2026-11-02T22:30:00Z', '2026-11-04T01:00:00.001Z'), 'day', 'UTC'),
    ).toEqual([
      '2026-11-02T22:30:00.000Z',
      '2026-11-03T00:00:00.000Z',
      '2026-11-04T00:00:00.000Z',
      '2026-11-04T01:00:00.001Z',
    ]);
  });

  it.each([
    ['Europe/Berlin', '2026-03-29', '2026-03-28T23:00:00Z', '2026-03-29T22:00:00Z', 23],
    ['Europe/Berlin', '2026-10-25', '2026-10-24T22:00:00Z', '2026-10-25T23:00:00Z', 25],
    ['America/New_York', '2026-03-08', '2026-03-08T05:00:00Z', '2026-03-09T04:00:00Z', 23],
    ['America/New_York', '2026-11-01', '2026-11-01T04:00:00Z', '2026-11-02T05:00:00Z', 25],
    // Half an hour, on an island.
    ['Australia/Lord_Howe', '2026-04-05', '2026-04-04T13:00:00Z', '2026-04-05T13:30:00Z', 24.5],
    // Clocks change at midnight: the day begins at one.
    ['Africa/Cairo', '2026-04-24', '2026-04-23T22:00:00Z', '2026-04-24T21:00:00Z', 23],
  ])('in %s makes %s one day', (zone, _, start, end, length) => {
    const days = bucketsOf(span(start, end), 'day', zone);
    expect(days).toHaveLength(1);
    expect(days?.map(hours)).toEqual([length]);
    const parts = bucketsOf(span(start, end), 'hour', zone)?.map(hours) ?? [];
    expect(Math.min(...parts)).toBeGreaterThan(0);
    expect(parts.reduce((sum, part) => sum + part, 0)).toBe(length);
  });

  it('starts weeks on Monday, and months on the first', () => {
    const window = span('2026-10-30T00:00:00Z', '2026-11-12T00:00:00Z');
    expect(boundsOf(window, 'week', 'UTC').slice(1, 3)).toEqual([
      '2026-11-02T00:00:00.000Z',
      '2026-11-09T00:00:00.000Z',
    ]);
    expect(boundsOf(window, 'month', 'Europe/Berlin')[1]).toBe('2026-10-31T23:00:00.000Z');
  });

  it(`answers null instead of more than ${MAX_BUCKETS}`, () => {
    const start = Date.parse('2026-11-01T00:00:00Z');
    const window = (count: number): Interval => ({
      start: new Date(start),
      end: new Date(start + count * 3_600_000),
    });
    expect(bucketsOf(window(MAX_BUCKETS), 'hour', 'UTC')).toHaveLength(MAX_BUCKETS);
    expect(bucketsOf(window(MAX_BUCKETS + 1), 'hour', 'UTC')).toBeNull();
  });

  it('tiles any window in any zone: half-open, in order, without gap or overlap', () => {
    const start = fc.integer({
      min: Date.parse('2010-01-01T00:00:00Z'),
      max: Date.parse('2030-01-01T00:00:00Z'),
    });
    const longest = { hour: 40, day: 900, week: 6_000, month: 20_000 };
    fc.assert(
      fc.property(
        start,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.constantFrom(...BUCKET_SIZES),
        fc.constantFrom(...Intl.supportedValuesOf('timeZone')),
        (startMs, share, size, timeZone) => {
          const window = {
            start: new Date(startMs),
            end: new Date(startMs + 1 + Math.floor(share * longest[size] * 86_400_000)),
          };
          const buckets = bucketsOf(window, size, timeZone) ?? [];
          expect(buckets[0]?.start).toEqual(window.start);
          expect(buckets.at(-1)?.end).toEqual(window.end);
          buckets.forEach((bucket, index) => {
            expect(bucket.start < bucket.end).toBe(true);
            expect(buckets[index + 1]?.start ?? window.end).toEqual(bucket.end);
          });
        },
      ),
      { numRuns: 200 },
    );
  });
});
