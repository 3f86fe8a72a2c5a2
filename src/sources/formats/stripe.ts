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

function readForm(text: string): RecordBatch {
  return readJsonLines([JSON.stringify(qs.parse(text, { depth: 1 }))]);
}

function eventsOf(value: unknown): readonly unknown[] {
  const events = isRecord(value) ? value['events'] : null;
  return Array.isArray(events) ? (events as unknown[]) : [value];
}
