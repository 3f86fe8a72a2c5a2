/*
 * Filters as SQL; each is true or false, never NULL. What the operators mean is what they mean over
 * records of a source, too: 200 is the same as "200", whichever of them the gateway sends.
 */
import { decimal, formatDecimal, isDecimal } from '../kernel/decimal.js';
import { type FilterScalar, type MeterCondition, type MeterFilter } from '../meters/meter.js';
import { anyNumber, type Bind, isMissing, property, scalarText } from './property-sql.js';

/** boolean: whether the event passes the filter. */
export function compileFilter(filter: MeterFilter, bind: Bind): string {
  if ('op' in filter) {
    return compileCondition(filter, bind);
  }
  const [parts, word] = 'all' in filter ? [filter.all, ' AND '] : [filter.any, ' OR '];
  return `(${parts.map((part) => compileFilter(part, bind)).join(word)})`;
}

const ORDERS = { lt: '<', lte: '<=', gt: '>', gte: '>=' } as const;

function compileCondition(filter: MeterCondition, bind: Bind): string {
  const actual = property(filter.property, bind);
  switch (filter.op) {
    case 'eq':
      return isOneOf(actual, [filter.value], bind);
    case 'ne':
      return `NOT ${isOneOf(actual, [filter.value], bind)}`;
    case 'in':
      return isOneOf(actual, filter.value, bind);
    case 'not_in':
      return `NOT ${isOneOf(actual, filter.value, bind)}`;
    case 'lt':
    case 'lte':
    case 'gt':
    case 'gte': {
      const wanted = bind(JSON.stringify(filter.value));
      return `coalesce(${anyNumber(actual)} ${ORDERS[filter.op]} ${wanted}::numeric, false)`;
    }
    case 'exists':
      return filter.value ? `NOT (${isMissing(actual)})` : `(${isMissing(actual)})`;
    case 'prefix':
      return `coalesce(starts_with(${scalarText(actual)}, ${bind(filter.value)}::text), false)`;
  }
}

function isOneOf(actual: string, wanted: readonly FilterScalar[], bind: Bind): string {
  const numbers = wanted.filter((one) => typeof one === 'number').map(String);
  const others = wanted.flatMap((one) => (typeof one === 'number' ? [] : jsonOf(one)));
  const tests = [
    ...(others.length === 0 ? [] : [`${actual} = ANY (${bind(others)}::jsonb[])`]),
    ...(numbers.length === 0 ? [] : [`${anyNumber(actual)} = ANY (${bind(numbers)}::numeric[])`]),
  ];
  // NULL when the property is missing, or no number.
  return `(${tests.map((test) => `coalesce(${test}, false)`).join(' OR ')})`;
}

/** The JSON values that a text or boolean is the same as: itself, and what has the same text. */
function jsonOf(wanted: string | boolean): string[] {
  const text = String(wanted);
  const isNumber = isDecimal(text) && formatDecimal(decimal(text)) === text;
  const isPlain = isNumber || text === 'true' || text === 'false';
  return [JSON.stringify(text), ...(isPlain ? [text] : [])];
}
