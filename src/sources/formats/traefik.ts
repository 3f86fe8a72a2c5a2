import { readJsonRecords } from '../read-records.js';
import { type Format } from './format.js';

/** Traefik's access log in JSON. Times are to the nanosecond and requests are counted, so equal lines are retries. */
export const traefik: Format = {
  name: 'traefik',
  read: readJsonRecords,
  mapping: {
    id: null,
    subject: '$.ClientUsername',
    type: { value: 'api.request' },
    time: ['$.StartUTC', '$.StartLocal', '$.time'],
    data: {
      method: '$.RequestMethod',
      host: '$.RequestHost',
      status: '$.DownstreamStatus',
      route: '$.RouterName',
      service: '$.ServiceName',
      request_bytes: '$.RequestContentSize',
      response_bytes: '$.DownstreamContentSize',
      duration_ns: '$.Duration',
    },
    ignore: [],
  },
};
