import qs from 'qs';
import { isRecord } from '../record.js';
import {
  bodyText,
  expandRecords,
  mediaType,
  readJsonLines,
  readJsonRecords,
  type RecordBatch,
} from '../read-records.js';
import { type Format } from './format.js';

export const FORM_TYPE = 'application/x-www-form-urlencoded';

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

function parseForm(text: string): Record<string, unknown> {
  return qs.parse(text, { depth: 1 });
}

function eventsOf(value: unknown): readonly unknown[] {
  const events = isRecord(value) ? value['events'] : null;
  return Array.isArray(events) ? (events as unknown[]) : [value];
}
