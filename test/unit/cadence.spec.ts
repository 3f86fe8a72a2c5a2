/*
 * Aim: periods tile time by the local clock, for every interval, anchor and zone.
 * Method: an oracle without luxon. It counts days of the calendar one by one to say what the local
 * clock shows at a cut, and asks the runtime (Intl) what it does show there and before.
 */
import {
  assert,
  constantFrom,
  type Arbitrary,
  date,
  integer,
  oneof,
  property,
  record,
} from 'fast-check';
import { windowFrom } from '../../src/billing/periods/billing-period.js';
import { type Anchor, type Cadence, cutAfter, cutAt } from '../../src/billing/periods/cadence.js';
import { PLAN_INTERVALS, type PlanInterval } from '../../src/pricing/plan.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** What a clock shows. */
interface Local {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly ms: number;
}

const formats = new Map<string, Intl.DateTimeFormat>();
function shown(epochMs: number, timeZone: string): Local {
  let format = formats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      ...{ timeZone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric' },
      ...{ hour: 'numeric', minute: 'numeric', second: 'numeric' },
    });
    formats.set(timeZone, format);
  }
  const part = new Map(format.formatToParts(epochMs).map(({ type, value }) => [type, value]));
  const number = (name: Intl.DateTimeFormatPartTypes): number => Number(part.get(name));
  const seconds = number('hour') * 3_600 + number('minute') * 60 + number('second');
  const ms = seconds * 1_000 + (((epochMs % 1_000) + 1_000) % 1_000);
  return { year: number('year'), month: number('month'), day: number('day'), ms };
}

function compare(one: Local, other: Local): number {
  return (
    one.year - other.year || one.month - other.month || one.day - other.day || one.ms - other.ms
  );
}

function daysOf(year: number, month: number): number {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 0;
}

function dayAfter({ year, month, day, ms }: Local): Local {
  if (day < daysOf(year, month)) {
    return { year, month, day: day + 1, ms };
  }
  return month < 12
    ? { year, month: month + 1, day: 1, ms }
    : { year: year + 1, month: 1, day: 1, ms };
}

const MONTHS: Readonly<Record<PlanInterval, number>> = {
  day: 0,
  week: 0,
  month: 1,
  quarter: 3,
  year: 12,
};

/** What the clock is to show at the cut `count` intervals, zero or more, after what it showed. */
function moved(from: Local, interval: PlanInterval, count: number): Local {
  if (interval === 'day' || interval === 'week') {
    let local = from;
    for (let days = count * (interval === 'week' ? 7 : 1); days > 0; days -= 1) {
      local = dayAfter(local);
    }
    return local;
  }
  let { year, month } = from;
  for (let months = count * MONTHS[interval]; months > 0; months -= 1) {
    [year, month] = month === 12 ? [year + 1, 1] : [year, month + 1];
  }
  return { year, month, day: Math.min(from.day, daysOf(year, month)), ms: from.ms };
}

/** Holds that a cut is the first instant at which the clock shows this, or more where it skips this. */
function expectFirst(cut: Date, local: Local, timeZone: string): void {
  const at = cut.getTime();
  expect(compare(shown(at, timeZone), local)).toBeGreaterThanOrEqual(0);
  for (const before of [1, ...Array.from({ length: 26 }, (_, index) => (index + 1) * HOUR_MS)]) {
    expect(compare(shown(at - before, timeZone), local)).toBeLessThan(0);
  }
}

const ZONES = Intl.supportedValuesOf('timeZone');
/** Clocks that moved by a day, at midnight, by half an hour, by two, or twice a year around Ramadan. */
const ODD_ZONES = [
  ...['Pacific/Apia', 'Pacific/Fakaofo', 'Pacific/Kiritimati', 'Pacific/Kwajalein'],
  ...['America/Havana', 'America/Sao_Paulo', 'America/St_Johns', 'America/Caracas', 'Asia/Amman'],
  ...['Asia/Pyongyang', 'Africa/Casablanca', 'Antarctica/Troll', 'Australia/Lord_Howe'],
];

