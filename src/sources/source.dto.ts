import { ApiProperty } from '@nestjs/swagger';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayNotEmpty,
  ArrayUnique,
  IsArray,
  IsIn,
  IsObject,
  ValidateBy,
  ValidateIf,
  ValidateNested,
  type ValidationArguments,
} from 'class-validator';
import { type Scope } from '../platform/access/scope.js';
import { IsKey, IsStorableText } from '../platform/http/validators.js';
import { FORMAT_NAMES } from './formats/formats.js';
import { keptPaths, type Mapping } from './mapping.js';
import * as rules from './mapping-rules.js';
import {
  IsExpectation,
  IsGapGrace,
  IsRejectingRule,
  RejectingDto,
  RULE_OR_NULL,
} from './source-watch.dto.js';
import { RECORD_OPERATORS, type RecordOperator, type RecordScalar } from './record-filter.js';

const MAX_FILTERS = 20;
/** To send records, and to take back what was sent. */
const TOKEN_SCOPES: readonly Scope[] = ['ingest', 'bill'];
const HEADER = /^[A-Za-z0-9-]{1,64}$/;
const PARAMETER = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

const PATH = { type: 'string' } as const;
const PATHS = { type: 'array', items: PATH } as const;
const JOINED = { type: 'object', properties: { join: PATHS }, required: ['join'] };
const SCALARS = [{ type: 'string' }, { type: 'number' }, { type: 'boolean' }];
const NOTHING = { type: 'null' } as const;
const FIELDS = { type: 'object', additionalProperties: PATH } as const;

type Check = (value: unknown, args: ValidationArguments | undefined) => boolean;

const by = (name: string, validate: Check, message: string): PropertyDecorator =>
  ValidateBy({
    name,
    validator: {
      validate: (value, args) => validate(value, args),
      defaultMessage: () => message,
    },
  });

/** May be left out, but not null. */
const IsGiven = (): PropertyDecorator => ValidateIf((_, value) => value !== undefined);

const pointsAtNoSecret =
  (part: keyof Mapping): Check =>
  (value) =>
    !rules.leadToSecrets(keptPaths({ [part]: value }));

/** A part of a mapping: of its form, and pointing at no secret. */
const IsMappingPart =
  (part: keyof Mapping, name: string, check: Check, rule: string): PropertyDecorator =>
  (target, property) => {
    // What is applied first is checked first.
    by(name, check, rule)(target, property);
    by('keepsNoSecret', pointsAtNoSecret(part), rules.SECRET_RULE)(target, property);
  };

const isTokenPlace: Check = (value) => {
  if (value === null) {
    return true;
  }
  const [[name, text] = [], ...others] = Object.entries(typeof value === 'object' ? value : {});
  const form = name === 'header' ? HEADER : PARAMETER;
  const isNamed = name === 'header' || name === 'query';
  return others.length === 0 && isNamed && typeof text === 'string' && form.test(text);
};

const IsTokenPlace = (): PropertyDecorator =>
  by(
    'isTokenPlace',
    isTokenPlace,
    'must be { "header": "x-my-token" } or { "query": "token" }, or null for neither',
  );

export class RecordFilterDto {
  /** Path in the record, such as `$.response.status`. */
  @ApiProperty({ type: 'string' })
  @by('isPropertyPath', rules.isPath, rules.PATH_RULE)
  property: string;

  @IsIn(RECORD_OPERATORS)
  op: RecordOperator;

  /** For `in` a list; for `exists` whether it must be there, `true` when left out. */
  @ApiProperty({ oneOf: [...SCALARS, { type: 'array', items: { oneOf: SCALARS } }] })
  @by(
    'isFilterValue',
    (value, args) => rules.isFilterValue((args?.object as RecordFilterDto | undefined)?.op, value),
    rules.FILTER_VALUE_RULE,
  )
  value?: RecordScalar | RecordScalar[];
}

/** How a record becomes an event. What is left out is as the format has it. */
export class MappingDto {
  /** Path of the id; null, or a record without it: a hash of the record. */
  @ApiProperty({
    oneOf: [PATH, JOINED, NOTHING],
  })
  @IsGiven()
  @IsMappingPart('id', 'isIdRule', rules.isIdRule, rules.ID_RULE)
  id?: Mapping['id'];

