/* Export requests of OpenTelemetry in protobuf, field by field, so that any of them can be a wrong one. */
import fc from 'fast-check';

const LENGTH_DELIMITED = 2;

/** A number as protobuf writes it, of up to 64 bits. */
export function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Buffer.from(bytes);
}

/** A field of a message: text, bytes or another message. */
export function field(id: number, content: Uint8Array | string): Buffer {
  const bytes = Buffer.from(content as string);
  return Buffer.concat([tag(id, LENGTH_DELIMITED), varint(BigInt(bytes.length)), bytes]);
}

/** What stands before the content of a field. */
export function tag(id: number, wireType: number): Buffer {
  return varint(BigInt(id) * 8n + BigInt(wireType));
}

function double(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}

const anyText = fc.oneof(
  fc.string({ maxLength: 12, unit: 'binary' }).map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
  fc
    .constantFrom('\0', '__proto__', 'constructor', 'subject', 'value')
    .map((text) => Buffer.from(text)),
);

/** An AnyValue of any kind, also of several kinds at once. */
const anyValue: fc.Arbitrary<Buffer> = fc.letrec<{ value: Buffer }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    anyText.map((text) => field(1, text)),
    fc.boolean().map((value) => Buffer.concat([tag(2, 0), varint(value ? 1n : 0n)])),
    fc
      .bigInt(-(2n ** 63n), 2n ** 63n - 1n)
      .map((value) => Buffer.concat([tag(3, 0), varint(value)])),
    fc.double().map((value) => Buffer.concat([tag(4, 1), double(value)])),
    fc
      .array(tie('value'), { maxLength: 3 })
      .map((values) => field(5, Buffer.concat(values.map((one) => field(1, one))))),
    fc
      .array(fc.tuple(anyText, tie('value')), { maxLength: 3 })
      .map((pairs) =>
        field(6, Buffer.concat(pairs.map(([key, value]) => field(1, keyValue(key, value))))),
      ),
    fc.uint8Array({ maxLength: 8 }).map((bytes) => field(7, bytes)),
    fc.constant(nestedValue(10_000)),
    // A group, a wrong wire type, a length beyond the end, a varint without end, field number 0.
    fc.constantFrom(
      ...[tag(1, 3), tag(1, 5), Buffer.concat([tag(1, 2), varint(2n ** 31n - 1n)])],
      ...[
        Buffer.alloc(11, 0xff),
        Buffer.from([0x00, 0x00]),
        Buffer.concat([tag(1, 2), varint(2n ** 63n)]),
      ],
    ),
  ),
})).value;

/** One member of a list of attributes. */
export function keyValue(key: Uint8Array | string, value: Uint8Array): Buffer {
  return Buffer.concat([field(1, key), field(2, value)]);
}

/** Lists in lists. */
export function nestedValue(depth: number): Buffer {
  let value = field(1, 'x');
  for (let level = 0; level < depth; level += 1) {
    value = field(5, field(1, value));
  }
  return value;
}

/** A request of log records, each of which is the content of a LogRecord. */
export function exportRequest(records: readonly Uint8Array[]): Buffer {
  return field(1, field(2, Buffer.concat(records.map((record) => field(2, record)))));
}

const goodAttribute = fc
  .uuid()
  .map((id) =>
    Buffer.concat([
      field(6, keyValue('log.record.uid', field(1, id))),
      field(6, keyValue('subject', field(1, 'fuzz'))),
    ]),
  );

/** A LogRecord, mostly with what makes it an event. */
const record = fc
  .tuple(
    fc.oneof({ weight: 3, arbitrary: goodAttribute }, fc.constant(Buffer.alloc(0))),
    fc.array(
      fc.tuple(anyText, anyValue).map(([key, value]) => field(6, keyValue(key, value))),
      { maxLength: 3 },
    ),
    fc.oneof(
      { weight: 3, arbitrary: fc.constant(Buffer.alloc(0)) },
      anyValue.map((value) => field(5, value)),
    ),
  )
  .map(([good, others, body]) => Buffer.concat([good, ...others, body]));

/** Requests of a few log records. */
export const hostileExport: fc.Arbitrary<Buffer> = fc
  .array(record, { maxLength: 4 })
  .map(exportRequest);