const instants = oneof(
  date({
    min: new Date('1975-01-01T00:00:00Z'),
    max: new Date('2050-01-01T00:00:00Z'),
    noInvalidDate: true,
  }),
  // Around the ends of months, leap days and the days that Samoa and Kiritimati never had.
  record({
    day: constantFrom(
      '2011-12-30',
      '1994-12-31',
      '1995-01-01',
      '1993-08-21',
      '2024-02-29',
      '2000-02-29',
      '2025-01-31',
    ),
    ms: integer({ min: -2 * DAY_MS, max: 2 * DAY_MS }),
  }).map(({ day, ms }) => new Date(Date.parse(`${day}T00:00:00Z`) + ms)),
);
const zones = oneof(constantFrom(...ZONES), constantFrom(...ODD_ZONES));
const anniversaries: Arbitrary<Cadence> = record({
  interval: constantFrom(...PLAN_INTERVALS),
  anchor: record({ kind: constantFrom('anniversary' as const), at: instants }),
  timeZone: zones,
});
const calendars: Arbitrary<Cadence> = record({
  interval: constantFrom(...PLAN_INTERVALS),
  anchor: constantFrom<Anchor>({ kind: 'calendar' }),
  timeZone: zones,
});

const calendar = (interval: PlanInterval, timeZone = 'UTC'): Cadence => ({
  interval,
  anchor: { kind: 'calendar' },
  timeZone,
});
const anniversary = (interval: PlanInterval, at: string, timeZone = 'UTC'): Cadence => ({
  interval,
  anchor: { kind: 'anniversary', at: new Date(at) },
  timeZone,
});
const cuts = (cadence: Cadence, indexes: readonly number[]): string[] =>
  indexes.map((index) => cutAt(cadence, index).toISOString());

describe('cutAt', () => {
  it('is where the local clock first shows the anchor moved by whole intervals', () => {
    assert(
      property(anniversaries, integer({ min: 0, max: 40 }), (cadence, index) => {
        const { interval, anchor, timeZone } = cadence;
        const from = shown(anchor.kind === 'anniversary' ? anchor.at.getTime() : 0, timeZone);
        expectFirst(cutAt(cadence, index), moved(from, interval, index), timeZone);
      }),
      { numRuns: 150 },
    );
  });

  it('is where days, weeks from Monday, months, quarters and years of the local calendar begin', () => {
    assert(
      property(calendars, integer({ min: -12, max: 24 }), (cadence, index) => {
        const { interval, timeZone } = cadence;
        // Thirty years before the origin of the rule, and the Monday before.
        const from =
          interval === 'week'
            ? { year: 1970, month: 12, day: 28, ms: 0 }
            : { year: 1971, month: 1, day: 1, ms: 0 };
        const earlier = { day: 10_958, week: 1_566, month: 360, quarter: 120, year: 30 }[interval];
        expectFirst(cutAt(cadence, index), moved(from, interval, index + earlier), timeZone);
      }),
      { numRuns: 100 },
    );
  });

  it.each([
    [
      '31 January, by the month',
      anniversary('month', '2026-01-31T10:00:00Z'),
      [0, 1, 2, 3, 12, 25, -2, -11],
      [
        '2026-01-31',
        '2026-02-28',
        '2026-03-31',
        '2026-04-30',
        '2027-01-31',
        '2028-02-29',
        '2025-11-30',
        '2025-02-28',
      ],
    ],
    [
      '29 February, by the year',
      anniversary('year', '2024-02-29T10:00:00Z'),
      [0, 1, 4, -1, -24],
      ['2024-02-29', '2025-02-28', '2028-02-29', '2023-02-28', '2000-02-29'],
    ],
    [
      '30 November, by the quarter',
      anniversary('quarter', '2026-11-30T10:00:00Z'),
      [1, 2, 3, 4, 5],
      ['2027-02-28', '2027-05-30', '2027-08-30', '2027-11-30', '2028-02-29'],
    ],
    [
      'a Wednesday, by the week',
      anniversary('week', '2026-11-11T10:00:00Z'),
      [-1, 0, 1, 8],
      ['2026-11-04', '2026-11-11', '2026-11-18', '2027-01-06'],
    ],
  ] as const)('counts from %s', (_, cadence, indexes, days) => {
    expect(cuts(cadence, indexes)).toEqual(days.map((day) => `${day}T10:00:00.000Z`));
  });

  it('keeps the local time where clocks change, and takes the jump where they skip it', () => {
    const berlin = anniversary('day', '2026-03-27T01:30:00Z', 'Europe/Berlin');
    expect(cuts(berlin, [0, 1, 2, 3])).toEqual([
      '2026-03-27T01:30:00.000Z',
      '2026-03-28T01:30:00.000Z',
      // There is no 2:30 on the 29th.
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:30:00.000Z',
    ]);
    // 2:30 comes twice on 25 October: the first one counts.
    const autumn = anniversary('month', '2026-09-25T00:30:00Z', 'Europe/Berlin');
    expect(cuts(autumn, [1, 2])).toEqual(['2026-10-25T00:30:00.000Z', '2026-11-25T01:30:00.000Z']);
  });

  it('makes one cut of the day that Samoa never had and the day after it', () => {
    const cadence = anniversary('day', '2011-12-28T10:00:00Z', 'Pacific/Apia');
    expect(cuts(cadence, [0, 1, 2, 3, 4])).toEqual([
      '2011-12-28T10:00:00.000Z',
      '2011-12-29T10:00:00.000Z',
      '2011-12-30T10:00:00.000Z',
      '2011-12-30T10:00:00.000Z',
      '2011-12-31T10:00:00.000Z',
    ]);
  });

  it.each([
    ['UTC', '2026-11-30T12:00:00Z', '2026-12-01T00:00:00.000Z'],
    ['Europe/Berlin', '2026-10-30T12:00:00Z', '2026-10-31T23:00:00.000Z'],
    ['Europe/Berlin', '2026-06-29T12:00:00Z', '2026-06-30T22:00:00.000Z'],
    ['Asia/Kathmandu', '2026-10-30T12:00:00Z', '2026-10-31T18:15:00.000Z'],
    ['Pacific/Kiritimati', '2026-10-30T12:00:00Z', '2026-10-31T10:00:00.000Z'],
    // The clock goes back from 1:00 to 0:00 on the 1st: midnight comes twice, the first one counts.
    ['America/Havana', '2026-10-30T12:00:00Z', '2026-11-01T04:00:00.000Z'],
    // It jumped from 0:00 to 1:00 on the 1st: there is no midnight.
    ['America/Sao_Paulo', '2000-09-30T12:00:00Z', '2000-10-01T03:00:00.000Z'],
    ['Asia/Amman', '2011-03-30T12:00:00Z', '2011-03-31T22:00:00.000Z'],
    // It went back at 0:01 to 23:01: the month begins, and begins again 59 minutes later.
    ['America/St_Johns', '2009-10-30T12:00:00Z', '2009-11-01T02:30:00.000Z'],
    ['America/St_Johns', '2009-11-01T03:00:00Z', '2009-12-01T03:30:00.000Z'],
  ])('begins the month in %s after %s at %s', (timeZone, instant, start) => {
    expect(cutAfter(calendar('month', timeZone), new Date(instant)).toISOString()).toBe(start);
  });

  it.each([
    ['day', '2026-11-11T00:00:00.000Z'],
    ['week', '2026-11-16T00:00:00.000Z'],
    ['month', '2026-12-01T00:00:00.000Z'],
    ['quarter', '2027-01-01T00:00:00.000Z'],
    ['year', '2027-01-01T00:00:00.000Z'],
  ] as const)('begins the next %s of the calendar', (interval, next) => {
    expect(cutAfter(calendar(interval), new Date('2026-11-10T12:00:00Z')).toISOString()).toBe(next);
  });
});

