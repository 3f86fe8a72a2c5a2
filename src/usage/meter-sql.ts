/*
 * The one place where a meter's definition becomes SQL. Paths and values are parameters, never
 * text of the statement. Everything is over a table or alias named `events`.
 */
import { MAX_INTEGER_DIGITS, MAX_QUANTITY_SCALE } from '../kernel/decimal.js';
import { type Meter, type MeterFilter, valueOf } from '../meters/meter.js';
import { parsePropertyPath } from '../kernel/property-path.js';

/** Collects parameters and answers their places in the statement. */
export class Parameters {
  readonly values: unknown[] = [];

  /** The placeholder of a value, such as `$3`. */
  add(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }
}

export interface MeterSql {
  /** Boolean: whether the event is this meter's. */
  readonly matches: string;
  /** numeric: the event's value; NULL when it has no usable one. 0 when a usable event has no number to read. */
  readonly value: string;
  /** text: the value that a unique_count tells from others; NULL when unusable, and for other kinds. */
  readonly text: string;
  /** jsonb: what `value` or `text` reads, as it stands; of an expression an object by path. */
  readonly rawValue: string;
  /** text: why the event has no usable value, one of QUARANTINE_REASONS; NULL when it has, or needs none. */
  readonly reason: string;
  /** text each: the values of the event's group, in the order of the meter's keys. */
  readonly groups: readonly string[];
}

/** Longer values of a group are cut and told apart by a hash, since an index has to hold them. */
const MAX_GROUP_BYTES = 256;

/** A decimal of numeric(38, 12) in a string, as some gateways send numbers; \\d would be any script's digits under ICU. */
const DECIMAL_TEXT = `^-?[0-9]{1,${MAX_INTEGER_DIGITS}}([.][0-9]{1,${MAX_QUANTITY_SCALE}})?$`;

/** The definition as SQL expressions. */
export function compileMeter(meter: Meter, parameters: Parameters): MeterSql {
  const conditions = [
    `events.type = ${parameters.add(meter.eventType)}`,
    ...(meter.countsFrom === null ? [] : [`events.time >= ${parameters.add(meter.countsFrom)}`]),
    ...(meter.archivedAt === null ? [] : [`events.time < ${parameters.add(meter.archivedAt)}`]),
    ...meter.filters.map((filter) => compileFilter(filter, parameters)),
  ];
  const numeric = valueOf(meter.aggregation);
  const rawValue =
    numeric?.kind === 'property' ? property(numeric.path, parameters) : 'NULL::jsonb';
  const groups = meter.groupBy.map((group) => `${property(group.property, parameters)} #>> '{}'`);
  return {
    matches: conditions.join(' AND '),
    value: numeric === null ? '0::numeric' : usableNumber(rawValue),
    text: 'NULL::text',
    rawValue,
    reason: 'NULL::text',
    groups,
  };
}

/** The array of a group's values, each short enough for an index. */
export function groupArray(values: readonly string[]): string {
  return values.length === 0 ? `'{}'::text[]` : `ARRAY[${values.map(bounded).join(', ')}]`;
}

function bounded(text: string): string {
  return `CASE WHEN octet_length(${text}) > ${MAX_GROUP_BYTES}
    THEN left(${text}, 40) || '…' || md5(${text}) ELSE ${text} END`;
}

function property(path: string, parameters: Parameters): string {
  const steps = parsePropertyPath(path);
  if (steps === null) {
    throw new Error(`A meter was stored with the path ${path}`);
  }
  return `(${['events.data', ...steps.map((step) => `${parameters.add(step)}::text`)].join(' -> ')})`;
}

function compileFilter(filter: MeterFilter, parameters: Parameters): string {
  if (!('op' in filter)) {
    throw new Error('To come');
  }
  const value = property(filter.property, parameters);
  const wanted = JSON.stringify(filter.value);
  switch (filter.op) {
    case 'eq':
      return `coalesce(${value} = ${parameters.add(wanted)}::jsonb, false)`;
    case 'ne':
      return `${value} IS DISTINCT FROM ${parameters.add(wanted)}::jsonb`;
    case 'lt':
      return ordered(value, '<', parameters.add(wanted));
    case 'lte':
      return ordered(value, '<=', parameters.add(wanted));
    case 'gt':
      return ordered(value, '>', parameters.add(wanted));
    case 'gte':
      return ordered(value, '>=', parameters.add(wanted));
    case 'in':
    case 'not_in':
    case 'exists':
    case 'prefix':
      throw new Error('To come');
  }
}

function ordered(value: string, operator: string, wanted: string): string {
  return `coalesce(${anyNumber(value)} ${operator} ${wanted}::numeric, false)`;
}

/** The number that a jsonb value is, or stands for as text; NULL when it is none. */
function anyNumber(value: string): string {
  return `CASE jsonb_typeof(${value})
    WHEN 'number' THEN ${value}::numeric
    WHEN 'string' THEN CASE WHEN ${value} #>> '{}' ~ '${DECIMAL_TEXT}' THEN (${value} #>> '{}')::numeric END
  END`;
}

/** The same within numeric(38, 12); NULL beyond, so that nothing is ever rounded. */
function usableNumber(value: string): string {
  const bound = `1e${MAX_INTEGER_DIGITS}`;
  return `CASE jsonb_typeof(${value})
    WHEN 'number' THEN CASE
      WHEN abs(${value}::numeric) < ${bound} AND scale(trim_scale(${value}::numeric)) <= ${MAX_QUANTITY_SCALE}
      THEN ${value}::numeric END
    WHEN 'string' THEN CASE WHEN ${value} #>> '{}' ~ '${DECIMAL_TEXT}' THEN (${value} #>> '{}')::numeric END
  END`;
}
