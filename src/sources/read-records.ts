/* From the bytes of a request to records: JSON, NDJSON, or lines of text that a format reads. Pure. */
// Its types only: a format is pure, and loads no service.
import type { Receipt } from '../events/events.service.js';
import { chooseParser, decode, limited } from '../events/read-body.js';
import { type Dialect, type Rejection } from '../events/usage-event.js';
import { DomainError } from '../kernel/errors.js';

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
  const text = bodyText(body);
  const lines = linesOf(text);
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
  const isFirstJson = tryParse(lines[0] ?? '', JSON.parse as (line: string) => unknown);
  if (lines.length < 2 || (isJson && isFirstJson.outcome === 'unreadable')) {
    throw malformed('invalid_json', `The body is no JSON: ${whole.detail}`);
  }
  return readJsonLines(lines);
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
export function readJsonLines(lines: readonly string[]): RecordBatch {
  return toBatch(
    limited(lines).map((line) => ({ line, json: line, fault: UNREADABLE_JSON })),
    lines.join('\n'),
  );
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
  const lines = limited(linesOf(bodyText(body)));
  const read = lines.map((line) => ({ line, json: toJson(line) ?? '', fault: UNREADABLE_LINE }));
  return toBatch(read, read.map(({ json }) => json).join('\n'));
}

/** The lines of a text that say something. */
export function linesOf(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line.trim() !== '');
}

function toBatch(
  lines: readonly { line: string; json: string; fault: Rejection }[],
  text: string,
): RecordBatch {
  const { parseText, dialect } = chooseParser(text);
  const records = lines.map(({ line, json, fault }): ReadRecord => {
    const parsed = tryParse(json, parseText);
    return parsed.outcome === 'read'
      ? parsed
      : { outcome: 'unreadable', text: line.replaceAll('\0', '\uFFFD'), ...fault };
  });
  const [first] = records;
  if (first?.outcome === 'unreadable' && !records.some(({ outcome }) => outcome === 'read')) {
    throw malformed(first.code, `None of the ${records.length} lines can be read.`);
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
    return { outcome: 'unreadable', detail: error instanceof Error ? error.message : 'not JSON' };
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
