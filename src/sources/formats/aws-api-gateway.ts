import { isUtf8 } from 'node:buffer';
import { gunzipSync } from 'node:zlib';
import { DomainError } from '../../kernel/errors.js';
import { isRecord, textOf } from '../record.js';
import {
  type Line,
  linesOf,
  readJsonLines,
  readJsonRecords,
  type ReadRecord,
  type RecordBatch,
} from '../read-records.js';
import { type Format } from './format.js';

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const GZIP_MAGIC = 0x1f8b;
/** Of all records of a delivery together; they have 64 MiB at most before they are compressed. */
const MAX_UNPACKED_BYTES = 67_108_864;
/** What CloudWatch Logs sends to see whether anybody is there. */
const CONTROL_MESSAGE = 'CONTROL_MESSAGE';

/**
 * Access logs of AWS API Gateway, whose names are the operator's (these are AWS's own examples),
 * plain or as Amazon Data Firehose delivers them to an HTTP endpoint, also what a subscription of
 * CloudWatch Logs gives it. The token stands in the header X-Amz-Firehose-Access-Key.
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
  const unpack = unpacker();
  const texts = (records as unknown[]).flatMap((record) => unpack(dataOf(record)));
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

/** Reads the lines of records, all together up to a limit. */
function unpacker(): (data: Buffer) => Line[] {
  let left = MAX_UNPACKED_BYTES;
  return (data) => {
    const isPacked = data.length > 2 && data.readUInt16BE() === GZIP_MAGIC;
    if (!isPacked) {
      return linesOf(data);
    }
    const unpacked = gunzip(data, left);
    left -= unpacked.length;
    return messagesOf(unpacked);
  };
}

/** What cannot be unpacked is refused alone, but for too much of it. */
function gunzip(data: Buffer, maxBytes: number): Buffer {
  try {
    return gunzipSync(data, { maxOutputLength: Math.max(maxBytes, 1) });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new DomainError('too_large', 'too_large', 'The records are too large unpacked.', {
        cause: error,
      });
    }
    return Buffer.from('a record that cannot be unpacked');
  }
}

/** The lines of what CloudWatch Logs gives a subscription, or of a text that was compressed. */
function messagesOf(data: Buffer): Line[] {
  const value = tryJson(data.toString('utf8'));
  if (!isUtf8(data) || !isRecord(value) || !Array.isArray(value['logEvents'])) {
    return linesOf(data);
  }
  if (value['messageType'] === CONTROL_MESSAGE) {
    return [];
  }
  return (value['logEvents'] as unknown[]).flatMap((event) => {
    const message = isRecord(event) ? event['message'] : null;
    const text = typeof message === 'string' ? message : 'a log event without message';
    return linesOf(Buffer.from(text));
  });
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
