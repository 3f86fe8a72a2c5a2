import { readJsonRecords } from '../read-records.js';
import { type Format } from './format.js';

/**
 * APISIX's http-logger plugin: an array, an object, or lines with `concat_method: new_line`. There is
 * no id of the request, and a header of the caller must not serve as one: who sends the same twice
 * would pay once.
 */
export const apisix: Format = {
  name: 'apisix',
  read: readJsonRecords,
  mapping: {
    id: null,
    subject: ['$.consumer.username', '$.consumer_name'],
    type: { value: 'api.request' },
    time: { path: '$.start_time', unit: 'ms' },
    data: {
      method: '$.request.method',
      status: '$.response.status',
      route: '$.route_id',
      service: '$.service_id',
      request_bytes: '$.request.size',
      response_bytes: '$.response.size',
      latency_ms: '$.latency',
    },
    ignore: [],
  },
};
