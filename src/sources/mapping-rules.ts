/* What a mapping may be, as it comes from outside. Pure. */
import { parsePropertyPath, PROPERTY_PATH_RULE } from '../kernel/property-path.js';
import { isDecimal } from '../kernel/decimal.js';
import { RECORD_OPERATORS, type RecordOperator } from './record-filter.js';
import { TIME_UNITS } from './record-time.js';
import { isSecretName } from './secrets.js';

const MAX_ALTERNATIVES = 8;
const MAX_FIELDS = 50;
const MAX_TYPE_LENGTH = 256;
const MAX_FILTER_VALUE_LENGTH = 256;
const MAX_FILTER_VALUES = 50;
const FIELD_NAME = /^(?!__proto__$|constructor$)[A-Za-z_][A-Za-z0-9_.-]{0,63}$/;

export const PATH_RULE = PROPERTY_PATH_RULE;
const PATHS_RULE = `a path, or a list of 1 to ${MAX_ALTERNATIVES} paths of which the first that is there counts; a path ${PROPERTY_PATH_RULE}`;
export const ID_RULE = `must be a path, { "join": [paths] }, or null for a hash of the record; a path ${PROPERTY_PATH_RULE}`;
export const SUBJECT_RULE = `must be ${PATHS_RULE}`;
export const TYPE_RULE = `must be { "value": "api.request" } with text of 1 to ${MAX_TYPE_LENGTH} characters, or a path; a path ${PROPERTY_PATH_RULE}`;
export const TIME_RULE = `must be ${PATHS_RULE}; or { "path": "$.ts", "unit": "${TIME_UNITS.join('|')}" }, or null for the time of receipt`;
export const SEQUENCE_RULE = `must be a path, or { "path": "$.n", "of": "$.node" } whose "of" is a path or { "join": [paths] }, or null for none; a path ${PROPERTY_PATH_RULE}`;
export const DATA_RULE = `must be an object of at most ${MAX_FIELDS} names, each with its path, such as { "bytes": "$.response.size" }; or the path of an object that is kept whole`;
export const FILTER_VALUE_RULE = `must be text of at most ${MAX_FILTER_VALUE_LENGTH} characters, a number or a boolean; for gt, gte, lt, lte a number; for prefix text; for in a list of 1 to ${MAX_FILTER_VALUES} of these; for exists a boolean or nothing`;
export const SECRET_RULE =
  'points at a header that holds secrets, such as authorization, cookie or x-api-key; these are never stored';

/** Whether the value is a path. */
export function isPath(value: unknown): value is string {
  return parsePropertyPath(value) !== null;
}

/** Whether the value says where the id of a record is. */
export function isIdRule(value: unknown): boolean {
  return (
    value === null || isPath(value) || (isObjectOf(value, ['join']) && isPathList(value['join']))
  );
}

/** Whether the value names one or several places. */
export function isPathOrPaths(value: unknown): boolean {
  return isPath(value) || isPathList(value);
}

/** Whether the value says what the type of events is. */
export function isTypeRule(value: unknown): boolean {
  return (
    isPath(value) ||
    (isObjectOf(value, ['value']) &&
      isText(value['value'], MAX_TYPE_LENGTH) &&
      value['value'] !== '')
  );
}

/** Whether the value says where the time of a record is. */
export function isTimeRule(value: unknown): boolean {
  if (value === null || isPathOrPaths(value)) {
    return true;
  }
  return (
    isObjectOf(value, ['path', 'unit']) &&
    isPath(value['path']) &&
    (value['unit'] === undefined || TIME_UNITS.some((unit) => unit === value['unit']))
  );
}

/** Whether the value says where the number of a record is. */
export function isSequenceRule(value: unknown): boolean {
  if (value === null || isPath(value)) {
    return true;
  }
  return (
    isObjectOf(value, ['path', 'of']) &&
    isPath(value['path']) &&
    (value['of'] === undefined || (value['of'] !== null && isIdRule(value['of'])))
  );
}

/** Whether the value says what is kept of a record. */
export function isDataRule(value: unknown): boolean {
  if (isPath(value)) {
    return true;
  }
  return (
    isObject(value) &&
    Object.keys(value).length <= MAX_FIELDS &&
    Object.entries(value).every(([name, path]) => FIELD_NAME.test(name) && isPath(path))
  );
}

/** Whether a filter with this operator may have the value. */
export function isFilterValue(op: RecordOperator | undefined, value: unknown): boolean {
  // Another operator is refused itself.
  switch (RECORD_OPERATORS.find((known) => known === op)) {
    case 'in':
      return (
        Array.isArray(value) &&
        value.length > 0 &&
        value.length <= MAX_FILTER_VALUES &&
        value.every(isScalar)
      );
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte':
      return isNumber(value);
    case 'exists':
      return value === undefined || typeof value === 'boolean';
    case 'prefix':
      return isText(value, MAX_FILTER_VALUE_LENGTH);
    case 'eq':
    case 'ne':
    case undefined:
      return isScalar(value);
  }
}

/** Whether any of the paths leads to, or through, a header that holds secrets. */
export function leadToSecrets(paths: readonly string[]): boolean {
  return paths.some((path) => parsePropertyPath(path)?.some(isSecretName) ?? false);
}

function isPathList(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= MAX_ALTERNATIVES &&
    value.every(isPath)
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isObjectOf(value: unknown, names: readonly string[]): value is Record<string, unknown> {
  return isObject(value) && Object.keys(value).every((name) => names.includes(name));
}

function isScalar(value: unknown): boolean {
  return typeof value === 'boolean' || isNumber(value) || isText(value, MAX_FILTER_VALUE_LENGTH);
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number' && Number.isFinite(value) && isDecimal(String(value));
}

function isText(value: unknown, maxLength: number): value is string {
  return (
    typeof value === 'string' &&
    value.length <= maxLength &&
    value.isWellFormed() &&
    !value.includes('\0')
  );
}
