/*
 * CloudEvents in binary mode (CloudEvents HTTP binding 1.0.2, section 3.1): the attributes are in
 * headers `ce-…`, the body is the data.
 */
import { type ReadBody, readBody, UnreadableLine } from './read-body.js';
import { isObject } from './usage-event.js';

/** Names in lower case, as they come from Node. */
export type RequestHeaders = Readonly<Record<string, string | string[] | undefined>>;

const PREFIX = 'ce-';
const ESCAPED = /(?:%[0-9a-f]{2})+/gi;

/** Whether the request is one event in binary mode; a body that is a whole event takes precedence. */
export function isBinaryEvent(headers: RequestHeaders): boolean {
  const isWhole = contentTypeOf(headers).toLowerCase().startsWith('application/cloudevents');
  return !isWhole && ('ce-id' in headers || 'ce-specversion' in headers);
}

/** The content type, JSON when the request has none. */
export function contentTypeOf(headers: RequestHeaders): string {
  const type = headers['content-type'];
  return typeof type === 'string' ? type : 'application/json';
}

/**
 * Puts the event together.
 *
 * @throws DomainError when the body is not UTF-8, no JSON, or of another type
 */
export function readBinaryEvent(headers: RequestHeaders, body: Buffer): ReadBody {
  const attributes: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(PREFIX) && typeof value === 'string') {
      attributes[name.slice(PREFIX.length)] = unescaped(value);
    }
  }
  if (body.length === 0) {
    return readBody(Buffer.from(JSON.stringify(attributes)), 'application/json');
  }
  const read = readBody(body, contentTypeOf(headers));
  const text = body.toString();
  // A list is one value here; readBody takes it apart.
  const isOne = isObject(read.values[0]) && !text.trimStart().startsWith('[');
  const value = isOne
    ? { ...attributes, data: read.values[0] }
    : new UnreadableLine(text, 'invalid_data', 'data: must be a JSON object.');
  return { values: [value], dialect: read.dialect };
}

/** Percent-encoding of UTF-8, as the binding asks of senders; what is none is left as it stands. */
function unescaped(text: string): string {
  return text.replaceAll(ESCAPED, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes;
    }
  });
}
