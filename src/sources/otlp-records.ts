/*
 * From an export request of OpenTelemetry to records: one for each log record, with the attributes
 * of its resource and scope, each attribute a member that a path can name. Integers keep every digit,
 * whether they came as number or as text. Pure.
 */
import { LosslessNumber, stringify } from 'lossless-json';
import { decodeExportRequest } from './otlp-protobuf.js';
import {
  mediaType,
  readJsonLines,
  readJsonRecords,
  type ReadRecord,
  type RecordBatch,
} from './read-records.js';
import { isDeeperThan, isRecord, textOf } from './record.js';

export const PROTOBUF_TYPE = 'application/x-protobuf';

const PROTOBUF_TYPES = [PROTOBUF_TYPE, 'application/protobuf'];
const INTEGER = /^-?(?:0|[1-9]\d{0,18})$/;
const HEX = /^(?:[0-9a-f]{16}|[0-9a-f]{32})$/i;
/** Deeper records are refused anyhow. */
const MAX_LEVELS = 64;
const USUAL_TYPE = 'api.request';

/** Whether the content type is that of protobuf. */
export function isProtobuf(contentType: string): boolean {
  return PROTOBUF_TYPES.includes(mediaType(contentType));
}

/**
 * The log records of a body in protobuf or JSON; also of several requests, one on each line.
 *
 * @throws DomainError when nothing of it can be read, or it is of another content type
 */
export function readOtlpLogs(body: Buffer, contentType: string): RecordBatch {
  const requests: readonly ReadRecord[] = isProtobuf(contentType)
    ? [{ outcome: 'read', value: decodeExportRequest(body) }]
    : readJsonRecords(body, contentType).records;
  // By way of text, so that one rule decides how numbers are kept.
  return readJsonLines(
    requests.flatMap((request) =>
      request.outcome === 'read' ? recordsOf(request.value).map(toText) : [request.text],
    ),
  );
}

function recordsOf(request: unknown): unknown[] {
  return listAt(request, 'resourceLogs').flatMap((resourceLogs) => {
    const resource = attributesOf(memberOf(resourceLogs, 'resource'));
    return listAt(resourceLogs, 'scopeLogs').flatMap((scopeLogs) => {
      const scope = memberOf(scopeLogs, 'scope');
      const shown = {
        name: scalar(memberOf(scope, 'name')),
        version: scalar(memberOf(scope, 'version')),
        attributes: attributesOf(scope),
      };
      return listAt(scopeLogs, 'logRecords').map((record) =>
        isRecord(record) ? toRecord(record, resource, shown) : shallow(record),
      );
    });
  });
}

function toRecord(log: Record<string, unknown>, resource: object, scope: object): object {
  const attributes = attributesOf(log);
  const name = [log['eventName'], attributes['event.name']].find(
    (text) => typeof text === 'string' && text !== '',
  );
  return {
    time_unix_nano: nonZero(log['timeUnixNano']) ?? nonZero(log['observedTimeUnixNano']),
    severity_number: scalar(log['severityNumber']),
    severity_text: scalar(log['severityText']),
    event_name: name,
    type: name ?? USUAL_TYPE,
    body: valueOf(log['body'], MAX_LEVELS),
    trace_id: hexOf(log['traceId']),
    span_id: hexOf(log['spanId']),
    attributes,
    resource,
    scope,
  };
}

function attributesOf(owner: unknown): Record<string, unknown> {
  return membersOf(memberOf(owner, 'attributes'), MAX_LEVELS);
}

function membersOf(list: unknown, levels: number): Record<string, unknown> {
  const pairs = Array.isArray(list) ? (list as unknown[]).filter(isRecord) : [];
  return Object.fromEntries(
    pairs.map(({ key, value }) => [textOf(key) ?? '', valueOf(value, levels - 1)]),
  );
}

function valueOf(value: unknown, levels: number): unknown {
  if (!isRecord(value) || levels === 0) {
    return undefined;
  }
  const { stringValue, boolValue, intValue, doubleValue, bytesValue } = value;
  const integer = typeof intValue === 'string' && INTEGER.test(intValue);
  const { arrayValue, kvlistValue } = value;
  if (isRecord(arrayValue)) {
    return listAt(arrayValue, 'values').map((inner) => valueOf(inner, levels - 1) ?? null);
  }
  if (isRecord(kvlistValue)) {
    return membersOf(kvlistValue['values'], levels);
  }
  return integer
    ? new LosslessNumber(intValue)
    : scalar(stringValue ?? boolValue ?? intValue ?? doubleValue ?? bytesValue);
}

/** What is no record is refused, and kept as far as it can be written. */
function shallow(value: unknown): unknown {
  return isDeeperThan(value, MAX_LEVELS) ? null : value;
}

/** What is no text, number or boolean is left out. */
function scalar(value: unknown): unknown {
  return textOf(value) === null ? undefined : value;
}

/** Zero stands for a time that is not known. */
function nonZero(time: unknown): string | undefined {
  const text = textOf(time);
  return text === null || /^0*$/.test(text) ? undefined : text;
}

/** Identifiers are hexadecimal in JSON, and bytes in protobuf. */
function hexOf(id: unknown): string | undefined {
  if (typeof id !== 'string' || id === '') {
    return undefined;
  }
  return HEX.test(id) ? id.toLowerCase() : Buffer.from(id, 'base64').toString('hex');
}

function memberOf(owner: unknown, name: string): unknown {
  return isRecord(owner) ? owner[name] : undefined;
}

function listAt(owner: unknown, name: string): readonly unknown[] {
  const list = memberOf(owner, name);
  return Array.isArray(list) ? (list as unknown[]) : [];
}

function toText(record: unknown): string {
  return stringify(record) ?? 'null';
}
