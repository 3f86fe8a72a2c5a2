import { readOtlpLogs } from '../otlp-records.js';
import { type Format } from './format.js';

/**
 * Log records of OpenTelemetry, in JSON or protobuf. `log.record.uid` is what OpenTelemetry's
 * conventions name the attribute by which equal records are known.
 */
export const otlpLogs: Format = {
  name: 'otlp-logs',
  read: readOtlpLogs,
  mapping: {
    id: "$.attributes['log.record.uid']",
    subject: [
      '$.attributes.subject',
      "$.attributes['enduser.id']",
      "$.attributes['user.id']",
      '$.resource.subject',
    ],
    type: '$.type',
    time: { path: '$.time_unix_nano', unit: 'ns' },
    data: '$.attributes',
    ignore: [],
  },
};
