import { DateTime, IANAZone } from 'luxon';

/** RFC 3339 date-time: the offset is required, a fraction of any length allowed. */
const RFC_3339 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

const MICROSECOND_DIGITS = 6;

/** An instant to the microsecond, which is what PostgreSQL keeps. */
export interface PreciseInstant {
  /** Milliseconds since 1970, UTC, rounded down. */
  readonly epochMs: number;
  /** ISO 8601 in UTC with at most six digits of a second's fraction; longer ones are cut, never rounded up into the next hour. */
  readonly iso: string;
}

/** What most senders write, in the form that is kept: UTC with a fraction of at most six digits. */
const USUAL = /^(?!0000)\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d{1,6})?Z$/;
const IN_EVERY_MONTH = '28';
/** Years beyond 9999 are written with a sign. */
const END_OF_FOUR_DIGITS = Date.UTC(10_000, 0);

/**
 * Reads an RFC 3339 date-time. A leap second (`:60`) counts as the last microsecond of its minute.
 *
 * @returns null when the text is no date-time, or names a day or hour that does not exist
 */
export function parseInstant(text: string): PreciseInstant | null {
  if (USUAL.test(text)) {
    const epochMs = Date.parse(text);
    const day = text.slice(8, 10);
    // Date.parse lets 30 February run over into March.
    const isDay = day <= IN_EVERY_MONTH || new Date(epochMs).getUTCDate() === Number(day);
    if (isDay && !Number.isNaN(epochMs)) {
      return { epochMs, iso: text };
    }
  }
  const match = RFC_3339.exec(text);
  if (match === null) {
    return null;
  }
  const [, year, month, day, hour, minute, second, fraction = '', sign, offHour, offMinute] = match;
  const isLeapSecond = second === '60';
  const seconds = isLeapSecond ? 59 : Number(second);
  const micros = isLeapSecond
    ? '999999'
    : fraction.slice(0, MICROSECOND_DIGITS).padEnd(MICROSECOND_DIGITS, '0');
  if (Number(hour) > 23 || Number(minute) > 59 || seconds > 59) {
    return null;
  }
  const local = new Date(0);
  local.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  if (local.getUTCMonth() !== Number(month) - 1 || local.getUTCDate() !== Number(day)) {
    return null;
  }
  const offset = offsetMs(sign, offHour, offMinute);
  if (offset === null) {
    return null;
  }
  const wholeSecond = local.setUTCHours(Number(hour), Number(minute), seconds) - offset;
  const iso = new Date(wholeSecond).toISOString();
  // The offset may lead out of the years 1 to 9999, which is all that this notation can say.
  if (!/^(?!0000)\d{4}-/.test(iso)) {
    return null;
  }
  return {
    epochMs: wholeSecond + Number(micros.slice(0, 3)),
    iso: `${iso.slice(0, -5)}.${micros}Z`,
  };
}

/**
 * The instant of a text that `parseInstant` takes, to the millisecond. `new Date(text)` would not do:
 * it knows no leap second.
 *
 * @throws RangeError when the text is no date-time
 */
export function instantOf(text: string): Date {
  const instant = parseInstant(text);
  if (instant === null) {
    throw new RangeError(`'${text}' is no time with an offset`);
  }
  return new Date(instant.epochMs);
}

function offsetMs(sign: string | undefined, hours = '00', minutes = '00'): number | null {
  if (Number(hours) > 23 || Number(minutes) > 59) {
    return null;
  }
  const size = (Number(hours) * 60 + Number(minutes)) * 60_000;
  return sign === '-' ? -size : size;
}

/** Whether the name is a time zone of the IANA database that this runtime knows. */
export function isTimeZone(name: unknown): name is string {
  return (
    typeof name === 'string' && /^(?:UTC|[A-Za-z_]+\/.+)$/.test(name) && IANAZone.isValidZone(name)
  );
}

/** ISO 8601 with the offset that the zone has at that instant. */
export function formatInstant(instant: Date, timeZone = 'UTC'): string {
  if (timeZone === 'UTC' && instant.getTime() >= 0 && instant.getTime() < END_OF_FOUR_DIGITS) {
    // The usual case, for which a calendar takes fifty times as long.
    return instant.toISOString().replace('.000Z', 'Z');
  }
  const zoned = DateTime.fromJSDate(instant, { zone: timeZone });
  const text = zoned.toISO({ suppressMilliseconds: true });
  if (text === null) {
    throw new RangeError(`Cannot show an instant in '${timeZone}'`);
  }
  return text;
}
