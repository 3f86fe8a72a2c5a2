/* An export request of OpenTelemetry's logs, in JSON and in protobuf (opentelemetry-proto v1). */
import protobuf from 'protobufjs/light.js';
import { type BenchEvent } from './usage-events.js';

const SERVICE = 'gateway';
const SCOPE = 'access-log';
const INFO = 9;
const BODY = 'POST /v1/search';

/** Tags of protobuf: the field's number and how its value is written. */
const bytesTag = (field: number): number => field * 8 + 2;
const fixed64Tag = (field: number): number => field * 8 + 1;
const varintTag = (field: number): number => field * 8;

interface Attribute {
  readonly key: string;
  readonly value: string | number;
}

function attributesOf({ id, subject, data }: BenchEvent): Attribute[] {
  return [
    { key: 'log.record.uid', value: id },
    { key: 'subject', value: subject },
    { key: 'status', value: data.status },
    { key: 'bytes', value: data.bytes },
    { key: 'region', value: data.region },
  ];
}

function toJsonAttribute({ key, value }: Attribute): object {
  return {
    key,
    value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value },
  };
}

/** As the exporter over HTTP in JSON sends it: integers of 64 bits are texts. */
export function toOtlpJson(events: readonly BenchEvent[]): object {
  const logRecords = events.map((event) => ({
    timeUnixNano: `${Date.parse(event.time)}000000`,
    severityNumber: INFO,
    severityText: 'INFO',
    body: { stringValue: BODY },
    attributes: attributesOf(event).map(toJsonAttribute),
  }));
  const resource = { attributes: [toJsonAttribute({ key: 'service.name', value: SERVICE })] };
  return { resourceLogs: [{ resource, scopeLogs: [{ scope: { name: SCOPE }, logRecords }] }] };
}

function writeAttribute(writer: protobuf.Writer, tag: number, { key, value }: Attribute): void {
  writer.uint32(tag).fork().uint32(bytesTag(1)).string(key).uint32(bytesTag(2)).fork();
  if (typeof value === 'number') {
    writer.uint32(varintTag(3)).int64(value);
  } else {
    writer.uint32(bytesTag(1)).string(value);
  }
  writer.ldelim().ldelim();
}

function writeRecord(writer: protobuf.Writer, event: BenchEvent): void {
  writer.uint32(bytesTag(2)).fork();
  // Nanoseconds have more digits than a number holds, but these end in six zeros.
  const nanoseconds = BigInt(Date.parse(event.time)) * 1_000_000n;
  writer.uint32(fixed64Tag(1)).fixed64(nanoseconds.toString());
  writer.uint32(varintTag(2)).int32(INFO).uint32(bytesTag(3)).string('INFO');
  writer.uint32(bytesTag(5)).fork().uint32(bytesTag(1)).string(BODY).ldelim();
  for (const attribute of attributesOf(event)) {
    writeAttribute(writer, bytesTag(6), attribute);
  }
  writer.ldelim();
}

/** As the exporter over HTTP in protobuf sends it. */
export function toOtlpProtobuf(events: readonly BenchEvent[]): Buffer {
  const writer = protobuf.Writer.create();
  writer.uint32(bytesTag(1)).fork();
  writer.uint32(bytesTag(1)).fork();
  writeAttribute(writer, bytesTag(1), { key: 'service.name', value: SERVICE });
  writer.ldelim();
  writer.uint32(bytesTag(2)).fork();
  writer.uint32(bytesTag(1)).fork().uint32(bytesTag(1)).string(SCOPE).ldelim();
  for (const event of events) {
    writeRecord(writer, event);
  }
  writer.ldelim().ldelim();
  return Buffer.from(writer.finish());
}
