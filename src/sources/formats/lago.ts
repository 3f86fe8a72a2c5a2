import { stringify } from 'lossless-json';
import { isDeeperThan, isRecord, textAt } from '../record.js';
import { expandRecords, readJsonRecords, type ReadRecord } from '../read-records.js';
import { type Format } from './format.js';

/** What lies deeper is not kept for repair. */
const MAX_LEVELS = 64;

/**
 * What Lago's clients send: `{ event }` or `{ events }`. A transaction id is unique within its
 * subscription, and there is no event without one.
 */
export const lago: Format = {
  name: 'lago',
  read: (body, contentType) =>
    expandRecords(readJsonRecords(body, contentType), (value) => eventsOf(value).map(toRecord)),
  mapping: {
    id: { join: ['$.external_subscription_id', '$.transaction_id'] },
    subject: '$.external_subscription_id',
    type: '$.code',
    time: { path: '$.timestamp', unit: 's' },
    data: '$.properties',
    ignore: [],
  },
};

function eventsOf(value: unknown): readonly unknown[] {
  if (!isRecord(value)) {
    return [value];
  }
  const { event, events } = value;
  return Array.isArray(events) ? (events as unknown[]) : [event ?? value];
}

function toRecord(value: unknown): ReadRecord {
  if (isRecord(value) && textAt(value, ['transaction_id']) === null) {
    return {
      outcome: 'unreadable',
      text: isDeeperThan(value, MAX_LEVELS) ? '' : (stringify(value) ?? ''),
      code: 'missing_transaction_id',
      detail: 'transaction_id: is required.',
    };
  }
  return { outcome: 'read', value: isRecord(value) ? withAmount(value) : value };
}

/** The amount that a sender has priced itself is kept beside the properties, which are kept whole. */
function withAmount(event: Record<string, unknown>): Record<string, unknown> {
  const { precise_total_amount_cents: amount, properties } = event;
  return amount === undefined || amount === null
    ? event
    : {
        ...event,
        properties: {
          precise_total_amount_cents: amount,
          ...(isRecord(properties) ? properties : {}),
        },
      };
}
