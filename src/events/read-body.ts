/* From the bytes of a request to parsed values, without losing a digit of any number. */
import { LosslessNumber, parse, stringify } from 'lossless-json';
import { DomainError } from '../kernel/errors.js';
import { whyNoJson } from '../kernel/json-fault.js';
import { LINE_TYPES } from '../platform/http/raw-body.js';
import { MAX_LINE_BYTES } from './line-blocks.js';
import { type Dialect, OutOfRangeNumber } from './usage-event.js';

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
/** Not across line ends: from each of many blank lines it would look through all that follow. */
const LONG_NUMBER_LINE = /^[ \t]*-?(?:\d[\d.]{15}|[\d.]+[eE])/m;
const LINE_END = 0x0a;
/** Of one unit of a JavaScript string. */
const MAX_UTF_8_BYTES = 3;
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

/** A line of which no value could be read: it is refused alone. */
export class UnreadableLine {
  constructor(
    readonly text: string,
    readonly code: string,
    readonly detail: string,
  ) {}
}

/** Values of lines, and the place of each among all lines of the block, from 0. */
export interface ReadLines extends ReadBody {
  readonly positions: readonly number[];
  readonly lineCount: number;
}

/**
 * Parses the body of a request into the values that should be events.
 *
 * @throws DomainError when the body is not UTF-8, not JSON, of another type, or has too many events
 */
export function readBody(body: Buffer, contentType: string): ReadBody {
  const type = (contentType.split(';')[0] ?? '').trim().toLowerCase();
  if (!JSON_TYPES.includes(type)) {
    throw new DomainError(
      'unsupported',
      'unsupported_media_type',
      `The content type must be one of ${[...JSON_TYPES, ...LINE_TYPES].join(', ')}, not '${type}'.`,
    );
  }
  const text = decode(body);
  if (text === null) {
    throw new DomainError('invalid', 'invalid_utf8', 'The body is not UTF-8.');
  }
  const { dialect, parseText } = dialectOf(text, LONG_NUMBER_ALONE);
  try {
    const value = parseText(text);
    return { values: limited(Array.isArray(value) ? value : [value]), dialect };
  } catch (error) {
    if (error instanceof DomainError) {
      throw error;
    }
    throw new DomainError('invalid', 'invalid_json', `The body is no JSON: ${whyNoJson(error)}`, {
      cause: error,
    });
  }
}

/** Parses lines, each of which should be one event; blank lines are passed over. */
export function readLines(block: Buffer): ReadLines {
  const text = decode(block);
  const lines = text === null ? decodeEach(block) : text.split('\n');
  // The block ends with a line's end, after which split sees one line more.
  const lineCount = block.at(-1) === LINE_END ? lines.length - 1 : lines.length;
  const { dialect, parseText } = dialectOf(text ?? block.toString('latin1'), LONG_NUMBER_LINE);
  const values: unknown[] = [];
  const positions: number[] = [];
  lines.forEach((line, position) => {
    if (line instanceof UnreadableLine || line.trim() !== '') {
      values.push(line instanceof UnreadableLine ? line : readLine(line, parseText));
      positions.push(position);
    }
  });
  return { values, dialect, positions, lineCount };
}

function readLine(line: string, parseText: ParseText): unknown {
  if (isTooLong(line)) {
    return new UnreadableLine(
      line,
      'event_too_large',
      `The line has more than ${MAX_LINE_BYTES} bytes.`,
    );
  }
  try {
    return parseText(line);
  } catch (error) {
    return new UnreadableLine(line, 'invalid_json', `The line is no JSON: ${whyNoJson(error)}`);
  }
}

/** By its bytes, since beyond as many some may have been dropped. */
function isTooLong(line: string): boolean {
  return line.length * MAX_UTF_8_BYTES > MAX_LINE_BYTES && Buffer.byteLength(line) > MAX_LINE_BYTES;
}

function decodeEach(block: Buffer): (string | UnreadableLine)[] {
  const lines: (string | UnreadableLine)[] = [];
  for (let start = 0; start <= block.length;) {
    const found = block.indexOf(LINE_END, start);
    const end = found === -1 ? block.length : found;
    const bytes = block.subarray(start, end);
    lines.push(
      decode(bytes) ??
        new UnreadableLine(bytes.toString('base64'), 'invalid_utf8', 'The line is not UTF-8.'),
    );
    start = end + 1;
  }
  return lines;
}

type ParseText = (text: string) => unknown;

function dialectOf(text: string, alone: RegExp): { dialect: Dialect; parseText: ParseText } {
  return LONG_NUMBER.test(text) || alone.test(text)
    ? { dialect: lossless(text), parseText: parseLossless }
    : { dialect: plain(text), parseText: JSON.parse as ParseText };
}

/**
 * How a text is parsed, on however many lines, without losing a digit of any number; all of it in
 * the same way.
 */
export function chooseParser(text: string): { dialect: Dialect; parseText: ParseText } {
  return dialectOf(text, LONG_NUMBER_LINE);
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

/** The text of bytes; null when they are not UTF-8. */
export function decode(bytes: Buffer): string | null {
  try {
    return UTF_8.decode(bytes);
  } catch {
    return null;
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

function boundedNumber(text: string): LosslessNumber {
  const exponent = Math.abs(Number(/[eE](.+)$/.exec(text)?.[1] ?? 0));
  const isBounded = text.length <= MAX_NUMBER_LENGTH && exponent <= MAX_EXPONENT;
  return isBounded ? new LosslessNumber(text) : new OutOfRangeNumber(text);
}
