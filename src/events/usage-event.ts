/* What a usage event is, and which ones are refused: pure rules over parsed JSON. */
import { LosslessNumber } from 'lossless-json';
import { parseInstant } from '../kernel/instant.js';

/** A usage event as it will be stored; all texts are such that PostgreSQL can hold them. */
export interface UsageEvent {
  readonly source: string;
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  /** ISO 8601, UTC, to the microsecond. */
  readonly time: string;
  /** JSON text of an object, its numbers as they came. */
  readonly data: string;
  /** JSON text of an object; null when the event has no extension attributes. */
  readonly extensions: string | null;
}

/** Why an event cannot be kept. */
export interface Rejection {
  readonly code: string;
  readonly detail: string;
}

export type ReadEvent =
  | { readonly outcome: 'usable'; readonly event: UsageEvent }
  | ({ readonly outcome: 'rejected' } & Rejection);

export interface EventRules {
  readonly now: Date;
  readonly maxAgeSeconds: number;
  readonly maxAheadSeconds: number;
}

/** A number that neither PostgreSQL nor a quantity can hold; its digits are kept to be shown. */
export class OutOfRangeNumber extends LosslessNumber {}

/** How the request was parsed, which decides how values become text again. */
export interface Dialect {
  /** JSON text of a parsed value, with every digit of its numbers. */
  readonly toText: (value: unknown) => string;
  /** Whether the value is a number that was kept as text. */
  readonly isLongNumber: (value: unknown) => boolean;
  /** Whether the request has escapes that may stand for what PostgreSQL cannot hold. */
  readonly isSuspicious: boolean;
}

const MAX_ATTRIBUTE_LENGTH = 256;
const MAX_EXTENSIONS = 32;
/** One event is a fact, not a document; 64 KB is also what CloudEvents asks intermediaries to carry. */
export const MAX_EVENT_CHARACTERS = 65_536;
const MAX_DEPTH = 32;

const ATTRIBUTES = ['id', 'source', 'type', 'subject'];
/** CloudEvents 1.0, section 3.1: lower-case letters and digits; we also take "_", which many send. */
const EXTENSION_NAME = /^[a-z0-9_]{1,64}$/;
const JSON_TYPE = /^[\w.-]+\/(?:[\w.-]+\+)?json\s*(?:;|$)/i;
/** An escape of NUL or of half a character, which jsonb refuses; pairs are never written as escapes. */
const UNSTORABLE_ESCAPE = /(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f][0-9a-f]{2})/i;

/** Reads one parsed JSON value as a usage event. */
export function readUsageEvent(value: unknown, rules: EventRules, dialect: Dialect): ReadEvent {
  if (!isObject(value) || dialect.isLongNumber(value)) {
    return rejected('not_an_object', 'An event must be a JSON object.');
  }
  const id = value['id'];
  const source = value['source'];
  const type = value['type'];
  const subject = value['subject'];
  if (!isAttribute(id) || !isAttribute(source) || !isAttribute(type) || !isAttribute(subject)) {
    return { outcome: 'rejected', ...wrongAttribute(value) };
  }
  const wrong = wrongContext(value);
  if (wrong !== null) {
    return { outcome: 'rejected', ...wrong };
  }
  const time = readTime(value['time'], rules);
  if (typeof time !== 'string') {
    return { outcome: 'rejected', ...time };
  }
  const data = readData(value['data'], dialect);
  if (typeof data !== 'string') {
    return { outcome: 'rejected', ...data };
  }
  const extensions = readExtensions(value, dialect);
  if (typeof extensions !== 'string' && extensions !== null) {
    return { outcome: 'rejected', ...extensions };
  }
  return { outcome: 'usable', event: { source, id, type, subject, time, data, extensions } };
}

/** Whether a parsed value is a JSON object. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether the value can be an id, source, type or subject. */
export function isAttribute(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length > 0 &&
    value.length <= MAX_ATTRIBUTE_LENGTH &&
    value.isWellFormed() &&
    !value.includes('\0')
  );
}

function rejected(code: string, detail: string): ReadEvent {
  return { outcome: 'rejected', code, detail };
}

function wrongAttribute(event: Record<string, unknown>): Rejection {
  const name = ATTRIBUTES.find((attribute) => !isAttribute(event[attribute])) ?? 'id';
  return event[name] === undefined || event[name] === null
    ? { code: `missing_${name}`, detail: `${name}: is required.` }
    : {
        code: `invalid_${name}`,
        detail: `${name}: must be text of 1 to ${MAX_ATTRIBUTE_LENGTH} characters without NUL.`,
      };
}

