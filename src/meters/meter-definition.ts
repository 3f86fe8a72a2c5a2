/* What a meter may be, as requests say it: those that create one and those that only try. */
import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsOptional, ValidateBy, type ValidationArguments } from 'class-validator';
import { decimal, formatDecimal, isDecimal } from '../kernel/decimal.js';
import { instantOf } from '../kernel/instant.js';
import { parsePropertyPath, PROPERTY_PATH_RULE } from '../kernel/property-path.js';
import { IsInstantText, IsStorableText } from '../platform/http/validators.js';
import { toFilter } from './filter-rules.js';
import { AreFilters, MeterFilterDto } from './meter-filter.dto.js';
import { type Aggregation, AGGREGATIONS, type Meter, type MeterValue } from './meter.js';
import { readValueExpression } from './value-expression.js';

/** With a subject they are the key of a rollup, which an index has to hold. */
const MAX_GROUPS = 5;
const GROUP_KEY = /^[a-z][a-z0-9_]{0,62}$/;

/** What is wrong with a value beside the rest of the body; null when nothing is. */
type Fault = (value: unknown, body: MeterDefinitionBody) => string | null;

const HasNoFault = (name: string, faultOf: Fault): PropertyDecorator => {
  const fault = (args: ValidationArguments | undefined): string | null =>
    args === undefined ? null : faultOf(args.value, args.object as MeterDefinitionBody);
  return ValidateBy({
    name,
    validator: {
      validate: (_, args) => fault(args) === null,
      defaultMessage: (args) => fault(args) ?? '',
    },
  });
};

const isKnown = ({ aggregation }: MeterDefinitionBody): boolean =>
  AGGREGATIONS.some((known) => known === aggregation);
/** Another aggregation is refused itself. */
const unlessUnknown =
  (faultOf: Fault): Fault =>
  (value, body) =>
    isKnown(body) ? faultOf(value, body) : null;

const propertyFault: Fault = (path, { aggregation, value }) => {
  if (aggregation === 'count') {
    return path === undefined ? null : 'is not used by a count';
  }
  if (path === undefined && aggregation === 'unique_count') {
    return 'must name the property whose values are told apart';
  }
  if (path === undefined) {
    return value === undefined ? `must be given, or value, for ${aggregation}` : null;
  }
  return parsePropertyPath(path) === null ? PROPERTY_PATH_RULE : null;
};

const valueFault: Fault = (text, { aggregation, value_property: property }) => {
  if (text === undefined) {
    return null;
  }
  if (aggregation === 'count' || aggregation === 'unique_count') {
    return `is not used by ${aggregation}`;
  }
  if (property !== undefined) {
    return 'cannot be combined with value_property';
  }
  if (typeof text !== 'string') {
    return 'must be an expression in text, such as "(input_tokens + 4 * output_tokens) / 1000"';
  }
  const read = readValueExpression(text);
  return read.outcome === 'refused' ? read.detail : null;
};

const percentileFault: Fault = (value, { aggregation }) => {
  if (aggregation !== 'percentile') {
    return value === undefined ? null : `is not used by ${aggregation}`;
  }
  const text = typeof value === 'number' ? String(value) : value;
  const isWithin = isDecimal(text) && Number(text) > 0 && Number(text) <= 100;
  return isWithin ? null : 'must be a decimal of more than 0 and at most 100, such as "95"';
};

const IsGroupBy = (): PropertyDecorator =>
  ValidateBy({
    name: 'isGroupBy',
    validator: {
      validate: (value) =>
        typeof value === 'object' &&
        value !== null &&
        !Array.isArray(value) &&
        Object.keys(value).length <= MAX_GROUPS &&
        Object.entries(value).every(
          ([key, path]) => GROUP_KEY.test(key) && parsePropertyPath(path) !== null,
        ),
      defaultMessage: () =>
        `must be an object of at most ${MAX_GROUPS} groups, each a lower-case name and a path such as { "region": "$.region" }`,
    },
  });

/** What a meter is but for its names. */
export class MeterDefinitionBody {
  @IsOptional()
  @IsStorableText(2_000, 0)
  description?: string;

  /** What one of the quantity is, such as `request` or `byte`. */
  @IsOptional()
  @IsStorableText(50)
  unit?: string;

  /** The `type` of the usage events that count. */
  @IsStorableText(256)
  event_type: string;

  @IsIn(AGGREGATIONS)
  aggregation: Aggregation['kind'];

  /** For all but a count: the path in `data` of what is aggregated, such as `$.bytes`. */
  @ApiProperty({ type: 'string', required: false })
  @HasNoFault('isValueProperty', unlessUnknown(propertyFault))
  value_property?: string;

  /** In its place, for numbers: an expression, such as `(input_tokens + 4 * output_tokens) / 1000`. */
  @ApiProperty({ type: 'string', required: false })
  @HasNoFault('isValue', unlessUnknown(valueFault))
  value?: string;

  /** For a percentile: which, in per cent, such as `95`. */
  @ApiProperty({ oneOf: [{ type: 'string' }, { type: 'number' }], required: false })
  @HasNoFault('isPercentile', unlessUnknown(percentileFault))
  percentile?: string | number;

  /** All must hold for an event to count. */
  @ApiProperty({ type: [MeterFilterDto], required: false })
  @IsOptional()
  @AreFilters()
  filters?: MeterFilterDto[];

  /** Names of groups, each with the path of its value: `{ "region": "$.region" }`. */
  @IsOptional()
  @IsGroupBy()
  group_by?: Record<string, string>;

  /** Usage before this time is not counted; without it: all stored usage is. */
  @IsOptional()
  @IsInstantText()
  counts_from?: string | null;
}

/** What a meter is, from outside, but for what it is called and known by. */
export type MeterDefinition = Omit<Meter, 'id' | 'number' | 'key' | 'name' | 'createdAt'>;

/** The definition that a body which was judged stands for. */
export function toDefinition(body: MeterDefinitionBody): MeterDefinition {
  const groups = Object.entries(body.group_by ?? {}).map(([key, property]) => ({ key, property }));
  return {
    description: body.description ?? '',
    unit: body.unit ?? 'unit',
    eventType: body.event_type,
    aggregation: toAggregation(body),
    filters: (body.filters ?? []).map(toFilter),
    groupBy: groups.toSorted((left, right) => (left.key < right.key ? -1 : 1)),
    countsFrom: typeof body.counts_from === 'string' ? instantOf(body.counts_from) : null,
    archivedAt: null,
  };
}

function toAggregation(body: MeterDefinitionBody): Aggregation {
  const { aggregation: kind, value_property: path = '', value: text } = body;
  const value: MeterValue =
    text === undefined ? { kind: 'property', path } : { kind: 'expression', text };
  switch (kind) {
    case 'count':
      return { kind };
    case 'unique_count':
      return { kind, property: path };
    case 'percentile':
      return { kind, value, percentile: formatDecimal(decimal(String(body.percentile))) };
    case 'sum':
    case 'min':
    case 'max':
    case 'avg':
    case 'latest':
    case 'time_weighted_sum':
      return { kind, value };
  }
}
