/* How a parsed record is looked into: pure rules over JSON values whose long numbers are kept as text. */
import { isLosslessNumber } from 'lossless-json';
import { OutOfRangeNumber } from '../events/usage-event.js';
import { type Decimal, decimal } from '../kernel/decimal.js';
import { parsePropertyPath } from '../kernel/property-path.js';

/** Member names on the way to a property. */
export type Path = readonly string[];

const NUMBER = /^-?\d{1,50}(?:\.\d{1,50})?$/;
/** What a double holds as it stands: a request with no longer number, and no exponent, is read into doubles. */
const SHORT_NUMBER = /^-?[\d.]{1,15}$/;

/** The member names of a path that was checked before. */
export function toPath(text: string): Path {
  const path = parsePropertyPath(text);
  if (path === null) {
    throw new RangeError(`'${text}' is no path`);
  }
  return path;
}

/** Whether the value has members: no list, and no number that was kept as text. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !isLosslessNumber(value)
  );
}

/** What the path leads to; undefined when it leads nowhere. */
export function valueAt(record: unknown, path: Path): unknown {
  let value = record;
  for (const step of path) {
    if (!isRecord(value) || !Object.hasOwn(value, step)) {
      return undefined;
    }
    value = value[step];
  }
  return value;
}

/**
 * The text of a text or number; null when there is none. Of a list the first member counts, as in
 * headers that gateways log as lists. Empty text and `-` are how gateways write that there is none.
 */
export function textAt(record: unknown, path: Path): string | null {
  const value = firstOf(valueAt(record, path));
  const text = typeof value === 'boolean' ? null : textOf(value);
  return text === '' || text === '-' ? null : text;
}

/** The text of the first of these paths that leads to one. */
export function firstTextAt(record: unknown, paths: readonly Path[]): string | null {
  for (const path of paths) {
    const text = textAt(record, path);
    if (text !== null) {
      return text;
    }
  }
  return null;
}

/** The first member of a list, or the value itself. */
export function firstOf(value: unknown): unknown {
  return Array.isArray(value) ? (value as unknown[])[0] : value;
}

/**
 * A text, number or boolean as text; null for anything else. The same for the same number whatever
 * numbers stood beside it, since an id may be made of it: `1.50` is `1.5` when it is read alone.
 */
export function textOf(value: unknown): string | null {
  if (isLosslessNumber(value)) {
    return SHORT_NUMBER.test(value.value) ? String(Number(value.value)) : value.value;
  }
  return ['string', 'number', 'boolean'].includes(typeof value) ? String(value) : null;
}

/** The number that a value is, or that its text says; null when it is none. */
export function numberOf(value: unknown): Decimal | null {
  if (typeof value === 'number') {
    return Number.isFinite(value) ? decimal(String(value)) : null;
  }
  if (isLosslessNumber(value)) {
    return value instanceof OutOfRangeNumber ? null : decimal(value.value);
  }
  return typeof value === 'string' && NUMBER.test(value) ? decimal(value) : null;
}

/** Whether lists and objects lie deeper in each other than this. */
export function isDeeperThan(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null || isLosslessNumber(value)) {
    return false;
  }
  if (levels === 0) {
    return true;
  }
  // Without a list of members: this is asked of every record.
  for (const name in value) {
    if (isDeeperThan((value as Record<string, unknown>)[name], levels - 1)) {
      return true;
    }
  }
  return false;
}