  /** Path of the subject; of several the first that is there. */
  @ApiProperty({ oneOf: [PATH, PATHS] })
  @IsGiven()
  @IsMappingPart('subject', 'isSubjectRule', rules.isPathOrPaths, rules.SUBJECT_RULE)
  subject?: Mapping['subject'];

  /** The type of all events, or its path. */
  @ApiProperty({
    oneOf: [
      { type: 'object', properties: { value: { type: 'string' } }, required: ['value'] },
      PATH,
    ],
  })
  @IsGiven()
  @IsMappingPart('type', 'isTypeRule', rules.isTypeRule, rules.TYPE_RULE)
  type?: Mapping['type'];

  /** Path of the time; null: the time of receipt. */
  @ApiProperty({
    oneOf: [
      PATH,
      PATHS,
      {
        type: 'object',
        properties: { path: PATH, unit: { enum: ['s', 'ms', 'us', 'ns'] } },
        required: ['path'],
      },
      NOTHING,
    ],
  })
  @IsGiven()
  @IsMappingPart('time', 'isTimeRule', rules.isTimeRule, rules.TIME_RULE)
  time?: Mapping['time'];

  /** What is kept: names in `data`, each with its path; or the path of an object that is kept whole. */
  @ApiProperty({ oneOf: [FIELDS, PATH] })
  @IsGiven()
  @IsMappingPart('data', 'isDataRule', rules.isDataRule, rules.DATA_RULE)
  data?: Mapping['data'];

  /** A record that any of these matches is no usage. */
  @ApiProperty({ type: [RecordFilterDto] })
  @IsGiven()
  @Type(() => RecordFilterDto)
  // Decorators are checked from the last to the first.
  @ValidateNested({ each: true })
  @IsObject({ each: true })
  @ArrayMaxSize(MAX_FILTERS)
  @IsArray()
  ignore?: RecordFilterDto[];

  /** Path of the number that the sender counts its records by; `of` says whose counter it is. Null: none. */
  @ApiProperty({
    oneOf: [
      PATH,
      {
        type: 'object',
        properties: { path: PATH, of: { oneOf: [PATH, JOINED] } },
        required: ['path'],
      },
      NOTHING,
    ],
  })
  @IsGiven()
  @IsMappingPart('sequence', 'isSequenceRule', rules.isSequenceRule, rules.SEQUENCE_RULE)
  sequence?: Exclude<Mapping['sequence'], undefined>;
}

const TOKEN_PLACE = {
  oneOf: [
    { type: 'object', properties: { header: { type: 'string' } }, required: ['header'] },
    { type: 'object', properties: { query: { type: 'string' } }, required: ['query'] },
    NOTHING,
  ],
};

export class CreateSourceDto {
  /** Your own name for the source; the `source` of its usage events, for ever. */
  @IsKey()
  key: string;

  @IsStorableText(200)
  name: string;

  /** What is sent. */
  @IsIn(FORMAT_NAMES)
  format: string;

  @IsGiven()
  @Type(() => MappingDto)
  // Decorators are checked from the last to the first.
  @ValidateNested()
  @IsObject()
  mapping?: MappingDto;

  /** A header or query parameter in which tokens are looked for, besides Authorization. */
  @ApiProperty(TOKEN_PLACE)
  @IsGiven()
  @IsTokenPlace()
  token_in?: { header?: string; query?: string } | null;

  /** Seconds after which a source that sends nothing is silent, of which a message tells. */
  @IsExpectation()
  expected_every?: number | null;

  /** When a message tells that much of it is refused. */
  @IsRejectingRule()
  rejecting?: RejectingDto | null;

  /** Seconds that what is missing may yet come before a message tells of it; 300 when left out. */
  @IsGapGrace()
  gap_grace?: number;
}

export class UpdateSourceDto {
  @IsGiven()
  @IsStorableText(200)
  name?: string;

  /** Takes the place of all that the mapping of the source said before. */
  @IsGiven()
  @Type(() => MappingDto)
  // Decorators are checked from the last to the first.
  @ValidateNested()
  @IsObject()
  mapping?: MappingDto;

  @ApiProperty(TOKEN_PLACE)
  @IsGiven()
  @IsTokenPlace()
  token_in?: { header?: string; query?: string } | null;

