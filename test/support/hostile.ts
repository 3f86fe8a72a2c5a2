/*
 * What nobody should send, for fast-check: JSON texts with numbers of any size, texts that no
 * database holds, names of the prototype, members twice, nesting; and bytes that were broken on the way.
 * `FUZZ_RUNS` sets how often each property is tried (6 without it: every run of all tests has other seeds), `FUZZ_SEED` repeats a run.
 */
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';

export const RUNS: fc.Parameters<unknown> = {
  numRuns: Number(process.env['FUZZ_RUNS'] ?? 6),
  ...(process.env['FUZZ_SEED'] !== undefined && { seed: Number(process.env['FUZZ_SEED']) }),
};

const NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'isLosslessNumber', ''];
const TEXTS = [
  ...['"\\u0000"', '"\\ud800"', '"\\udc00\\ud800"', '"\\\\u0000"', '"a\\u0000b"', '""', '"-"'],
  ...['"__proto__"', '"constructor"', '"\\u202e\\ufeff"', '"\ud83d\ude00"', '"\\ud83d\\ude00"'],
  ...['"\'; DROP TABLE usage_events; --"', '"\\\\\\t\\n\\\\."', '"\\\\N"', '"{}"', '"NaN"'],
  ...['"1e999"', '"99999-12-31T00:00:00Z"', '"2026-02-30T25:61:61Z"', `"${'x'.repeat(300)}"`],
];
const NUMBERS = [
  ...['0', '-0', '-0.0', '1e400', '1e401', '-1e999', '1e-400', '1e-999', '1e999999999999', '0e0'],
  ...['9007199254740993', '1e21', '0.1', '123456789012345678901234567890.123456789012', '1E+2'],
  ...[`1${'0'.repeat(399)}`, `1${'0'.repeat(500)}`, `0.${'0'.repeat(500)}1`, '253402300800', '-1'],
];
/** What looks like JSON and is none. */
const BROKEN = [
  'NaN',
  '+1',
  '01',
  '1.',
  '.5',
  'Infinity',
  '0x1',
  "'a'",
  'undefined',
  '[1,]',
  '{a:1}',
];

const nested = (depth: number, open: string, inside: string, close: string): string =>
  open.repeat(depth) + inside + close.repeat(depth);

/** Nesting far beyond what any recursion survives. */
export const DEEP = [
  nested(33, '[', '', ']'),
  nested(70, '{"a":', '1', '}'),
  nested(3_000, '[', '1e400', ']'),
  nested(10_000, '[', '', ']'),
  nested(10_000, '{"a":', 'null', '}'),
];

const name = fc.oneof(
  fc.constantFrom(...NAMES, 'id', 'value', 'data').map((text) => JSON.stringify(text)),
  fc.constantFrom('"\\u0000"', '"\\ud800"', '"\\u005f_proto__"'),
  fc.string({ maxLength: 10, unit: 'binary' }).map((text) => JSON.stringify(text)),
);

/** The text of one JSON value, of any kind, mostly a hostile one. */
export const jsonText: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.constantFrom(...TEXTS),
    fc.constantFrom(...NUMBERS),
    fc.constantFrom('null', 'true', 'false', '{}', '[]'),
    { weight: 1, arbitrary: fc.constantFrom(...DEEP) },
    fc.string({ maxLength: 30, unit: 'binary' }).map((text) => JSON.stringify(text)),
    fc.array(tie('value'), { maxLength: 4 }).map((values) => `[${values.join(',')}]`),
    fc
      .array(fc.tuple(name, tie('value')), { maxLength: 4 })
      .map((members) => `{${members.map((member) => member.join(':')).join(',')}}`),
  ),
})).value;

/** The members of a valid record as JSON texts; a member may be a record itself. */
export interface Template {
  readonly [name: string]: string | Template;
}

/** The text of a template whose members are partly replaced, written twice or joined by others. */
export function recordText(template: Template): fc.Arbitrary<string> {
  const members = Object.entries(template).map(([key, inner]) => {
    const good = typeof inner === 'string' ? fc.constant(inner) : recordText(inner);
    const value = fc.oneof({ weight: 6, arbitrary: good }, { weight: 1, arbitrary: jsonText });
    const written = value.map((text) => `${JSON.stringify(key)}:${text}`);
    const twice = fc
      .tuple(written, jsonText)
      .map(([one, other]) => `${one},${JSON.stringify(key)}:${other}`);
    return fc.oneof(
      { weight: 14, arbitrary: written },
      { weight: 1, arbitrary: twice },
      { weight: 1, arbitrary: fc.constant('') },
    );
  });
  const extra = fc.oneof(
    { weight: 4, arbitrary: fc.constant('') },
    { weight: 1, arbitrary: fc.tuple(name, jsonText).map((member) => member.join(':')) },
  );
  return fc
    .tuple(...members, extra)
    .map((texts) => `{${texts.filter((text) => text !== '').join(',')}}`);
}

/** Bytes that were cut, changed, doubled or filled in; mostly as they were. */
export function brokenBytes(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Buffer> {
  const place = fc.double({ min: 0, max: 1, noNaN: true });
  const filling = fc.constantFrom(
    ...[Buffer.from([0]), Buffer.from([0xff]), Buffer.from([0xc0, 0x80]), Buffer.from('\ufeff')],
    ...[
      Buffer.from([0xed, 0xa0, 0x80]),
      Buffer.from('\n'),
      Buffer.from('"'),
      Buffer.from('\u2028'),
    ],
    ...BROKEN.map((text) => Buffer.from(text)),
  );
  return fc
    .tuple(
      bytes,
      fc.constantFrom('none', 'none', 'none', 'cut', 'change', 'fill', 'double'),
      place,
      filling,
    )
    .map(([whole, kind, where, some]) => {
      const at = Math.floor(where * whole.length);
      const parts: Record<string, Uint8Array[]> = {
        none: [whole],
        cut: [whole.subarray(0, at)],
        change: [whole.subarray(0, at), some, whole.subarray(at + some.length)],
        fill: [whole.subarray(0, at), some, whole.subarray(at)],
        double: [whole.subarray(0, at), whole.subarray(Math.floor(at / 2))],
      };
      return Buffer.concat(parts[kind] ?? []);
    });
}

const PACKERS: readonly (readonly [string, (bytes: Buffer) => Buffer])[] = [
  ['gzip', gzipSync],
  ['deflate', deflateSync],
  ['br', brotliCompressSync],
];

export interface HostileBody {
  readonly body: Buffer;
  readonly headers: Record<string, string>;
}

/** The body packed, and broken or misnamed after that; mostly as it is. */
export function packed(bodies: fc.Arbitrary<Buffer>): fc.Arbitrary<HostileBody> {
  const truth = fc.tuple(bodies, fc.constantFrom(...PACKERS)).map(([body, [encoding, pack]]) => ({
    body: pack(body),
    headers: { 'content-encoding': encoding },
  }));
  const lie = fc
    .tuple(
      brokenBytes(truth.map(({ body }) => body)),
      fc.constantFrom('gzip', 'deflate', 'br', 'gzip, gzip', 'identity'),
    )
    .map(([body, encoding]) => ({ body, headers: { 'content-encoding': encoding } }));
  return fc.oneof(
    { weight: 6, arbitrary: bodies.map((body) => ({ body, headers: {} })) },
    { weight: 2, arbitrary: truth },
    { weight: 1, arbitrary: lie },
  );
}
