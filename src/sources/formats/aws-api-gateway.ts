import { isRecord, textOf } from '../record.js';
import {
  linesOf,
  readJsonLines,
  readJsonRecords,
  type ReadRecord,
  type RecordBatch,
} from '../read-records.js';
import { type Format } from './format.js';

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/**
 * Access logs of AWS API Gateway, whose names are the operator's (these are AWS's own examples),
 * plain or as Amazon Data Firehose delivers them to an HTTP endpoint. The token stands in the
 * header X-Amz-Firehose-Access-Key.
 */
export const awsApiGateway: Format = {
  name: 'aws-api-gateway',
  read: readPlainOrDelivered,
  mapping: {
    id: '$.requestId',
    subject: ['$.apiKeyId', '$.identity.apiKeyId', '$.principalId', '$.authorizer.principalId'],
    type: { value: 'api.request' },
    time: ['$.requestTimeEpoch', '$.requestTime'],
    data: {
      method: '$.httpMethod',
      route: '$.resourcePath',
      route_key: '$.routeKey',
      status: '$.status',
      response_bytes: '$.responseLength',
      data_processed: '$.dataProcessed',
      integration_latency_ms: '$.integrationLatency',
    },
    ignore: [],
  },
};

function readPlainOrDelivered(body: Buffer, contentType: string): RecordBatch {
  const batch = readJsonRecords(body, contentType);
  const delivery = deliveryOf(batch.records);
  if (delivery === null) {
    return batch;
  }
  const { requestId, timestamp, records } = delivery;
  const texts = (records as unknown[]).flatMap((record) => linesOf(dataOf(record)));
  // What Firehose's HTTP endpoint specification asks for: both as they came.
  const reply = { requestId, timestamp: Number(textOf(timestamp)) };
  return { ...readJsonLines(texts), reply: () => reply };
}

function deliveryOf(records: readonly ReadRecord[]): Record<string, unknown> | null {
  const [first] = records;
  const value = first?.outcome === 'read' && records.length === 1 ? first.value : null;
  const isDelivery =
    isRecord(value) && typeof value['requestId'] === 'string' && Array.isArray(value['records']);
  return isDelivery ? value : null;
}

/** What is no base64 is left as it is, and refused alone when it is no JSON. */
function dataOf(record: unknown): Buffer {
  const encoded = isRecord(record) ? record['data'] : null;
  if (typeof encoded !== 'string') {
    return Buffer.from('a record without data');
  }
  return Buffer.from(encoded, BASE64.test(encoded) ? 'base64' : 'utf8');
}
