/* The part of opentelemetry-proto v1 that log records take, and what is answered to them. Pure. */
import protobuf from 'protobufjs/light.js';
import { decode } from '../events/read-body.js';
import { malformed } from './read-records.js';

const ANY_VALUES = {
  stringValue: { type: 'string', id: 1 },
  boolValue: { type: 'bool', id: 2 },
  intValue: { type: 'int64', id: 3 },
  doubleValue: { type: 'double', id: 4 },
  arrayValue: { type: 'ArrayValue', id: 5 },
  kvlistValue: { type: 'KeyValueList', id: 6 },
  bytesValue: { type: 'bytes', id: 7 },
};

const ROOT = protobuf.Root.fromJSON({
  nested: {
    AnyValue: { oneofs: { value: { oneof: Object.keys(ANY_VALUES) } }, fields: ANY_VALUES },
    ArrayValue: { fields: { values: { rule: 'repeated', type: 'AnyValue', id: 1 } } },
    KeyValueList: { fields: { values: { rule: 'repeated', type: 'KeyValue', id: 1 } } },
    KeyValue: { fields: { key: { type: 'string', id: 1 }, value: { type: 'AnyValue', id: 2 } } },
    Resource: { fields: { attributes: { rule: 'repeated', type: 'KeyValue', id: 1 } } },
    Scope: {
      fields: {
        name: { type: 'string', id: 1 },
        version: { type: 'string', id: 2 },
        attributes: { rule: 'repeated', type: 'KeyValue', id: 3 },
      },
    },
    LogRecord: {
      fields: {
        timeUnixNano: { type: 'fixed64', id: 1 },
        severityNumber: { type: 'int32', id: 2 },
        severityText: { type: 'string', id: 3 },
        body: { type: 'AnyValue', id: 5 },
        attributes: { rule: 'repeated', type: 'KeyValue', id: 6 },
        traceId: { type: 'bytes', id: 9 },
        spanId: { type: 'bytes', id: 10 },
        observedTimeUnixNano: { type: 'fixed64', id: 11 },
        eventName: { type: 'string', id: 12 },
      },
    },
    ScopeLogs: {
      fields: {
        scope: { type: 'Scope', id: 1 },
        logRecords: { rule: 'repeated', type: 'LogRecord', id: 2 },
      },
    },
    ResourceLogs: {
      fields: {
        resource: { type: 'Resource', id: 1 },
        scopeLogs: { rule: 'repeated', type: 'ScopeLogs', id: 2 },
      },
    },
    Request: { fields: { resourceLogs: { rule: 'repeated', type: 'ResourceLogs', id: 1 } } },
    PartialSuccess: {
      fields: {
        rejectedLogRecords: { type: 'int64', id: 1 },
        errorMessage: { type: 'string', id: 2 },
      },
    },
    Response: { fields: { partialSuccess: { type: 'PartialSuccess', id: 1 } } },
  },
});
const BEYOND_ASCII = /[\u0080-\u00ff]/g;
const LOW_SURROGATES = 0xdc00;
const REQUEST = ROOT.lookupType('Request');
const RESPONSE = ROOT.lookupType('Response');

/** What an export request is answered; nothing when all of it was taken. */
export interface ExportResponse {
  readonly partialSuccess?: {
    readonly rejectedLogRecords: string;
    readonly errorMessage: string;
  };
}

/**
 * The request as its JSON form has it, but for identifiers, which are in base64.
 *
 * @throws DomainError when the bytes are no such message
 */
export function decodeExportRequest(body: Buffer): unknown {
  try {
    const reader = protobuf.Reader.create(body);
    const readNext = (): string => readText(Buffer.from(reader.bytes()));
    Object.assign(reader, { string: readNext, stringVerify: readNext });
    return REQUEST.toObject(REQUEST.decode(reader), { longs: String, bytes: String, json: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'not protobuf';
    throw malformed('invalid_protobuf', `The body is no export request: ${reason}`);
  }
}

function toHalf(byte: string): string {
  return String.fromCharCode(LOW_SURROGATES + byte.charCodeAt(0));
}

/**
 * A text; of one that is no UTF-8 each byte beyond ASCII becomes half a character (as Python's error
 * handler `surrogateescape` does), so that a record which keeps it is refused, and that record alone.
 * Replacing them would make one id of two.
 */
function readText(bytes: Buffer): string {
  const text = decode(bytes);
  return text ?? bytes.toString('latin1').replaceAll(BEYOND_ASCII, toHalf);
}

/** The bytes of an answer; none when all was taken. */
export function encodeExportResponse(response: ExportResponse): Buffer {
  return Buffer.from(RESPONSE.encode(RESPONSE.fromObject(response)).finish());
}
