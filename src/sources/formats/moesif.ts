import { isRecord } from '../record.js';
import { expandRecords, readJsonRecords } from '../read-records.js';
import { type Format } from './format.js';

const TRANSACTION_ID = 'x-moesif-transaction-id';

/**
 * What Moesif's middlewares and plugins send, one or in batches. The transaction id is taken over
 * from a header of the caller when there is one, so the time of the request is part of the id: who
 * sends the same header twice pays twice. An event that stands for several says so by its weight;
 * a meter that sums `$.weight` counts them all.
 */
export const moesif: Format = {
  name: 'moesif',
  read: (body, contentType) =>
    expandRecords(readJsonRecords(body, contentType), (value) => [
      { outcome: 'read', value: completed(value) },
    ]),
  mapping: {
    id: { join: ['$.transaction_id', '$.request.time'] },
    subject: ['$.company_id', '$.user_id'],
    type: { value: 'api.request' },
    // Some plugins leave the zone out; it is UTC then.
    time: '$.request.time',
    data: {
      method: '$.request.verb',
      status: '$.response.status',
      api_version: '$.request.api_version',
      user: '$.user_id',
      company: '$.company_id',
      subscription: '$.subscription_id',
      direction: '$.direction',
      blocked_by: '$.blocked_by',
      weight: '$.weight',
    },
    ignore: [],
  },
};

function completed(value: unknown): unknown {
  if (!isRecord(value)) {
    return value;
  }
  const id = transactionId(value['request']) ?? transactionId(value['response']);
  return { ...value, ...(id !== null && { transaction_id: id }), weight: value['weight'] ?? 1 };
}

/** Its name is written in any letters, depending on the plugin. */
function transactionId(message: unknown): string | null {
  const headers = isRecord(message) ? message['headers'] : null;
  const found = Object.entries(isRecord(headers) ? headers : {}).find(
    ([name, value]) => name.toLowerCase() === TRANSACTION_ID && typeof value === 'string',
  );
  return found === undefined ? null : String(found[1]);
}
