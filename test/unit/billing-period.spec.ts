/*
 * Aim: billing periods tile a subscription's time and end at local starts of months, in every zone.
 * Method: an oracle of the runtime's own calendar (Intl) looks at each boundary and the millisecond
 * before it; zones of odd offsets and clocks set at midnight are named.
 */
import { assert, constantFrom, date, property } from 'fast-check';
import { interval } from '../../src/kernel/interval.js';
import {
  describeWindow,
  nextStartOfMonth,
  startOfMonth,
  windowFrom,
} from '../../src/billing/periods/billing-period.js';

const ZONES = Intl.supportedValuesOf('timeZone');
const PERIODS = 15;

const formats = new Map<string, Intl.DateTimeFormat>();
function local(instant: number, timeZone: string): { month: string; day: string } {
  let format = formats.get(timeZone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone,
      year: 'numeric',
      month: '2-digit',
      day: '2-digit',
    });
    formats.set(timeZone, format);
  }
  const parts = Object.fromEntries(
    format.formatToParts(instant).map(({ type, value }) => [type, value]),
  );
  return {
    month: `${parts['year']}-${parts['month']}`,
    day: parts['day'] ?? '',
  };
}

describe('billing periods of a calendar anchor', () => {
  it('tile time without gap or overlap, and end at the first instant of a local month', () => {
    assert(
      property(
        constantFrom(...ZONES),
        date({
          min: new Date('1975-01-01T00:00:00Z'),
          max: new Date('2050-01-01T00:00:00Z'),
          noInvalidDate: true,
        }),
        (timeZone, startsAt) => {
          let start = startsAt;
          for (let index = 0; index < PERIODS; index += 1) {
            const window = windowFrom(start, timeZone, null)!;
            expect(window.start).toEqual(start);
            const end = window.end.getTime();
            const [before, at] = [local(end - 1, timeZone), local(end, timeZone)];
            expect([at.day, before.month === at.month]).toEqual(['01', false]);
            expect(end - start.getTime()).toBeLessThan(32 * 86_400_000);
            expect(index === 0 || end - start.getTime() > 27 * 86_400_000).toBe(true);
            start = window.end;
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it('come out the same wherever in the month one looks from', () => {
    assert(
      property(
        constantFrom(...ZONES),
        date({
          min: new Date('1990-01-01T00:00:00Z'),
          max: new Date('2040-01-01T00:00:00Z'),
          noInvalidDate: true,
        }),
        (timeZone, instant) => {
          const end = nextStartOfMonth(instant, timeZone);
          const just = new Date(end.getTime() - 1);
          expect(nextStartOfMonth(just, timeZone)).toEqual(end);
        },
      ),
    );
  });

  it.each([
    ['UTC', 2026, 12, '2026-12-01T00:00:00.000Z'],
    ['Europe/Berlin', 2026, 11, '2026-10-31T23:00:00.000Z'],
    ['Europe/Berlin', 2026, 7, '2026-06-30T22:00:00.000Z'],
    ['Asia/Kathmandu', 2026, 11, '2026-10-31T18:15:00.000Z'],
    ['Pacific/Kiritimati', 2026, 11, '2026-10-31T10:00:00.000Z'],
    // The clock goes back from 1:00 to 0:00 on the 1st: midnight comes twice, the first one counts.
    ['America/Havana', 2026, 11, '2026-11-01T04:00:00.000Z'],
    // It jumped from 0:00 to 1:00 on the 1st: there is no midnight.
    ['America/Sao_Paulo', 2000, 10, '2000-10-01T03:00:00.000Z'],
    ['Asia/Amman', 2011, 4, '2011-03-31T22:00:00.000Z'],
    // It went back at 0:01 to 23:01: the month begins, and begins again 59 minutes later.
    ['America/St_Johns', 2009, 11, '2009-11-01T02:30:00.000Z'],
  ])('in %s %s-%s starts at %s', (timeZone, year, month, start) => {
    expect(startOfMonth(year, month, timeZone).toISOString()).toBe(start);
  });

  it('of a start in the repeated evening end a month later, not a minute later', () => {
    const repeated = new Date('2009-11-01T03:00:00Z');
    const window = windowFrom(repeated, 'America/St_Johns', null);
    expect(window?.end.toISOString()).toBe('2009-12-01T03:30:00.000Z');
  });

  it('end with the subscription', () => {
    const start = new Date('2026-11-10T00:00:00Z');
    const end = new Date('2026-11-20T00:00:00Z');
    expect(windowFrom(start, 'UTC', end)).toEqual({ start, end });
    expect(windowFrom(end, 'UTC', end)).toBeNull();
    expect(windowFrom(end, 'UTC', start)).toBeNull();
    const later = new Date('2026-12-20T00:00:00Z');
    expect(windowFrom(start, 'UTC', later)?.end.toISOString()).toBe('2026-12-01T00:00:00.000Z');
  });
});

describe('describeWindow', () => {
  it.each([
    ['2026-10-31T23:00:00Z', '2026-11-30T23:00:00Z', 'Europe/Berlin', 'Nov 1 – Nov 30, 2026'],
    ['2026-12-15T12:00:00Z', '2027-01-01T00:00:00Z', 'UTC', 'Dec 15 – Dec 31, 2026'],
    ['2026-12-15T12:00:00Z', '2027-01-02T00:00:01Z', 'UTC', 'Dec 15, 2026 – Jan 2, 2027'],
    ['2026-11-30T00:00:00Z', '2026-12-01T00:00:00Z', 'UTC', 'Nov 30, 2026'],
  ])('says %s to %s in %s as %s', (start, end, timeZone, text) => {
    expect(describeWindow(interval(new Date(start), new Date(end)), timeZone)).toBe(text);
  });
});
