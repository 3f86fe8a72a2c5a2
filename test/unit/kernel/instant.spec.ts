import fc from 'fast-check';
import { DateTime } from 'luxon';
import { formatInstant, instantOf, isTimeZone, parseInstant } from '../../../src/kernel/instant.js';

/** The same instant with six digits of fraction, however many were written. */
function toMicros(iso: string | undefined): string | undefined {
  return iso?.replace(
    /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z$/,
    (_, second: string, fraction = '') => `${second}.${String(fraction).padEnd(6, '0')}Z`,
  );
}

describe('parseInstant', () => {
  it.each([
    ['2026-11-03T10:20:30Z', '2026-11-03T10:20:30.000000Z'],
    ['2026-11-03t10:20:30z', '2026-11-03T10:20:30.000000Z'],
    ['2026-11-03T10:20:30.1Z', '2026-11-03T10:20:30.100000Z'],
    ['2026-11-03T10:20:30.123456Z', '2026-11-03T10:20:30.123456Z'],
    // Cut, not rounded: neither into the next microsecond nor into the next hour.
    ['2026-11-03T10:20:30.1234569Z', '2026-11-03T10:20:30.123456Z'],
    ['2026-11-03T10:59:59.9999999999Z', '2026-11-03T10:59:59.999999Z'],
    // Offsets.
    ['2026-11-03T10:20:30+01:00', '2026-11-03T09:20:30.000000Z'],
    ['2026-11-03T10:20:30-05:30', '2026-11-03T15:50:30.000000Z'],
    ['2026-11-03T10:20:30-00:00', '2026-11-03T10:20:30.000000Z'],
    ['2026-01-01T00:30:00+14:00', '2025-12-31T10:30:00.000000Z'],
    ['2026-12-31T23:59:59.999999-23:59', '2027-01-01T23:58:59.999999Z'],
    // Leap seconds, also behind an offset.
    ['2016-12-31T23:59:60Z', '2016-12-31T23:59:59.999999Z'],
    ['2016-12-31T23:59:60.5Z', '2016-12-31T23:59:59.999999Z'],
    ['2017-01-01T00:59:60+01:00', '2016-12-31T23:59:59.999999Z'],
    // Leap years.
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000000Z'],
    ['2000-02-29T00:00:00Z', '2000-02-29T00:00:00.000000Z'],
    // Years below 100 are not those of the last century.
    ['0099-06-01T00:00:00Z', '0099-06-01T00:00:00.000000Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000000Z'],
    ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59.000000Z'],
  ])('reads %s', (text, iso) => {
    const read = parseInstant(text);
    expect(toMicros(read?.iso)).toBe(iso);
    expect(read?.epochMs).toBe(Date.parse(`${iso.slice(0, 23)}Z`));
  });

  it.each([
    ...['', 'yesterday', '2026-11-03', '2026-11-03T10:20:30', '2026-11-03T10:20Z', '1762165230'],
    ...[
      '2026-11-03 10:20:30Z',
      '2026-11-03T10:20:30.Z',
      '2026-11-03T10:20:30,5Z',
      '20261103T102030Z',
    ],
    ...[
      '2026-02-29T00:00:00Z',
      '2026-02-30T00:00:00Z',
      '1900-02-29T00:00:00Z',
      '2026-04-31T00:00:00Z',
    ],
    ...[
      '2026-00-10T00:00:00Z',
      '2026-13-01T00:00:00Z',
      '2026-01-00T00:00:00Z',
      '2026-01-32T00:00:00Z',
    ],
    ...[
      '2026-11-03T24:00:00Z',
      '2026-11-03T10:60:00Z',
      '2026-11-03T10:20:61Z',
      '2026-11-03T25:00:00Z',
    ],
    ...['2026-11-03T10:20:30+24:00', '2026-11-03T10:20:30+01:60', '2026-11-03T10:20:30+0100'],
    ...['2026-11-03T10:20:30+01', '2026-11-03T10:20:30 +01:00', '+12026-11-03T10:20:30Z'],
    ...['2026-11-03T10:20:30Z\n', ' 2026-11-03T10:20:30Z', '2026-11-03T10:20:30ZZ'],
    // Beyond the years of four digits, where neither ISO 8601 nor PostgreSQL reads it.
    ...['0000-01-01T00:00:00Z', '0000-12-31T23:59:59.5Z'],
    ...['0001-01-01T00:00:00+01:00', '9999-12-31T23:59:59-01:00'],
  ])('refuses %p', (text) => {
    expect(parseInstant(text)).toBeNull();
  });

  it('reads back what a Date writes, at any offset', () => {
    fc.assert(
      fc.property(
        fc.date({
          min: new Date('0002-01-01T00:00:00Z'),
          max: new Date('9998-12-31T00:00:00Z'),
          noInvalidDate: true,
        }),
        fc.integer({ min: -23 * 60, max: 23 * 60 }),
        (date, minutes) => {
          const local = new Date(date.getTime() + minutes * 60_000).toISOString().slice(0, -1);
          const size = Math.abs(minutes);
          const offset = `${minutes < 0 ? '-' : '+'}${String(Math.floor(size / 60)).padStart(2, '0')}:${String(size % 60).padStart(2, '0')}`;
          expect(parseInstant(`${local}${offset}`)?.epochMs).toBe(date.getTime());
          expect(parseInstant(date.toISOString())?.epochMs).toBe(date.getTime());
        },
      ),
    );
  });

  it('never throws', () => {
    fc.assert(
      fc.property(
        fc.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/),
        (text) => {
          const read = parseInstant(text);
          expect(
            read === null || /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z$/.test(read.iso),
          ).toBe(true);
        },
      ),
    );
  });
});

