/* From the bytes of a request to parsed values, without losing a digit of any number. */
import { LosslessNumber, parse, stringify } from 'lossless-json';
import { DomainError } from '../kernel/errors.js';
import { type Dialect, OUT_OF_RANGE } from './usage-event.js';

/** Values of a request, and how they were parsed. */
export interface ReadBody {
  readonly values: readonly unknown[];
  readonly dialect: Dialect;
}

/** What one request may hold; larger sets are sent in several. */
export const MAX_EVENTS_PER_REQUEST = 10_000;

/** More digits than an IEEE double keeps, or an exponent: such a number must stay text. */
const LONG_NUMBER = /[:,[]\s*-?(?:\d[\d.]{15}|[\d.]+[eE])/;
const LONG_NUMBER_ALONE = /^\s*-?(?:\d[\d.]{15}|[\d.]+[eE])/;
const LONG_NUMBER_LINE = new RegExp(LONG_NUMBER_ALONE, 'm');
const SUSPICIOUS = /\\u(?:0000|[dD][89a-fA-F])/;
/** Far beyond any quantity, far below what makes PostgreSQL or JavaScript choke. */
const MAX_NUMBER_LENGTH = 400;
const MAX_EXPONENT = 400;

/** The content types whose body is one event or an array of events. */
export const JSON_TYPES = [
  'application/json',
  'application/cloudevents+json',
  'application/cloudevents-batch+json',
];
export const NDJSON_TYPE = 'application/x-ndjson';

/**
 * Parses the body of a request into the values that should be events.
 *
 * @throws DomainError when the body is not UTF-8, not JSON, of another type, or has too many events
 */
export function readBody(body: Buffer, contentType: string): ReadBody {
  const type = (contentType.split(';')[0] ?? '').trim().toLowerCase();
  const text = decode(body);
  const isLineByLine = type === NDJSON_TYPE;
  const { dialect, parseText } = chooseParser(text, isLineByLine);
  if (JSON_TYPES.includes(type)) {
    const value = parsed(text, parseText, 'The body');
    return { values: limited(Array.isArray(value) ? value : [value]), dialect };
  }
  if (isLineByLine) {
    const lines = text.split('\n').map((line, index) => ({ line, name: `Line ${index + 1}` }));
    const filled = limited(lines.filter(({ line }) => line.trim() !== ''));
    return { values: filled.map(({ line, name }) => parsed(line, parseText, name)), dialect };
  }
  throw new DomainError(
    'unsupported',
    'unsupported_media_type',
    `The content type must be one of ${[...JSON_TYPES, NDJSON_TYPE].join(', ')}, not '${type}'.`,
  );
}

/** How a text is parsed without losing a digit of any number, all of it in the same way. */
export function chooseParser(
  text: string,
  isLineByLine: boolean,
): { readonly dialect: Dialect; readonly parseText: (text: string) => unknown } {
  const alone = isLineByLine ? LONG_NUMBER_LINE : LONG_NUMBER_ALONE;
  return LONG_NUMBER.test(text) || alone.test(text)
    ? { dialect: lossless(text), parseText: parseLossless }
    : { dialect: plain(text), parseText: JSON.parse as (text: string) => unknown };
}

/** @throws DomainError when one request holds more than it may */
export function limited<Value>(values: readonly Value[]): readonly Value[] {
  if (values.length > MAX_EVENTS_PER_REQUEST) {
    throw new DomainError(
      'too_large',
      'too_many_events',
      `One request may hold ${MAX_EVENTS_PER_REQUEST} events; this one has ${values.length}.`,
    );
  }
  return values;
}

const UTF_8 = new TextDecoder('utf-8', { fatal: true });

/** @throws DomainError when the bytes are not UTF-8 */
export function decode(body: Buffer): string {
  try {
    return UTF_8.decode(body);
  } catch (error) {
    throw new DomainError('invalid', 'invalid_utf8', 'The body is not UTF-8.', { cause: error });
  }
}

function parsed(text: string, parseText: (text: string) => unknown, what: string): unknown {
  try {
    return parseText(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'not JSON';
    throw new DomainError('invalid', 'invalid_json', `${what} is no JSON: ${reason}`, {
      cause: error,
    });
  }
}

function plain(text: string): Dialect {
  return {
    toText: (value) => JSON.stringify(value),
    isLongNumber: () => false,
    isSuspicious: SUSPICIOUS.test(text),
  };
}

function lossless(text: string): Dialect {
  return {
    toText: (value) => stringify(value) ?? 'null',
    isLongNumber: (value) => value instanceof LosslessNumber,
    isSuspicious: SUSPICIOUS.test(text),
  };
}

function parseLossless(text: string): unknown {
  return parse(text, undefined, {
    parseNumber: boundedNumber,
    // As JSON.parse and jsonb do: the last one counts.
    onDuplicateKey: ({ newValue }) => newValue,
  });
}

function boundedNumber(text: string): LosslessNumber | typeof OUT_OF_RANGE {
  const exponent = Math.abs(Number(/[eE](.+)$/.exec(text)?.[1] ?? 0));
  const isBounded = text.length <= MAX_NUMBER_LENGTH && exponent <= MAX_EXPONENT;
  return isBounded ? new LosslessNumber(text) : OUT_OF_RANGE;
}
