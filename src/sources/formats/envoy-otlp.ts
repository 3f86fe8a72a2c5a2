import { readOtlpLogs } from '../otlp-records.js';
import { type Format } from './format.js';

/**
 * Envoy's OpenTelemetry access log, whose attributes are the operator's; these are those that Envoy's
 * own access log in JSON has. All values are texts, `-` when there is none. `%UNIQUE_ID%` is an id
 * that no caller can choose, unlike the header X-Request-Id.
 */
export const envoyOtlp: Format = {
  name: 'envoy-otlp',
  read: readOtlpLogs,
  mapping: {
    id: "$.attributes['log.record.uid']",
    subject: ['$.attributes.consumer', '$.attributes.subject', "$.attributes['enduser.id']"],
    type: { value: 'api.request' },
    time: { path: '$.time_unix_nano', unit: 'ns' },
    data: {
      method: '$.attributes.method',
      status: '$.attributes.response_code',
      route: '$.attributes.route_name',
      service: '$.attributes.upstream_cluster',
      request_bytes: '$.attributes.bytes_received',
      response_bytes: '$.attributes.bytes_sent',
      duration_ms: '$.attributes.duration',
    },
    ignore: [],
  },
};