describe('isTimeZone', () => {
  it.each(['UTC', 'Europe/Berlin', 'America/Argentina/Buenos_Aires', 'Etc/GMT+5', 'Asia/Kolkata'])(
    'knows %s',
    (name) => {
      expect(isTimeZone(name)).toBe(true);
    },
  );

  it.each(['', 'Mars/Olympus', 'CEST', '+01:00', 'local', 'system', 'utc+1', 'Europe/', 7, null])(
    'does not know %p',
    (name) => {
      expect(isTimeZone(name)).toBe(false);
    },
  );
});

describe('formatInstant', () => {
  it.each([
    ['2026-11-03T10:20:30Z', 'UTC', '2026-11-03T10:20:30Z'],
    ['2026-11-03T10:20:30.5Z', 'UTC', '2026-11-03T10:20:30.500Z'],
    ['2026-07-01T00:00:00Z', 'Europe/Berlin', '2026-07-01T02:00:00+02:00'],
    ['2026-01-01T00:00:00Z', 'Europe/Berlin', '2026-01-01T01:00:00+01:00'],
    // The hour that is there twice: told apart by the offset.
    ['2026-10-25T00:30:00Z', 'Europe/Berlin', '2026-10-25T02:30:00+02:00'],
    ['2026-10-25T01:30:00Z', 'Europe/Berlin', '2026-10-25T02:30:00+01:00'],
    // The hour that is missing.
    ['2026-03-29T00:59:59Z', 'Europe/Berlin', '2026-03-29T01:59:59+01:00'],
    ['2026-03-29T01:00:00Z', 'Europe/Berlin', '2026-03-29T03:00:00+02:00'],
    ['2026-11-03T00:00:00Z', 'Asia/Kathmandu', '2026-11-03T05:45:00+05:45'],
  ])('shows %s in %s', (instant, zone, text) => {
    expect(formatInstant(new Date(instant), zone)).toBe(text);
    expect(parseInstant(text)?.epochMs).toBe(Date.parse(instant));
  });

  it('shows UTC as a calendar does, in any year', () => {
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true }), fc.boolean(), (date, isWhole) => {
        const instant = isWhole ? new Date(Math.floor(date.getTime() / 1_000) * 1_000) : date;
        const calendar = DateTime.fromJSDate(instant, { zone: 'UTC' });
        expect(formatInstant(instant)).toBe(calendar.toISO({ suppressMilliseconds: true }));
      }),
    );
  });

  it('refuses a zone that does not exist', () => {
    expect(() => formatInstant(new Date(0), 'Mars/Olympus')).toThrow(RangeError);
  });
});

describe('instantOf', () => {
  it('is the instant to the millisecond, a leap second within its minute', () => {
    expect(instantOf('2026-11-03T10:20:30.123999+01:00')).toEqual(
      new Date('2026-11-03T09:20:30.123Z'),
    );
    expect(instantOf('2016-12-31T23:59:60Z')).toEqual(new Date('2016-12-31T23:59:59.999Z'));
  });

  it('refuses what is no time', () => {
    expect(() => instantOf('tomorrow')).toThrow(RangeError);
  });
});
