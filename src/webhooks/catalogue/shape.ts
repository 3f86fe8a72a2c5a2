/*
 * What a payload may look like, said once: from each shape come its JSON Schema (draft 2020-12, which
 * OpenAPI 3.1 takes as it is), the TypeScript type of what has it, and a check of a value. Pure.
 */
import { parseInstant } from '../../kernel/instant.js';

/** The words of JSON Schema that the catalogue needs. */
export interface JsonSchema {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'boolean' | 'null';
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema;
  readonly items?: JsonSchema;
  readonly enum?: readonly string[];
  readonly const?: string | boolean;
  readonly format?: 'date-time' | 'date';
  readonly pattern?: string;
  readonly anyOf?: readonly JsonSchema[];
}

export interface Shape<Type> {
  readonly schema: JsonSchema;
  /** For the compiler only: what has this shape. */
  readonly of?: Type;
}

/** A property that may be left out. */
export interface OptionalShape<Type> extends Shape<Type> {
  readonly isOptional: true;
}

/** The type of what has a shape. */
export type Of<S> = S extends Shape<infer Type> ? Type : never;

type Properties = Readonly<Record<string, Shape<unknown>>>;
type OptionalNames<P> = {
  [Name in keyof P]: P[Name] extends { readonly isOptional: true } ? Name : never;
}[keyof P];
type OfProperties<P> = {
  readonly [Name in Exclude<keyof P, OptionalNames<P>>]: Of<P[Name]>;
} & { readonly [Name in OptionalNames<P>]?: Of<P[Name]> };

const described = (description: string | undefined): Pick<JsonSchema, 'description'> =>
  description === undefined ? {} : { description };

export function text(description?: string): Shape<string> {
  return { schema: { type: 'string', ...described(description) } };
}

/** An identifier of ours, by what it starts with. */
export function id(prefix: string, description?: string): Shape<string> {
  return { schema: { type: 'string', pattern: `^${prefix}_`, ...described(description) } };
}

/** An instant as RFC 3339 has it. */
export function time(description?: string): Shape<string> {
  return { schema: { type: 'string', format: 'date-time', ...described(description) } };
}

/** A day, `2026-11-03`. */
export function day(description?: string): Shape<string> {
  return { schema: { type: 'string', format: 'date', ...described(description) } };
}

/** An exact decimal, as text. */
export function decimal(description?: string): Shape<string> {
  const pattern = String.raw`^-?\d+(\.\d+)?$`;
  return { schema: { type: 'string', pattern, ...described(description) } };
}

/** A count, or an amount in minor units. */
export function whole(description?: string): Shape<number> {
  return { schema: { type: 'integer', ...described(description) } };
}

export function flag(description?: string): Shape<boolean> {
  return { schema: { type: 'boolean', ...described(description) } };
}

export function oneOf<const Word extends string>(
  words: readonly Word[],
  description?: string,
): Shape<Word> {
  return { schema: { type: 'string', enum: words, ...described(description) } };
}

export function just<const Value extends string | true>(value: Value): Shape<Value> {
  return { schema: { type: value === true ? 'boolean' : 'string', const: value } };
}

export function orNull<Type>({ schema }: Shape<Type>): Shape<Type | null> {
  const { description, ...rest } = schema;
  return { schema: { anyOf: [rest, { type: 'null' }], ...described(description) } };
}

export function optional<Type>(shape: Shape<Type>): OptionalShape<Type> {
  return { ...shape, isOptional: true };
}

export function list<Type>({ schema }: Shape<Type>, description?: string): Shape<readonly Type[]> {
  return { schema: { type: 'array', items: schema, ...described(description) } };
}

/** An object whose names are not known beforehand. */
export function byName<Type>(
  { schema }: Shape<Type>,
  description?: string,
): Shape<Readonly<Partial<Record<string, Type>>>> {
  return { schema: { type: 'object', additionalProperties: schema, ...described(description) } };
}

export function either<First, Second>(
  first: Shape<First>,
  second: Shape<Second>,
): Shape<First | Second> {
  return { schema: { anyOf: [first.schema, second.schema] } };
}

/** An object with these properties; receivers must take others, which later versions may add. */
export function object<const P extends Properties>(
  properties: P,
  description?: string,
): Shape<OfProperties<P>> {
  const names = Object.keys(properties);
  return {
    schema: {
      type: 'object',
      properties: Object.fromEntries(names.map((name) => [name, properties[name]?.schema ?? {}])),
      required: names.filter((name) => !('isOptional' in (properties[name] ?? {}))),
      ...described(description),
    },
  };
}

/**
 * What of a JSON value is not as its schema says, each with its place; none when all is. Stricter than
 * the schema in one thing: a property that it does not name is a fault, too, since receivers could not
 * know of it.
 */
export function faultsOf(schema: JsonSchema, value: unknown, place = '$'): string[] {
  if (schema.anyOf !== undefined) {
    const faults = schema.anyOf.map((choice) => faultsOf(choice, value, place));
    return faults.some((found) => found.length === 0) ? [] : faults.flat();
  }
  if (schema.const !== undefined && value !== schema.const) {
    return [`${place} is not ${String(schema.const)}`];
  }
  const { type } = schema;
  if (type === undefined) {
    return [];
  }
  switch (type) {
    case 'null':
      return value === null ? [] : [`${place} is not null`];
    case 'boolean':
      return typeof value === 'boolean' ? [] : [`${place} is not true or false`];
    case 'integer':
      return Number.isSafeInteger(value) ? [] : [`${place} is not a whole number`];
    case 'string':
      return textFaults(schema, value, place);
    case 'array':
      return Array.isArray(value)
        ? value.flatMap((item, index) => faultsOf(schema.items ?? {}, item, `${place}[${index}]`))
        : [`${place} is not a list`];
    case 'object':
      return objectFaults(schema, value, place);
  }
}

const FORMATS: Readonly<Record<NonNullable<JsonSchema['format']>, (value: string) => boolean>> = {
  'date-time': (value) => parseInstant(value) !== null,
  date: (value) => /^\d{4}-\d\d-\d\d$/.test(value),
};

function textFaults(schema: JsonSchema, value: unknown, place: string): string[] {
  if (typeof value !== 'string') {
    return [`${place} is not text`];
  }
  const { enum: words, pattern, format } = schema;
  const isRight =
    (words?.includes(value) ?? true) &&
    (pattern === undefined || new RegExp(pattern).test(value)) &&
    (format === undefined || FORMATS[format](value));
  return isRight ? [] : [`${place} is '${value}'`];
}

function objectFaults(schema: JsonSchema, value: unknown, place: string): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return [`${place} is not an object`];
  }
  const { properties = {}, required = [], additionalProperties } = schema;
  const missing = required.filter((name) => !(name in value));
  return [
    ...missing.map((name) => `${place}.${name} is missing`),
    ...Object.entries(value).flatMap(([name, entry]: [string, unknown]) => {
      const known = properties[name] ?? additionalProperties;
      return known === undefined
        ? [`${place}.${name} is not in the schema`]
        : faultsOf(known, entry, `${place}.${name}`);
    }),
  ];
}
