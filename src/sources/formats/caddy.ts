import { readJsonRecords } from '../read-records.js';
import { type Format } from './format.js';

/**
 * Caddy's access log in JSON. Other lines of its log are no usage. It has no id of the request, and
 * only what authenticates inside Caddy sets `user_id`.
 */
export const caddy: Format = {
  name: 'caddy',
  read: readJsonRecords,
  mapping: {
    id: null,
    subject: '$.user_id',
    type: { value: 'api.request' },
    time: '$.ts',
    data: {
      method: '$.request.method',
      host: '$.request.host',
      status: '$.status',
      request_bytes: '$.bytes_read',
      response_bytes: '$.size',
      duration_s: '$.duration',
    },
    ignore: [{ property: '$.msg', op: 'ne', value: 'handled request' }],
  },
};
