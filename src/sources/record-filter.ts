/* Which records are not usage. Pure. */
import { firstOf, numberOf, type Path, textOf, toPath, valueAt } from './record.js';

/** How a property of a record is compared; one that is missing passes `ne`, and `exists` of false. */
export const RECORD_OPERATORS = [
  'eq',
  'ne',
  'in',
  'gt',
  'gte',
  'lt',
  'lte',
  'exists',
  'prefix',
] as const;

export type RecordOperator = (typeof RECORD_OPERATORS)[number];
export type RecordScalar = string | number | boolean;

export interface RecordFilter {
  /** Path in the record, such as `$.status`. */
  readonly property: string;
  readonly op: RecordOperator;
  /** For `in` a list; for `exists` whether it must be there, which is true when left out. */
  readonly value?: RecordScalar | readonly RecordScalar[];
}

/** A test of records. */
export type RecordTest = (record: unknown) => boolean;

/** The filter as a test. */
export function compileFilter(filter: RecordFilter): RecordTest {
  const path = toPath(filter.property);
  return (record) => matches(record, path, filter);
}

function matches(record: unknown, path: Path, { op, value = true }: RecordFilter): boolean {
  const actual = firstOf(valueAt(record, path));
  switch (op) {
    case 'eq':
      return isSame(actual, value);
    case 'ne':
      return !isSame(actual, value);
    case 'in':
      return Array.isArray(value) && value.some((one: unknown) => isSame(actual, one));
    case 'exists':
      return (actual !== undefined && actual !== null) === (value !== false);
    case 'prefix':
      return typeof value === 'string' && (textOf(actual)?.startsWith(value) ?? false);
    case 'gt':
      return compare(actual, value, (order) => order > 0);
    case 'gte':
      return compare(actual, value, (order) => order >= 0);
    case 'lt':
      return compare(actual, value, (order) => order < 0);
    case 'lte':
      return compare(actual, value, (order) => order <= 0);
  }
}

/** Gateways write the same status as 200 or as "200": both are the number, and the text. */
function isSame(actual: unknown, expected: unknown): boolean {
  return (
    (textOf(actual) !== null && textOf(actual) === textOf(expected)) ||
    (typeof expected === 'number' && compare(actual, expected, (order) => order === 0))
  );
}

function compare(actual: unknown, expected: unknown, holds: (order: number) => boolean): boolean {
  const left = numberOf(actual);
  const right = numberOf(expected);
  return left !== null && right !== null && holds(left.cmp(right));
}
