/* A property of an event's data as SQL, and what its value is taken for. None of it can fail, whatever the data. */
import { MAX_INTEGER_DIGITS, MAX_QUANTITY_SCALE } from '../kernel/decimal.js';
import { parsePropertyPath } from '../kernel/property-path.js';

/** Makes a value a parameter of the statement and answers its placeholder, such as `$3`. */
export type Bind = (value: unknown) => string;

/** Makes a part of a statement when it is first asked for, with its parameters, and keeps it. */
export function once<Part>(make: () => Part): () => Part {
  let made: { readonly part: Part } | undefined;
  return () => (made ??= { part: make() }).part;
}

/** A decimal of numeric(38, 12) in a string, as some gateways send numbers; \\d would be any script's digits under ICU. */
const DECIMAL_TEXT = `^-?[0-9]{1,${MAX_INTEGER_DIGITS}}([.][0-9]{1,${MAX_QUANTITY_SCALE}})?$`;

/** text: … in ASCII, since a single letter that is none lets the text of a statement take twice the memory. */
export const ELLIPSIS = `U&'\\2026'`;

/** jsonb: what stands at the path in `events.data`; NULL when nothing does. */
export function property(path: string, bind: Bind): string {
  const steps = parsePropertyPath(path);
  if (steps === null) {
    throw new Error(`A meter was stored with the path ${path}`);
  }
  return `(${['events.data', ...steps.map((step) => `${bind(step)}::text`)].join(' -> ')})`;
}

/** boolean: whether the jsonb value is not there, or null. */
export function isMissing(value: string): string {
  return `coalesce(jsonb_typeof(${value}), 'null') = 'null'`;
}

/** text: of a jsonb text, number (without trailing zeros) or boolean; NULL of anything else. */
export function scalarText(value: string): string {
  return `CASE jsonb_typeof(${value})
    WHEN 'string' THEN ${value} #>> '{}'
    WHEN 'number' THEN trim_scale(${value}::numeric)::text
    WHEN 'boolean' THEN ${value} #>> '{}'
  END`;
}

/** numeric: the number that a jsonb value is, or stands for as text; NULL when it is none. */
export function anyNumber(value: string): string {
  return `CASE jsonb_typeof(${value})
    WHEN 'number' THEN ${value}::numeric
    WHEN 'string' THEN CASE WHEN ${value} #>> '{}' ~ '${DECIMAL_TEXT}' THEN (${value} #>> '{}')::numeric END
  END`;
}

/** The same within numeric(38, 12); NULL beyond, so that nothing is ever rounded. */
export function usableNumber(value: string): string {
  return `CASE jsonb_typeof(${value})
    WHEN 'number' THEN CASE WHEN ${isInRange(`${value}::numeric`)} THEN ${value}::numeric END
    WHEN 'string' THEN CASE WHEN ${value} #>> '{}' ~ '${DECIMAL_TEXT}' THEN (${value} #>> '{}')::numeric END
  END`;
}

/** boolean: whether a numeric is one of numeric(38, 12) as it stands. */
export function isInRange(number: string): string {
  return `abs(${number}) < 1e${MAX_INTEGER_DIGITS} AND scale(trim_scale(${number})) <= ${MAX_QUANTITY_SCALE}`;
}
