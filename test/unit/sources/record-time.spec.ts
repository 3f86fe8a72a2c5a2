import fc from 'fast-check';
import { readRecordTime, TIME_UNITS } from '../../../src/sources/record-time.js';

const MICROSECONDS = { s: 1_000_000n, ms: 1_000n, us: 1n, ns: 1n } as const;
/** From 2001-09-09, from when on magnitudes tell the units apart, to 2286. */
const instant = fc.bigInt({ min: 1_000_000_000_000_000n, max: 9_999_999_999_999_999n });

function isoOf(micros: bigint): string {
  const milliseconds = new Date(Number(micros / 1_000n)).toISOString().slice(0, -1);
  return `${milliseconds}${String(micros % 1_000n).padStart(3, '0')}Z`;
}

/** With all six digits, of which zeros may be left out. */
function precise(iso: string | null): string | undefined {
  return iso?.replace(/(\.\d{3})Z$/, '$1000Z');
}

describe('readRecordTime', () => {
  it.each([
    ['2026-11-21T01:44:35.068Z', '2026-11-21T01:44:35.068Z'],
    ['2026-11-21T02:28:57.565', '2026-11-21T02:28:57.565Z'],
    ['2026-11-21 02:28:57', '2026-11-21T02:28:57Z'],
    ['2026-11-21T02:28:57,5', '2026-11-21T02:28:57.5Z'],
    ['2026-11-21T02:15:12+00:00', '2026-11-21T02:15:12.000000Z'],
    ['2026-11-21T02:15:12+0100', '2026-11-21T01:15:12.000000Z'],
    ['2026-11-21 02:15:12-05', '2026-11-21T07:15:12.000000Z'],
    ['2026-11-21T02:15:12.123456789Z', '2026-11-21T02:15:12.123456Z'],
    ['10/Oct/2000:13:55:36 -0700', '2000-10-10T20:55:36.000000Z'],
    ['[10/Oct/2000:13:55:36 +0530]', '2000-10-10T08:25:36.000000Z'],
    ['10/Oct/2000:13:55:36', '2000-10-10T13:55:36Z'],
    ['1795227312', '2026-11-21T02:15:12.000000Z'],
    ['1795227312.492', '2026-11-21T02:15:12.492000Z'],
    [' 1795227312.4921239 ', '2026-11-21T02:15:12.492123Z'],
    ['1795227312492', '2026-11-21T02:15:12.492Z'],
    ['1795227312492123', '2026-11-21T02:15:12.492123Z'],
    ['1795227312492123999', '2026-11-21T02:15:12.492123Z'],
    ['1.795227312492e9', '2026-11-21T02:15:12.492000Z'],
    ['0', '1970-01-01T00:00:00.000000Z'],
  ])('reads %p', (text, iso) => {
    expect(readRecordTime(text, null)).toBe(iso);
  });

  it.each([
    ...['', '-', 'now', '2026-11-21', '2026-13-01T00:00:00Z', '2026-02-30T00:00:00Z'],
    ...['32/Oct/2000:13:55:36 -0700', '10/Okt/2000:13:55:36 -0700', '10/Oct/2000 13:55:36'],
    ...['-5', '1e99', '9'.repeat(21), '1795227312abc', 'NaN', 'Infinity', '0x10'],
  ])('takes %p for no time', (text) => {
    expect(readRecordTime(text, null)).toBeNull();
  });

  it('goes by the unit that is said, not by the magnitude', () => {
    expect(readRecordTime('1795227312', 'ms')).toBe('1970-01-21T18:40:27.312000Z');
    expect(readRecordTime('1795227312492', 's')).toBeNull();
    expect(readRecordTime('2026-11-21T01:44:35Z', 'ns')).toBe('2026-11-21T01:44:35Z');
  });

  it.each(TIME_UNITS)('tells %s by their magnitude, to the microsecond', (unit) => {
    fc.assert(
      fc.property(instant, (micros) => {
        const scale = MICROSECONDS[unit];
        const fraction =
          scale === 1n ? '' : `.${String(micros % scale).padStart(unit === 's' ? 6 : 3, '0')}`;
        const text = unit === 'ns' ? `${micros}789` : `${micros / scale}${fraction}`;
        expect(precise(readRecordTime(text, null))).toBe(isoOf(micros));
        expect(precise(readRecordTime(text, unit))).toBe(isoOf(micros));
      }),
    );
  });

  it('never fails, whatever the text', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom(null, ...TIME_UNITS), (text, unit) => {
        const iso = readRecordTime(text, unit);
        expect(iso === null || /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(iso)).toBe(true);
      }),
    );
  });
});