function wrongContext(value: Record<string, unknown>): Rejection | null {
  const specversion = value['specversion'];
  const datacontenttype = value['datacontenttype'];
  if (specversion !== undefined && specversion !== '1.0') {
    return { code: 'invalid_specversion', detail: 'specversion: must be "1.0".' };
  }
  const isJson =
    datacontenttype === undefined ||
    datacontenttype === null ||
    (typeof datacontenttype === 'string' && JSON_TYPE.test(datacontenttype));
  if (!isJson || value['data_base64'] !== undefined) {
    return { code: 'invalid_data', detail: 'data: must be JSON; no other content can be metered.' };
  }
  return null;
}

function readTime(value: unknown, rules: EventRules): string | Rejection {
  const nowMs = rules.now.getTime();
  if (value === undefined || value === null) {
    return rules.now.toISOString();
  }
  const instant = typeof value === 'string' ? parseInstant(value) : null;
  if (instant === null) {
    return {
      code: 'invalid_time',
      detail: 'time: must be an RFC 3339 time with its offset, such as "2026-11-03T10:20:30Z".',
    };
  }
  if (instant.epochMs < nowMs - rules.maxAgeSeconds * 1_000) {
    return { code: 'time_too_old', detail: `time: is more than ${rules.maxAgeSeconds} s ago.` };
  }
  if (instant.epochMs > nowMs + rules.maxAheadSeconds * 1_000) {
    return {
      code: 'time_in_future',
      detail: `time: is more than ${rules.maxAheadSeconds} s ahead.`,
    };
  }
  return instant.iso;
}

function readData(value: unknown, dialect: Dialect): string | Rejection {
  if (value === undefined || value === null) {
    return '{}';
  }
  if (!isObject(value) || dialect.isLongNumber(value)) {
    return { code: 'invalid_data', detail: 'data: must be a JSON object.' };
  }
  const fault = faultWithin(value, MAX_DEPTH, dialect);
  if (fault !== null) {
    return fault;
  }
  return storable('data', dialect.toText(value), dialect);
}

function faultWithin(value: object, levels: number, dialect: Dialect): Rejection | null {
  if (levels === 0) {
    return { code: 'too_deep', detail: `data: is nested deeper than ${MAX_DEPTH} levels.` };
  }
  for (const key in value) {
    const inner = (value as Record<string, unknown>)[key];
    if (inner instanceof OutOfRangeNumber) {
      return {
        code: 'number_out_of_range',
        detail: `data: the number of ${JSON.stringify(key.slice(0, 64))} is out of range.`,
      };
    }
    if (typeof inner === 'object' && inner !== null && !dialect.isLongNumber(inner)) {
      const fault = faultWithin(inner, levels - 1, dialect);
      if (fault !== null) {
        return fault;
      }
    }
  }
  return null;
}

function storable(field: string, text: string, dialect: Dialect): string | Rejection {
  if (text.length > MAX_EVENT_CHARACTERS) {
    return {
      code: 'event_too_large',
      detail: `${field}: has more than ${MAX_EVENT_CHARACTERS} characters.`,
    };
  }
  if (dialect.isSuspicious && UNSTORABLE_ESCAPE.test(text)) {
    return {
      code: 'invalid_text',
      detail: `${field}: holds a NUL or half a character, which cannot be stored.`,
    };
  }
  return text;
}

/** A switch and not a set: it is asked for every attribute of every event. */
function isContext(name: string): boolean {
  switch (name) {
    case 'id':
    case 'source':
    case 'type':
    case 'subject':
    case 'time':
    case 'data':
    case 'specversion':
    case 'datacontenttype':
    case 'dataschema':
      return true;
    default:
      return false;
  }
}

function readExtensions(
  value: Record<string, unknown>,
  dialect: Dialect,
): string | Rejection | null {
  let extensions: Map<string, unknown> | null = null;
  for (const name in value) {
    if (isContext(name) || value[name] === null) {
      continue;
    }
    const attribute = value[name];
    const isSimple =
      ['string', 'number', 'boolean'].includes(typeof attribute) ||
      (dialect.isLongNumber(attribute) && !(attribute instanceof OutOfRangeNumber));
    if (!EXTENSION_NAME.test(name) || !isSimple) {
      return {
        code: 'invalid_attribute',
        detail: `${JSON.stringify(name.slice(0, 64))}: is no attribute of CloudEvents; what is metered belongs in data.`,
      };
    }
    extensions ??= new Map();
    extensions.set(name, attribute);
  }
  if (extensions === null) {
    return null;
  }
  if (extensions.size > MAX_EXTENSIONS) {
    return {
      code: 'too_many_attributes',
      detail: `An event may have ${MAX_EXTENSIONS} extension attributes.`,
    };
  }
  return storable('extensions', dialect.toText(Object.fromEntries(extensions)), dialect);
}
