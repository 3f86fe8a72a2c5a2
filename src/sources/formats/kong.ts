import { readJsonRecords } from '../read-records.js';
import { type Format } from './format.js';

/**
 * Kong's http-log plugin: one object, or an array when its queue batches. Its URL loses its query, so
 * the token stands in the plugin's `headers` or as user of the URL. URIs are not kept, since callers
 * put keys into them.
 */
export const kong: Format = {
  name: 'kong',
  read: readJsonRecords,
  mapping: {
    id: '$.request.id',
    subject: ['$.consumer.custom_id', '$.consumer.id', '$.authenticated_entity.id'],
    type: { value: 'api.request' },
    time: { path: '$.started_at', unit: 'ms' },
    data: {
      method: '$.request.method',
      status: '$.response.status',
      route: '$.route.name',
      service: '$.service.name',
      request_bytes: '$.request.size',
      response_bytes: '$.response.size',
      latency_ms: '$.latencies.request',
    },
    ignore: [],
  },
};
