import { isRecord } from '../record.js';
import {
  bodyText,
  expandRecords,
  malformed,
  mediaType,
  readJsonLines,
  readJsonRecords,
  type RecordBatch,
} from '../read-records.js';
import { type Format } from './format.js';

export const FORM_TYPE = 'application/x-www-form-urlencoded';
/** Stripe's meter events have five and a few more. */
const MAX_PAIRS = 1_000;
const BRACKETS = /^([^[\]]+)\[([^[\]]+)\]$/;

/**
 * Meter events as Stripe's clients send them: a form (v1), an object or `{ events }` (v2). All values
 * of a payload are texts, of which sums take those that are numbers.
 */
export const stripe: Format = {
  name: 'stripe',
  read: (body, contentType) =>
    mediaType(contentType) === FORM_TYPE
      ? readForm(bodyText(body))
      : expandRecords(readJsonRecords(body, contentType), (value) =>
          eventsOf(value).map((event) => ({ outcome: 'read', value: event })),
        ),
  mapping: {
    id: '$.identifier',
    subject: '$.payload.stripe_customer_id',
    type: '$.event_name',
    time: '$.timestamp',
    data: '$.payload',
    ignore: [],
  },
};

/**
 * The fields of a request that is no event, from a form (v1) or an object (v2); none when it is neither.
 *
 * @throws DomainError when the body is not UTF-8, or no JSON
 */
export function readFields(body: Buffer, contentType: string): Record<string, unknown> {
  if (mediaType(contentType) === FORM_TYPE) {
    return parseForm(bodyText(body));
  }
  const [first] = readJsonRecords(body, contentType).records;
  return first?.outcome === 'read' && isRecord(first.value) ? first.value : {};
}

function readForm(text: string): RecordBatch {
  return readJsonLines([JSON.stringify(parseForm(text))]);
}

/**
 * Names with one pair of brackets are members of a member, all others stand for themselves; of two of
 * one name the last counts, as in JSON. Here no name means anything to JavaScript, and none is dropped.
 */
function parseForm(text: string): Record<string, unknown> {
  const pairs = text.split('&').filter((pair) => pair !== '');
  if (pairs.length > MAX_PAIRS) {
    throw malformed('too_many_fields', `A form may have ${MAX_PAIRS} fields; this one has more.`);
  }
  const members = new Map<string, string | Map<string, string>>();
  for (const pair of pairs) {
    const equals = pair.includes('=') ? pair.indexOf('=') : pair.length;
    const name = unescaped(pair.slice(0, equals));
    const value = unescaped(pair.slice(equals + 1));
    const [, outer, inner] = BRACKETS.exec(name) ?? [];
    if (outer === undefined || inner === undefined) {
      members.set(name, value);
    } else {
      const within = members.get(outer);
      const fields = within instanceof Map ? within : new Map<string, string>();
      members.set(outer, fields.set(inner, value));
    }
  }
  const written = [...members].map(([name, value]) => [
    name,
    value instanceof Map ? Object.fromEntries(value) : value,
  ]);
  return Object.fromEntries(written);
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw malformed(
      'invalid_form',
      `The form holds an escape of no UTF-8: '${text.slice(0, 64)}'.`,
    );
  }
}

function eventsOf(value: unknown): readonly unknown[] {
  const events = isRecord(value) ? value['events'] : null;
  return Array.isArray(events) ? (events as unknown[]) : [value];
}
