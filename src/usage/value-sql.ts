/*
 * What a meter reads of an event as SQL: a number, or the text that a unique_count tells apart. A
 * value that cannot be used is NULL with a reason, never zero and never an error, so that no data
 * can make a fold fail.
 */
import { type Aggregation, type MeterValue, valueOf } from '../meters/meter.js';
import {
  propertiesOf,
  readValueExpression,
  type ValueExpression,
} from '../meters/value-expression.js';
import {
  type Bind,
  ELLIPSIS,
  isInRange,
  isMissing,
  once,
  property,
  scalarText,
  usableNumber,
} from './property-sql.js';

/** What is read, of a column of jsonb that holds the property. */
export interface JudgedSql {
  readonly value: string;
  readonly text: string;
}

export interface ValueSql {
  /** numeric: the event's value; NULL when it has no usable one. 0 when a usable event has no number to read. */
  readonly value: string;
  /** text: the value that a unique_count tells from others; NULL when unusable, and for other kinds. */
  readonly text: string;
  /** jsonb: what `value` or `text` reads, as it stands; of an expression an object by path. */
  readonly rawValue: string;
  /** text: why the event has no usable value, one of QUARANTINE_REASONS; NULL when it has, or needs none. */
  readonly reason: string;
}

/** The same, each made when it is asked for. */
type ValueParts = { readonly [Part in keyof ValueSql]: () => string } & {
  /** How a column of the property is judged, where a single one is read: `rawValue`. Null of others. */
  readonly judge: ((raw: string) => JudgedSql) | null;
};

const NOTHING: ValueParts = {
  value: () => '0::numeric',
  text: () => 'NULL::text',
  rawValue: () => 'NULL::jsonb',
  reason: () => 'NULL::text',
  judge: null,
};

/** Longer texts are cut and told apart by a hash, since an index has to hold them. */
const MAX_TEXT_BYTES = 256;

/** What the aggregation reads. */
export function compileValue(aggregation: Aggregation, bind: Bind): ValueParts {
  if (aggregation.kind === 'unique_count') {
    return uniqueText(once(() => property(aggregation.property, bind)));
  }
  const value = valueOf(aggregation);
  if (value === null) {
    return NOTHING;
  }
  return value.kind === 'property'
    ? propertyValue(once(() => property(value.path, bind)))
    : computedValue(value, bind);
}

const isScalar = (of: string): string => `jsonb_typeof(${of}) IN ('string', 'number', 'boolean')`;

const judgeText = (of: string): JudgedSql => ({
  value: `CASE WHEN ${isScalar(of)} THEN 0::numeric END`,
  text: bounded(scalarText(of)),
});

function uniqueText(raw: () => string): ValueParts {
  return {
    value: () => judgeText(raw()).value,
    text: () => judgeText(raw()).text,
    rawValue: raw,
    reason: () =>
      `CASE WHEN ${isMissing(raw())} THEN 'missing' WHEN ${isScalar(raw())} THEN NULL ELSE 'not_a_value' END`,
    judge: judgeText,
  };
}

function bounded(text: string): string {
  return `CASE WHEN octet_length(${text}) > ${MAX_TEXT_BYTES}
    THEN left(${text}, 40) || ${ELLIPSIS} || encode(sha256(convert_to(${text}, 'UTF8')), 'hex') ELSE ${text} END`;
}

function propertyValue(raw: () => string): ValueParts {
  const value = (): string => usableNumber(raw());
  return {
    ...NOTHING,
    value,
    rawValue: raw,
    judge: (of) => ({ value: usableNumber(of), text: NOTHING.text() }),
    reason: () => `CASE WHEN ${value()} IS NOT NULL THEN NULL
      WHEN ${isMissing(raw())} THEN 'missing'
      WHEN jsonb_typeof(${raw()}) = 'number' THEN 'out_of_range'
      ELSE 'not_a_number' END`,
  };
}

/** A property of an expression: how it is judged, and the column that then holds its number. */
interface Input {
  readonly number: string;
  /** boolean: whether it is there, and neither a number nor text that says one. */
  readonly isNoNumber: string;
  /** boolean: whether it is needed, and missing. */
  readonly isMissing: string;
  readonly column: string;
}

