/*
 * The one place where a meter's definition becomes SQL. Paths and values are parameters, never
 * text of the statement. Everything is over a table or alias named `events`.
 */
import { type Meter } from '../meters/meter.js';
import { compileFilter } from './filter-sql.js';
import { type Bind, ELLIPSIS, once, property } from './property-sql.js';
import { compileValue, type JudgedSql, type ValueSql } from './value-sql.js';

/** Collects parameters and answers their places in the statement. */
export class Parameters {
  readonly values: unknown[] = [];

  /** The placeholder of a value, such as `$3`. */
  add(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }
}

/** The definition as SQL expressions, each made when it is first read. */
export interface MeterSql extends ValueSql {
  /** Boolean: whether the event is this meter's. */
  readonly matches: string;
  /** text each: the values of the event's group, in the order of the meter's keys. */
  readonly groups: readonly string[];
  /** `value` and `text` of a column that holds `rawValue`; null where more than one property is read, or none. */
  readonly judge: ((raw: string) => JudgedSql) | null;
}

/** Longer values of a group are cut and told apart by a hash, since an index has to hold them. */
const MAX_GROUP_BYTES = 256;

/**
 * The definition as SQL expressions. Reading one adds its parameters, once, and PostgreSQL wants to
 * see every parameter: so a statement must hold what it reads, and need not hold the rest.
 */
export function compileMeter(meter: Meter, parameters: Parameters): MeterSql {
  const bind: Bind = (value) => parameters.add(value);
  const { judge, ...valueParts } = compileValue(meter.aggregation, bind);
  const matches = once(() => conditionsOf(meter, bind).join(' AND '));
  const groups = once(() =>
    meter.groupBy.map((group) => `${property(group.property, bind)} #>> '{}'`),
  );
  return new LazyMeterSql({ matches, groups, ...valueParts }, judge);
}

type Parts = { readonly [Part in keyof Omit<MeterSql, 'judge'>]: () => MeterSql[Part] };

/**
 * A class, since each object literal with getters has a shape of its own, which V8 makes where only the rare collection of
 * everything looks; and as long as it was there it kept whatever the getters reached, the rows of answers among it.
 */
class LazyMeterSql implements MeterSql {
  constructor(
    private readonly parts: Parts,
    readonly judge: MeterSql['judge'],
  ) {}

  get matches(): string {
    return this.parts.matches();
  }

  get groups(): readonly string[] {
    return this.parts.groups();
  }

  get value(): string {
    return this.parts.value();
  }

  get text(): string {
    return this.parts.text();
  }

  get rawValue(): string {
    return this.parts.rawValue();
  }

  get reason(): string {
    return this.parts.reason();
  }
}

function conditionsOf(meter: Meter, bind: Bind): string[] {
  return [
    `events.type = ${bind(meter.eventType)}`,
    ...(meter.countsFrom === null ? [] : [`events.time >= ${bind(meter.countsFrom)}`]),
    ...(meter.archivedAt === null ? [] : [`events.time < ${bind(meter.archivedAt)}`]),
    ...meter.filters.map((filter) => compileFilter(filter, bind)),
  ];
}

/** The array of a group's values, each short enough for an index. */
export function groupArray(values: readonly string[]): string {
  return values.length === 0 ? `'{}'::text[]` : `ARRAY[${values.map(boundedText).join(', ')}]`;
}

/** A group's value as rollups hold it and answers show it. */
export function boundedText(text: string): string {
  return `CASE WHEN octet_length(${text}) > ${MAX_GROUP_BYTES}
    THEN left(${text}, 40) || ${ELLIPSIS} || md5(${text}) ELSE ${text} END`;
}
