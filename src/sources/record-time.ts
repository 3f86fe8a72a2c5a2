/* The notations in which gateways write when something happened. Pure. */
import { decimal } from '../kernel/decimal.js';
import { parseInstant } from '../kernel/instant.js';

export const TIME_UNITS = ['s', 'ms', 'us', 'ns'] as const;

/** What a number counts since 1970. */
export type TimeUnit = (typeof TIME_UNITS)[number];

/** Powers of ten from a unit to the microsecond, which is what is kept. */
const TO_MICROSECONDS: Readonly<Record<TimeUnit, number>> = { s: 6, ms: 3, us: 0, ns: -3 };

/**
 * Digits before the point that a number of this unit has at most. From 2001 to 2286 seconds have 10,
 * milliseconds 13, microseconds 16 and nanoseconds 19.
 */
const MAX_DIGITS: readonly (readonly [digits: number, unit: TimeUnit])[] = [
  [11, 's'],
  [14, 'ms'],
  [17, 'us'],
  [20, 'ns'],
];

const EPOCH = /^(\d{1,20})(?:\.\d{1,20})?$/;
/** What most gateways write, of which a double holds every digit. */
const MILLISECONDS = /^[1-9]\d{11,12}$/;
const EXPONENT = /^\d{1,20}(?:\.\d{1,30})?[eE]\+?\d{1,2}$/;
const ISO = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d(?:[.,]\d+)?) ?(Z|z|[+-]\d\d(?::?\d\d)?)?$/;
/** As in the common log format: `10/Oct/2000:13:55:36 -0700`. */
const COMMON_LOG =
  /^\[?(\d\d)\/([A-Z][a-z]{2})\/(\d{4}):(\d\d:\d\d:\d\d(?:\.\d+)?)(?: ([+-]\d\d)(\d\d))?\]?$/;
const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
/** The last microsecond of the year 9999. */
const MAX_MICROSECONDS = 253_402_300_799_999_999n;

/**
 * Reads a time as RFC 3339 (a missing offset means UTC), as the common log format writes it, or as a
 * number since 1970 whose unit is given or told by its magnitude.
 *
 * @returns RFC 3339 in UTC, to the microsecond; null when the text is no time
 */
export function readRecordTime(text: string, unit: TimeUnit | null): string | null {
  const trimmed = text.trim();
  if (EPOCH.test(trimmed) || EXPONENT.test(trimmed)) {
    return readEpoch(trimmed, unit);
  }
  return parseInstant(readIso(trimmed) ?? readCommonLog(trimmed) ?? '')?.iso ?? null;
}

function readEpoch(text: string, unit: TimeUnit | null): string | null {
  if (MILLISECONDS.test(text) && (unit ?? 'ms') === 'ms') {
    return new Date(Number(text)).toISOString();
  }
  const number = decimal(text);
  const digits = number.toFixed(0, 0).length;
  const power = TO_MICROSECONDS[unit ?? MAX_DIGITS.find(([most]) => digits <= most)?.[1] ?? 'ns'];
  const micros = BigInt(number.times(decimal(`1e${power}`)).toFixed(0, 0));
  if (micros > MAX_MICROSECONDS) {
    return null;
  }
  const milliseconds = new Date(Number(micros / 1_000n)).toISOString().slice(0, -1);
  return `${milliseconds}${String(micros % 1_000n).padStart(3, '0')}Z`;
}

function readIso(text: string): string | null {
  const [, date, time, offset] = ISO.exec(text) ?? [];
  return date === undefined || time === undefined
    ? null
    : `${date}T${time.replace(',', '.')}${toOffset(offset)}`;
}

function readCommonLog(text: string): string | null {
  const [, day, month = '', year, time, hours, minutes = '00'] = COMMON_LOG.exec(text) ?? [];
  const number = String(MONTHS.indexOf(month) + 1).padStart(2, '0');
  const offset = hours === undefined ? 'Z' : `${hours}:${minutes}`;
  return day === undefined ? null : `${year ?? ''}-${number}-${day}T${time ?? ''}${offset}`;
}

function toOffset(offset: string | undefined): string {
  if (offset === undefined || /^z$/i.test(offset)) {
    return 'Z';
  }
  return `${offset.slice(0, 3)}:${offset.slice(3).replace(':', '') || '00'}`;
}
