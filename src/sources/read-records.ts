/* From the bytes of a request to records: JSON, NDJSON, or lines of text that a format reads. Pure. */
import { isUtf8 } from 'node:buffer';
// Its types only: a format is pure, and loads no service.
import type { Receipt } from '../events/events.service.js';
import { chooseParser, decode, limited } from '../events/read-body.js';
import { type Dialect, type Rejection } from '../events/usage-event.js';
import { DomainError } from '../kernel/errors.js';
import { whyNoJson } from '../kernel/json-fault.js';
import { elementsOf } from './json-elements.js';
import { isRecord } from './record.js';

/** One record of a request; one that cannot be read is refused alone. */
export type ReadRecord =
  | { readonly outcome: 'read'; readonly value: unknown }
  | ({ readonly outcome: 'unreadable'; readonly text: string } & Rejection);

/** The records of a request, and how their numbers become text again. */
export interface RecordBatch {
  readonly records: readonly ReadRecord[];
  readonly dialect: Dialect;
  /** What the sender wants to hear in place of the receipts. */
  readonly reply?: (receipts: readonly RecordReceipt[]) => object;
}

/** What became of a record; one that is no usage is ignored. */
export type RecordReceipt = Omit<Receipt, 'status'> & {
  readonly status: Receipt['status'] | 'ignored';
};

const JSON_TYPE = /^(?:application|text)\/(?:[\w.-]+\+)?json$/;
/** What senders of lines say, and those that say nothing. */
const LINE_TYPES: readonly string[] = [
  '',
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
  'application/octet-stream',
  'text/plain',
];
const LINE_END = 0x0a;
const NO_UTF_8 = { code: 'invalid_utf8', detail: 'The record is not UTF-8.' };
const UNREADABLE_JSON = { code: 'invalid_json', detail: 'The line is no JSON.' };
const UNREADABLE_LINE = {
  code: 'invalid_line',
  detail: 'The line is not of the format of the source.',
};

/** Content types that bodies of records may have. */
export const RECORD_TYPES = ['application/json', 'application/x-ndjson', 'text/plain'];

/**
 * The records of a JSON body: one object, an array, or one on each line, whatever of these the
 * content type says, since many senders cannot set it.
 *
 * @throws DomainError when nothing of it can be read, or it is of another content type
 */
export function readJsonRecords(body: Buffer, contentType: string): RecordBatch {
  const type = mediaType(contentType);
  const isJson = JSON_TYPE.test(type);
  if (!isJson && !LINE_TYPES.includes(type)) {
    throw unsupported(type, [...RECORD_TYPES]);
  }
  const text = decode(body);
  if (text === null) {
    return readPartly(body, isJson);
  }
  const lines = linesOf(body);
  if (!isJson && lines.length === 0) {
    return toBatch([], text);
  }
  const { parseText, dialect } = chooseParser(text);
  const whole = tryParse(text, parseText);
  if (whole.outcome === 'read') {
    const values = limited(Array.isArray(whole.value) ? (whole.value as unknown[]) : [whole.value]);
    const records = values.map((value) => ({ outcome: 'read' as const, value }));
    return { records, dialect };
  }
  if (lines.length < 2 || (isJson && !isFirstJson(lines))) {
    throw malformed('invalid_json', `The body is no JSON: ${whole.detail}`);
  }
  return readJsonLines(lines);
}

/**
 * Records some of which are not UTF-8: whoever puts a wrong byte into one must not lose the others, nor
 * make a gateway send the same for ever, since it is refused.
 */
function readPartly(body: Buffer, isJson: boolean): RecordBatch {
  const elements = elementsOf(body);
  if (elements !== null) {
    return readJsonLines(elements.map(toLine));
  }
  const lines = linesOf(body);
  const isOne = isJson && !isFirstJson(lines);
  return readJsonLines(isOne ? [toLine(body)] : lines);
}

/** Whether they look like lines of JSON: the first that can be read is one. */
function isFirstJson(lines: readonly Line[]): boolean {
  const first = lines.find((line) => typeof line === 'string') ?? lines[0];
  const text = first instanceof UndecodedLine ? first.shown : (first ?? '');
  return tryParse(text, JSON.parse as (line: string) => unknown).outcome === 'read';
}

/**
 * The same batch with what stands in its records in place of each that could be read.
 *
 * @throws DomainError when these are too many
 */
export function expandRecords(
  batch: RecordBatch,
  expand: (value: unknown) => readonly ReadRecord[],
): RecordBatch {
  const records = batch.records.flatMap((record) =>
    record.outcome === 'read' ? expand(record.value) : [record],
  );
  return { ...batch, records: limited(records) };
}