  /** Null: nothing is expected any more. */
  @IsExpectation()
  expected_every?: number | null;

  /** Null: the share of what is refused is watched no more. */
  @IsRejectingRule()
  rejecting?: RejectingDto | null;

  /** For counts that are announced from now on, and for numbers. */
  @IsGapGrace()
  gap_grace?: number;
}

export class SourceResponse {
  id: string;
  key: string;
  name: string;
  format: string;
  /** What differs from the mapping of the format. */
  mapping: MappingDto;
  /** What is in force: the mapping of the format with these differences. */
  effective_mapping: MappingDto;
  @ApiProperty({ ...TOKEN_PLACE })
  token_in: { header?: string; query?: string } | null;
  expected_every: number | null;
  /** When something that was sent to it was last stored, to within five seconds. */
  last_event_at: string | null;
  /** Since when nothing has come, once that is longer than expected; null while it sends. */
  silent_since: string | null;
  @ApiProperty(RULE_OR_NULL)
  rejecting: RejectingDto | null;
  /** Since when the share is reached; null while it is not. */
  rejecting_since: string | null;
  /** The share of what is refused within the window now; null when nothing came, or it is not watched. */
  rejected_share: string | null;
  gap_grace: number;
  created_at: string;
  /** Since when it takes nothing more; null while it is in use. */
  archived_at: string | null;
}

export class CreateSourceTokenDto {
  /** What the token is for. */
  @IsStorableText(200)
  name: string;

  /** What it may do at this source; `ingest` when left out. */
  @ApiProperty({ type: [String], enum: TOKEN_SCOPES, default: ['ingest'] })
  @IsGiven()
  // Decorators are checked from the last to the first.
  @IsIn(TOKEN_SCOPES, { each: true })
  @ArrayUnique()
  @ArrayNotEmpty()
  @IsArray()
  scopes?: Scope[];
}

export class SourceTokenResponse {
  id: string;
  name: string;
  /** The first characters of the token, to tell tokens apart. */
  hint: string;
  scopes: string[];
  created_at: string;
  revoked_at: string | null;
}

export class CreatedSourceTokenResponse extends SourceTokenResponse {
  /** Send it as Bearer, as the password or user of Basic, or where the source says; it is never shown again. */
  token: string;
}

export class RecordReceiptResponse {
  index: number;
  id: string | null;
  source: string | null;
  status: 'accepted' | 'duplicate' | 'conflict' | 'rejected' | 'ignored';
  /** Why it was rejected or put aside. */
  code?: string;
  detail?: string;
}

export class ReceivedRecordsResponse {
  accepted: number;
  duplicates: number;
  conflicts: number;
  rejected: number;
  /** Records that the mapping says are no usage. */
  ignored: number;
  /** One for each record, in order. */
  results: RecordReceiptResponse[];
}

export class PreviewRecordDto {
  @IsIn(FORMAT_NAMES)
  format: string;

  @IsGiven()
  @Type(() => MappingDto)
  // Decorators are checked from the last to the first.
  @ValidateNested()
  @IsObject()
  mapping?: MappingDto;

  /** The record as JSON, or as the very text that is sent, whose numbers keep every digit. */
  @ApiProperty({ oneOf: [{ type: 'object', additionalProperties: true }, { type: 'string' }] })
  @by(
    'isOneRecord',
    (value) => typeof value === 'string' || (typeof value === 'object' && value !== null),
    'must be one record: a JSON object, or its text',
  )
  record: unknown;
}

export class PreviewedEventResponse {
  id: string;
  type: string;
  subject: string;
  time: string;
  @ApiProperty({ type: Object, additionalProperties: true })
  data: unknown;
}

export class PreviewedSequenceResponse {
  /** What owns the counter; empty when the source has one counter. */
  counter: string;
  /** Digits, since it may be larger than a double holds. */
  number: string;
}

export class PreviewResponse {
  outcome: 'event' | 'ignored' | 'rejected';
  /** The usage event; its `source` is the key of the source. */
  event?: PreviewedEventResponse;
  /** Why it is refused. */
  code?: string;
  detail?: string;
  /** Its number, where the mapping finds one. */
  sequence?: PreviewedSequenceResponse;
}
