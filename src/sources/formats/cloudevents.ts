import { readJsonRecords } from '../read-records.js';
import { type Format } from './format.js';

/**
 * CloudEvents 1.0, structured or in batches. An id is unique within the `source` of its producer only,
 * so both make up the id here, or two producers could silence each other.
 */
export const cloudevents: Format = {
  name: 'cloudevents',
  read: readJsonRecords,
  mapping: {
    id: { join: ['$.source', '$.id'] },
    subject: '$.subject',
    type: '$.type',
    time: '$.time',
    data: '$.data',
    ignore: [],
  },
};