/**
 * The records of JSON texts, one in each.
 *
 * @throws DomainError when none of them can be read
 */
export function readJsonLines(lines: readonly Line[]): RecordBatch {
  const read = limited(lines).map((line) =>
    typeof line === 'string'
      ? { line, json: line, fault: UNREADABLE_JSON }
      : { line: line.shown, json: line.shown, fault: NO_UTF_8 },
  );
  return toBatch(read, read.map(({ json }) => json).join('\n'));
}

/**
 * The records of lines of text.
 *
 * @param toJson the record of a line as JSON text, so that its numbers are read as all others are;
 *   null when the line is not of the format
 * @throws DomainError when none of them can be read, or the body is of another content type
 */
export function readTextLines(
  body: Buffer,
  contentType: string,
  toJson: (line: string) => string | null,
): RecordBatch {
  const type = mediaType(contentType);
  if (!LINE_TYPES.includes(type)) {
    throw unsupported(type, ['text/plain']);
  }
  const read = limited(linesOf(body)).map((line) =>
    typeof line === 'string'
      ? { line, json: toJson(line) ?? '', fault: UNREADABLE_LINE }
      : { line: line.shown, json: toJson(line.shown) ?? '', fault: NO_UTF_8 },
  );
  return toBatch(read, read.map(({ json }) => json).join('\n'));
}

/** A record alone, on however many lines. */
function toLine(bytes: Buffer): Line {
  const text = bytes.toString();
  return isUtf8(bytes) ? text : new UndecodedLine(text);
}

/** A line that is not UTF-8, and what can be shown of it. */
export class UndecodedLine {
  constructor(readonly shown: string) {}
}

export type Line = string | UndecodedLine;

/** The lines that say something; one by one, since a body may be made of millions of blank ones. */
export function linesOf(body: Buffer): Line[] {
  const isText = isUtf8(body);
  const lines: Line[] = [];
  for (let start = 0; start < body.length;) {
    const found = body.indexOf(LINE_END, start);
    const end = found === -1 ? body.length : found;
    // Replaced bytes are of a line that is refused.
    const line = end === start ? '' : body.toString('utf8', start, end).replace(/\r$/, '');
    if (line.trim() !== '') {
      const isLine = isText || isUtf8(body.subarray(start, end));
      lines.push(isLine ? line : new UndecodedLine(line));
    }
    start = end + 1;
  }
  return lines;
}

function toBatch(
  lines: readonly { line: string; json: string; fault: Rejection }[],
  text: string,
): RecordBatch {
  const { parseText, dialect } = chooseParser(text);
  let isOfFormat = false;
  const records = lines.map(({ line, json, fault }): ReadRecord => {
    const parsed = tryParse(json, parseText);
    const isText = fault !== NO_UTF_8;
    isOfFormat ||= parsed.outcome === 'read' && (isText || isRecord(parsed.value));
    return parsed.outcome === 'read' && isText
      ? parsed
      : { outcome: 'unreadable', text: line.replaceAll('\0', '\uFFFD'), ...fault };
  });
  const [first] = records;
  if (first?.outcome === 'unreadable' && !isOfFormat) {
    throw malformed(first.code, `None of the ${records.length} records can be read.`);
  }
  return { records, dialect };
}

function tryParse(
  text: string,
  parseText: (text: string) => unknown,
): { outcome: 'read'; value: unknown } | { outcome: 'unreadable'; detail: string } {
  try {
    return { outcome: 'read', value: parseText(text) };
  } catch (error) {
    return { outcome: 'unreadable', detail: whyNoJson(error) };
  }
}

/** @throws DomainError when the body is not UTF-8 */
export function bodyText(body: Buffer): string {
  const text = decode(body);
  if (text === null) {
    throw malformed('invalid_utf8', 'The body is not UTF-8.');
  }
  return text;
}

/** The media type alone, in lower case. */
export function mediaType(contentType: string): string {
  return (contentType.split(';')[0] ?? '').trim().toLowerCase();
}

/** A refusal of a body of which nothing can be read. */
export function malformed(code: string, detail: string): DomainError {
  return new DomainError('invalid', code, detail);
}

function unsupported(type: string, types: readonly string[]): DomainError {
  return new DomainError(
    'unsupported',
    'unsupported_media_type',
    `The content type must be one of ${types.join(', ')}, not '${type}'.`,
  );
}
