/* What a filter may be, as it comes from outside. Pure. */
import { isDecimal } from '../kernel/decimal.js';
import { FILTER_OPERATORS, type FilterOperator, type MeterFilter } from './meter.js';

export const MAX_FILTER_CONDITIONS = 50;
/** Of filters in each other, the list of the meter not counted. */
export const MAX_FILTER_DEPTH = 5;
const MAX_VALUES = 100;
const MAX_VALUE_LENGTH = 256;
/** More than these a double does not keep, and the request was read into doubles. */
const MAX_NUMBER_DIGITS = 15;

export const FILTER_VALUE_RULE = `must be text of at most ${MAX_VALUE_LENGTH} characters, a number of at most ${MAX_NUMBER_DIGITS} digits or a boolean; for lt, lte, gt, gte a number; for prefix text; for in, not_in a list of 1 to ${MAX_VALUES} of these; for exists a boolean or nothing`;

/** Whether a condition with this operator may have the value; an unknown operator is refused itself. */
export function isFilterValue(op: FilterOperator | undefined, value: unknown): boolean {
  // It may be anything.
  switch (FILTER_OPERATORS.find((known) => known === op)) {
    case 'in':
    case 'not_in':
      return (
        Array.isArray(value) &&
        value.length > 0 &&
        value.length <= MAX_VALUES &&
        value.every(isScalar)
      );
    case 'lt':
    case 'lte':
    case 'gt':
    case 'gte':
      return isNumber(value);
    case 'exists':
      return value === undefined || typeof value === 'boolean';
    case 'prefix':
      return isText(value);
    case 'eq':
    case 'ne':
      return isScalar(value);
    case undefined:
      return true;
  }
}

/** Whether there are not too many conditions, and not too deep in each other. */
export function isWithinBounds(filters: unknown): boolean {
  const count = countConditions(filters, 0);
  return count !== null && count <= MAX_FILTER_CONDITIONS;
}

/** Null when they lie too deep. What is no filter counts as a condition, and is refused itself. */
function countConditions(filters: unknown, depth: number): number | null {
  if (!Array.isArray(filters)) {
    return 1;
  }
  if (depth > MAX_FILTER_DEPTH) {
    return null;
  }
  let total = 0;
  for (const filter of filters as unknown[]) {
    const { all, any } = { ...(filter as { all?: unknown; any?: unknown } | null) };
    const inner =
      all === undefined && any === undefined ? 1 : countConditions(all ?? any, depth + 1);
    if (inner === null) {
      return null;
    }
    total += inner;
  }
  return total;
}

/** What was judged as a filter, and nothing else that it may hold. */
export function toFilter(given: {
  readonly property?: unknown;
  readonly op?: unknown;
  readonly value?: unknown;
  readonly all?: readonly object[];
  readonly any?: readonly object[];
}): MeterFilter {
  if (given.all !== undefined) {
    return { all: given.all.map(toFilter) };
  }
  if (given.any !== undefined) {
    return { any: given.any.map(toFilter) };
  }
  const { property, op, value = true } = given;
  return { property, op, value } as MeterFilter;
}

function isScalar(value: unknown): boolean {
  return typeof value === 'boolean' || isNumber(value) || isText(value);
}

function isNumber(value: unknown): boolean {
  const text = typeof value === 'number' ? String(value) : '';
  const digits = text.replaceAll(/^-?[0.]*|\./g, '').length;
  return isDecimal(text) && digits <= MAX_NUMBER_DIGITS;
}

function isText(value: unknown): boolean {
  return (
    typeof value === 'string' &&
    value.length <= MAX_VALUE_LENGTH &&
    value.isWellFormed() &&
    !value.includes('\0')
  );
}
