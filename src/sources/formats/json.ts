import { readJsonRecords } from '../read-records.js';
import { type Format } from './format.js';

/** Any records; a source of them says by its mapping what they mean. */
export const json: Format = {
  name: 'json',
  read: readJsonRecords,
  mapping: {
    id: '$.id',
    subject: '$.subject',
    type: { value: 'api.request' },
    time: '$.time',
    data: '$.data',
    ignore: [],
  },
};
