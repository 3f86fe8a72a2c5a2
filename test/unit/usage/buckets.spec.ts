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

const QUARTER_MS = 900_000;

it('cuts UTC by arithmetic as by a calendar', () => {
  const time = fc.date({
    min: new Date('1960-01-01'),
    max: new Date('2100-01-01'),
    noInvalidDate: true,
  });
  const length = fc.integer({ min: 1, max: 40 * 24 * 3_600_000 });
  fc.assert(
    fc.property(time, length, fc.constantFrom(...BUCKET_SIZES), (start, ms, size) => {
      const window = { start, end: new Date(start.getTime() + ms) };
      expect(boundsOf(window, size, 'UTC')).toEqual(boundsOf(window, size, 'Etc/UTC'));
    }),
  );
});

/** Where clocks did what is rare, and when. */
const CHANGES = [
  // One minute past midnight, back over it: the day begins twice.
  ['America/St_Johns', '2010-11-07T02:31:00Z'],
  ['America/St_Johns', '2011-03-13T03:31:00Z'],
  // By half an hour.
  ['Australia/Lord_Howe', '2026-04-04T15:00:00Z'],
  ['Australia/Lord_Howe', '2026-10-03T15:30:00Z'],
  // At midnight: it does not exist, or comes after 23 o'clock has come twice.
  ['Africa/Cairo', '2026-04-23T22:00:00Z'],
  ['Africa/Cairo', '2026-10-29T21:00:00Z'],
  ['America/Sao_Paulo', '2018-11-04T03:00:00Z'],
  ['America/Sao_Paulo', '2018-02-18T02:00:00Z'],
  ['America/Havana', '2026-03-08T05:00:00Z'],
  ['America/Havana', '2026-11-01T05:00:00Z'],
  // A day that does not exist.
  ['Pacific/Apia', '2011-12-30T10:00:00Z'],
  // Never, but by three quarters of an hour from all others.
  ['Asia/Kathmandu', '2026-10-31T18:15:00Z'],
  ['Pacific/Chatham', '2026-09-26T14:00:00Z'],
  ['Europe/Berlin', '2026-10-25T01:00:00Z'],
  ['America/New_York', '2026-03-08T07:00:00Z'],
].map(([timeZone = '', at = '']) => ({ timeZone, at: Date.parse(at) }));

/**
 * The same bounds without calendar arithmetic: goes through the window by the quarter of an hour, and
 * looks at what a wall clock of the zone shows.
 */
function shownBounds(window: Interval, size: BucketSize, timeZone: string): string[] {
  const clock = new Intl.DateTimeFormat('en-GB', {
    ...{ timeZone, year: 'numeric', month: '2-digit', day: '2-digit' },
    ...{ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
  });
  const shown = (ms: number): { readonly date: string; readonly minute: number } => {
    const [day, month, year, , minute] = clock.format(ms).split(/\D+/);
    return { date: `${year}-${month}-${day}`, minute: Number(minute) };
  };
  const starts: number[] = [];
  // What was shown earlier counts, since a date that comes again begins nothing.
  let latest = '';
  let before = shown(window.start.getTime() - 2 * 86_400_000).minute - 15;
  for (
    let ms = window.start.getTime() - 2 * 86_400_000;
    ms < window.end.getTime();
    ms += QUARTER_MS
  ) {
    const { date, minute } = shown(ms);
    const isSetByLess = minute !== (before + 15) % 60;
    const isHour = minute === 0 || isSetByLess;
    const unit = unitOf(date, size);
    if (ms > window.start.getTime() && (size === 'hour' ? isHour : unit > latest)) {
      starts.push(ms);
    }
    latest = unit > latest ? unit : latest;
    before = minute;
  }
  return [window.start.getTime(), ...starts, window.end.getTime()].map((ms) =>
    new Date(ms).toISOString(),
  );
}

/** What a date belongs to, in an order: itself, the Monday of its week, its month. */
function unitOf(date: string, size: BucketSize): string {
  if (size === 'month') {
    return date.slice(0, 7);
  }
  const day = new Date(`${date}T00:00:00Z`);
  const sinceMonday = size === 'week' ? (day.getUTCDay() + 6) % 7 : 0;
  return new Date(day.getTime() - sinceMonday * 86_400_000).toISOString().slice(0, 10);
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

  it('goes on to the next day where a window starts in an hour that comes again after midnight', () => {
    const window = span('2010-11-07T03:00:00Z', '2010-11-08T12:00:00Z');
    expect(boundsOf(window, 'day', 'America/St_Johns')).toEqual([
      '2010-11-07T03:00:00.000Z',
      '2010-11-08T03:30:00.000Z',
      '2010-11-08T12:00:00.000Z',
    ]);
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

  it('cuts where the local clock, as Intl shows it, comes to another hour, day, week or month', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.constantFrom(...CHANGES),
          fc.record({
            timeZone: fc.constantFrom(...Intl.supportedValuesOf('timeZone')),
            at: fc.integer({ min: Date.UTC(2010, 0), max: Date.UTC(2030, 0) }),
          }),
        ),
        fc.oneof(fc.integer({ min: -6, max: 6 }), fc.integer({ min: -40, max: 200 })),
        fc.constantFrom(...BUCKET_SIZES),
        ({ timeZone, at }, quarters, size) => {
          const start = Math.floor(at / QUARTER_MS) * QUARTER_MS - quarters * QUARTER_MS;
          const days = { hour: 3, day: 6, week: 16, month: 64 }[size];
          const window = { start: new Date(start), end: new Date(start + days * 86_400_000) };
          expect({ timeZone, bounds: boundsOf(window, size, timeZone) }).toEqual({
            timeZone,
            bounds: shownBounds(window, size, timeZone),
          });
        },
      ),
      { numRuns: 100 },
    );
  });
});