/**
 * Every property is read and judged once, and the result computed once and only when all can be used
 * (least and greatest would pass over a NULL); OFFSET 0 keeps PostgreSQL from writing them out again
 * wherever they are named. Each property is within numeric(38, 12), and an expression has a hundred
 * parts at most, so that its result is far from where numeric would overflow or round.
 */
function computedValue(value: Extract<MeterValue, { kind: 'expression' }>, bind: Bind): ValueParts {
  const read = readValueExpression(value.text);
  if (read.outcome === 'refused') {
    throw new Error(`A meter was stored with the value ${value.text}, which ${read.detail}`);
  }
  const { expression } = read;
  const inputs = once(() => inputsOf(expression, bind));
  const number = once(() => numberOf(expression, inputs(), bind));
  return {
    ...NOTHING,
    value: number,
    rawValue: once(() => rawValues(expression, bind)),
    reason: () => {
      const all = [...inputs().values()];
      return `CASE WHEN ${number()} IS NOT NULL THEN NULL
        WHEN ${all.map((input) => input.isMissing).join(' OR ')} THEN 'missing'
        WHEN ${all.map((input) => input.isNoNumber).join(' OR ')} THEN 'not_a_number'
        ELSE 'out_of_range' END`;
    },
  };
}

function numberOf(
  expression: ValueExpression,
  inputs: ReadonlyMap<string, Input>,
  bind: Bind,
): string {
  const all = [...inputs.values()];
  const columns = all.map(({ number, column }) => `${number} AS ${column}`);
  return `(SELECT CASE WHEN ${isInRange('computed.result')} THEN trim_scale(computed.result) END
    FROM (SELECT ${arithmetic(expression, inputs, bind)} AS result
      FROM (SELECT ${columns.join(', ')} OFFSET 0) AS input
      WHERE num_nulls(${all.map(({ column }) => `input.${column}`).join(', ')}) = 0
      OFFSET 0) AS computed)`;
}

type PropertyOf = Extract<ValueExpression, { kind: 'property' }>;

const keyOf = ({ path, orElse }: PropertyOf): string => JSON.stringify([path, orElse]);

function inputsOf(expression: ValueExpression, bind: Bind): ReadonlyMap<string, Input> {
  const inputs = new Map<string, Input>();
  for (const read of propertiesOf(expression)) {
    const key = keyOf(read);
    if (!inputs.has(key)) {
      const raw = property(read.path, bind);
      const usable = usableNumber(raw);
      const column = `p${inputs.size + 1}`;
      const isDefault = read.orElse !== null;
      inputs.set(key, {
        column,
        number: isDefault
          ? `CASE WHEN ${isMissing(raw)} THEN ${bind(read.orElse)}::numeric ELSE ${usable} END`
          : usable,
        isMissing: isDefault ? 'false' : `(${isMissing(raw)})`,
        isNoNumber: `(${usable} IS NULL AND coalesce(jsonb_typeof(${raw}), 'null') NOT IN ('null', 'number'))`,
      });
    }
  }
  return inputs;
}

function rawValues(expression: ValueExpression, bind: Bind): string {
  const paths = new Set(propertiesOf(expression).map(({ path }) => path));
  const members = [...paths].map((path) => `${bind(path)}::text, ${property(path, bind)}`);
  return `jsonb_build_object(${members.join(', ')})`;
}

const OPERATORS = { sum: '+', difference: '-', product: '*' } as const;

function arithmetic(
  expression: ValueExpression,
  inputs: ReadonlyMap<string, Input>,
  bind: Bind,
): string {
  const inner = (part: ValueExpression): string => arithmetic(part, inputs, bind);
  switch (expression.kind) {
    case 'number':
      return `${bind(expression.text)}::numeric`;
    case 'property':
      return `input.${inputs.get(keyOf(expression))?.column ?? ''}`;
    case 'negative':
      return `(- ${inner(expression.of)})`;
    case 'sum':
    case 'difference':
    case 'product':
      return `(${inner(expression.left)} ${OPERATORS[expression.kind]} ${inner(expression.right)})`;
    case 'least':
    case 'greatest':
      return `${expression.kind}(${expression.of.map(inner).join(', ')})`;
  }
}