describe('billing periods', () => {
  it('tile time from any start, hold their start and not their end, and are those of the numbers', () => {
    assert(
      property(oneof(anniversaries, calendars), instants, (cadence, startsAt) => {
        let start = startsAt;
        const ends: number[] = [];
        for (let index = 0; index < 14; index += 1) {
          const window = windowFrom(start, cadence, null)!;
          expect(window.start).toEqual(start);
          expect(window.end.getTime()).toBeGreaterThan(start.getTime());
          ends.push(window.end.getTime());
          // Wherever in it one looks from, it ends there; from its end, the next does.
          const last = new Date(window.end.getTime() - 1);
          expect(cutAfter(cadence, last)).toEqual(window.end);
          start = window.end;
        }
        expect(ends).toEqual(numbered(cadence, startsAt, ends.length));
      }),
      { numRuns: 150 },
    );
  });

  it('end with the subscription', () => {
    const start = new Date('2026-11-10T00:00:00Z');
    const end = new Date('2026-11-20T00:00:00Z');
    const monthly = calendar('month');
    expect(windowFrom(start, monthly, end)).toEqual({ start, end });
    expect(windowFrom(end, monthly, end)).toBeNull();
    expect(windowFrom(end, monthly, start)).toBeNull();
    const later = new Date('2026-12-20T00:00:00Z');
    expect(windowFrom(start, monthly, later)?.end.toISOString()).toBe('2026-12-01T00:00:00.000Z');
  });
});

/** The first cuts after an instant by their numbers alone, found by halving; equal ones count once. */
function numbered(cadence: Cadence, instant: Date, count: number): number[] {
  let [before, after] = [-40_000, 40_000];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (cutAt(cadence, middle) > instant) {
      after = middle;
    } else {
      before = middle;
    }
  }
  const found = new Set<number>();
  for (let index = after; found.size < count; index += 1) {
    found.add(cutAt(cadence, index).getTime());
  }
  return [...found];
}
