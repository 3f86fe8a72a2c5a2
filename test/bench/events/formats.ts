/*
 * The same events as their senders write them. Each format keeps the same data in the end, so that
 * meters count the same and the rows in the tables are alike.
 */
import { gzipSync } from 'node:zlib';
import { toKong, toMoesif, toNginxLine } from './gateway-records.js';
import { toOtlpJson, toOtlpProtobuf } from './otlp-export.js';
import { type BenchEvent } from './usage-events.js';

/** What a source has to be created with. */
export interface SourceBody {
  readonly key: string;
  readonly name: string;
  readonly format: string;
  readonly mapping?: object;
}

interface WireFormat {
  readonly headers: Readonly<Record<string, string>>;
  /** Null: the events go to the route of events itself. */
  readonly source: SourceBody | null;
  readonly encode: (events: readonly BenchEvent[]) => string | Buffer;
}

const JSON_HEADERS = { 'content-type': 'application/json' };
const toJson = (events: readonly BenchEvent[]): string =>
  JSON.stringify(events.length === 1 ? events[0] : events);
const toLines = (events: readonly BenchEvent[]): string =>
  events.map((event) => `${JSON.stringify(event)}\n`).join('');

function sourceOf(key: string, format: string, mapping?: object): SourceBody {
  return { key, name: key, format, ...(mapping !== undefined && { mapping }) };
}

const FORMATS = {
  json: { headers: JSON_HEADERS, source: null, encode: toJson },
  'json, gzip': {
    headers: { ...JSON_HEADERS, 'content-encoding': 'gzip' },
    source: null,
    encode: (events) => gzipSync(toJson(events)),
  },
  'cloudevents, batch': {
    headers: { 'content-type': 'application/cloudevents-batch+json' },
    source: null,
    encode: (events) => JSON.stringify(events.map((event) => ({ specversion: '1.0', ...event }))),
  },
  ndjson: {
    headers: { 'content-type': 'application/x-ndjson' },
    source: null,
    encode: toLines,
  },
  'source: json': {
    headers: JSON_HEADERS,
    source: sourceOf('bench-json', 'json'),
    encode: toJson,
  },
  'source: kong': {
    headers: JSON_HEADERS,
    source: sourceOf('bench-kong', 'kong', {
      data: { status: '$.response.status', bytes: '$.response.size', region: '$.service.name' },
    }),
    encode: (events) => JSON.stringify(events.map(toKong)),
  },
  'source: nginx-combined': {
    headers: { 'content-type': 'text/plain' },
    source: sourceOf('bench-nginx', 'nginx-combined', {
      id: '$.extra_1',
      data: { status: '$.status', bytes: '$.body_bytes_sent', region: '$.extra_2' },
    }),
    encode: (events) => events.map((event) => `${toNginxLine(event)}\n`).join(''),
  },
  'source: moesif': {
    headers: JSON_HEADERS,
    source: sourceOf('bench-moesif', 'moesif', {
      data: { status: '$.response.status', bytes: '$.metadata.bytes', region: '$.metadata.region' },
    }),
    encode: (events) => JSON.stringify(events.map(toMoesif)),
  },
  'source: otlp-logs, JSON': {
    headers: JSON_HEADERS,
    source: sourceOf('bench-otlp-json', 'otlp-logs', otlpMapping()),
    encode: (events) => JSON.stringify(toOtlpJson(events)),
  },
  'source: otlp-logs, protobuf': {
    headers: { 'content-type': 'application/x-protobuf' },
    source: sourceOf('bench-otlp-protobuf', 'otlp-logs', otlpMapping()),
    encode: toOtlpProtobuf,
  },
} as const satisfies Readonly<Record<string, WireFormat>>;

function otlpMapping(): object {
  return {
    data: {
      status: '$.attributes.status',
      bytes: '$.attributes.bytes',
      region: '$.attributes.region',
    },
  };
}

export type FormatName = keyof typeof FORMATS;
export const FORMAT_NAMES = Object.keys(FORMATS) as FormatName[];

/** The source that takes this format; null when it goes to the route of events itself. */
export function sourceFor(format: FormatName): SourceBody | null {
  return FORMATS[format].source;
}

/** One request of HTTP/1.1, whole, for a connection that is kept. */
export function toRequest(
  format: FormatName,
  events: readonly BenchEvent[],
  { host, key }: { readonly host: string; readonly key: string },
): Buffer {
  const { headers, source, encode }: WireFormat = FORMATS[format];
  const path = source === null ? '/api/v1/events' : `/api/v1/sources/${source.key}/events`;
  const body = Buffer.from(encode(events));
  const lines = [
    `POST ${path} HTTP/1.1`,
    `host: ${host}`,
    `authorization: Bearer ${key}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    `content-length: ${body.length}`,
  ];
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body]);
}
