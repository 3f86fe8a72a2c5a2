import { readJsonRecords } from '../read-records.js';
import { type Format } from './format.js';

/** Lines of an nginx `log_format` with `escape=json`, whose names are the operator's; these are usual ones. */
export const nginxJson: Format = {
  name: 'nginx-json',
  read: readJsonRecords,
  mapping: {
    id: '$.request_id',
    subject: ['$.consumer', '$.subject', '$.remote_user'],
    type: { value: 'api.request' },
    time: ['$.msec', '$.time', '$.time_iso8601', '$.time_local'],
    data: {
      method: '$.method',
      path: '$.uri',
      status: '$.status',
      host: '$.host',
      region: '$.region',
      request_bytes: '$.request_length',
      response_bytes: '$.bytes_sent',
      duration_s: '$.request_time',
    },
    ignore: [],
  },
};
