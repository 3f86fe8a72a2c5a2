import fc from 'fast-check';
import {
  JSON_TYPES,
  MAX_EVENTS_PER_REQUEST,
  readBody,
  type ReadBody,
  readLines,
  UnreadableLine,
} from '../../../src/events/read-body.js';
import { MAX_LINE_BYTES } from '../../../src/events/line-blocks.js';
import { readUsageEvent } from '../../../src/events/usage-event.js';
import { DomainError } from '../../../src/kernel/errors.js';

const RULES = { now: new Date('2026-11-10T12:00:00Z'), maxAgeSeconds: 60, maxAheadSeconds: 60 };
const JSON_TYPE = 'application/json';

const read = (body: string | Uint8Array, type = JSON_TYPE): ReadBody =>
  readBody(Buffer.from(body as string), type);

function faultOf(body: string | Uint8Array, type = JSON_TYPE): unknown {
  try {
    return read(body, type).values;
  } catch (error) {
    return error instanceof DomainError ? { kind: error.kind, code: error.code } : error;
  }
}

/** A number as JSON writes it: any length, any exponent. */
const number = fc
  .tuple(
    fc.constantFrom('', '-'),
    fc.stringMatching(/^(0|[1-9]\d{0,30})$/),
    fc.stringMatching(/^(\.\d{1,30})?$/),
    fc.stringMatching(/^([eE][+-]?\d{1,2})?$/),
  )
  .map((parts) => parts.join(''));

/** Digits, sign and exponent of a number, however it is written. */
function exact(text: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const significant = digits.replace(/0+$/, '');
  const power = Number(exponent) - fraction.length + digits.length - significant.length;
  return significant === '' ? '0' : `${sign}${significant}e${power}`;
}

describe('readBody', () => {
  it.each(JSON_TYPES)('takes one event or an array as %s', (type) => {
    expect(read('{"id":"a"}', `${type}; charset=utf-8`).values).toEqual([{ id: 'a' }]);
    expect(read('[{"id":"a"},{"id":"b"}]', type.toUpperCase()).values).toHaveLength(2);
    expect(read('[]', type).values).toEqual([]);
  });

  it.each([
    ['nothing', '', JSON_TYPE, 'invalid', 'invalid_json'],
    ['half an object', '{"id":', JSON_TYPE, 'invalid', 'invalid_json'],
    ['two values', '{} {}', JSON_TYPE, 'invalid', 'invalid_json'],
    ['a bad long number', '[0.1234567890123456.7]', JSON_TYPE, 'invalid', 'invalid_json'],
    ['a number with a leading zero', '[0012345678901234567]', JSON_TYPE, 'invalid', 'invalid_json'],
    ['NaN', '[NaN]', JSON_TYPE, 'invalid', 'invalid_json'],
    ['lines', '{}', 'application/x-ndjson', 'unsupported', 'unsupported_media_type'],
    ['another type', '{}', 'text/plain', 'unsupported', 'unsupported_media_type'],
    ['no type', '{}', '', 'unsupported', 'unsupported_media_type'],
    ['no UTF-8', Buffer.from([0x22, 0xc3, 0x28, 0x22]), JSON_TYPE, 'invalid', 'invalid_utf8'],
    [
      'half a character',
      Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]),
      JSON_TYPE,
      'invalid',
      'invalid_utf8',
    ],
  ])('refuses %s', (_, body, type, kind, code) => {
    expect(faultOf(body, type)).toEqual({ kind, code });
  });

  it(`refuses more than ${MAX_EVENTS_PER_REQUEST} events`, () => {
    const many = (count: number): string => `[${Array.from({ length: count }, () => 0).join(',')}]`;
    expect(read(many(MAX_EVENTS_PER_REQUEST)).values).toHaveLength(MAX_EVENTS_PER_REQUEST);
    const fault = { kind: 'too_large', code: 'too_many_events' };
    expect(faultOf(many(MAX_EVENTS_PER_REQUEST + 1))).toEqual(fault);
  });

  it.each([
    ['plain', '['],
    ['with a long number', '[0.12345678901234567,['],
    ['with members', '{"a":0.12345678901234567,"b":{"c":'],
  ])('survives nesting without end, %s', (_, start) => {
    const repeated = start.includes('{') ? '{"a":' : '[';
    const deep = start + repeated.repeat(1_000_000);
    expect(faultOf(deep)).toEqual({ kind: 'invalid', code: 'invalid_json' });
  });

  it('keeps every digit of every number', () => {
    fc.assert(
      fc.property(
        fc.array(number, { minLength: 1, maxLength: 5 }),
        fc.constantFrom('', ' ', '\n\t'),
        (numbers, space) => {
          const members = numbers.map((text, index) => `"n${index}":${space}${text}${space}`);
          const { values, dialect } = read(`{"data":{${members.join(',')}}}`);
          const { data } = values[0] as { data: unknown };
          const written = [...dialect.toText(data).matchAll(/"n\d+":([^,}]+)/g)].map(
            ([, text]) => text,
          );
          expect(written.map((text) => exact(text ?? ''))).toEqual(numbers.map(exact));
          const list = read(`[${numbers.join(`${space},${space}`)}]`);
          expect(list.values.map((value) => exact(list.dialect.toText(value)))).toEqual(
            numbers.map(exact),
          );
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it.each([
    '0.1',
    '1e2',
    '123456789012345',
    '1234567890123456',
    '-0.30000000000000004',
    '9007199254740993',
  ])('keeps %s when it is the whole body or a line', (text) => {
    for (const { values, dialect } of [read(`  ${text}`), readLines(Buffer.from(`  ${text}`))]) {
      expect(exact(dialect.toText(values[0]))).toBe(exact(text));
    }
    const { values, dialect } = readLines(Buffer.from(`0\n${text}\n${text}`));
    expect(values.map((value) => exact(dialect.toText(value)))).toEqual([
      '0',
      exact(text),
      exact(text),
    ]);
  });

  it('lets the last of two members of one name count, whichever way it is parsed', () => {
    for (const [first, second] of [
      ['1', '2'],
      ['0.12345678901234567', '2'],
      ['{"a":1}', '0.12345678901234567'],
    ]) {
      const { values, dialect } = read(`{"v":${first ?? ''},"v":${second ?? ''}}`);
      expect(dialect.toText(values[0])).toBe(`{"v":${second ?? ''}}`);
    }
  });

  it('never throws anything but a DomainError, whatever the bytes are', () => {
    const type = fc.constantFrom(...JSON_TYPES);
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.string({ unit: 'binary', maxLength: 200 }).map((text) => Buffer.from(text)),
      fc
        .string({ unit: fc.constantFrom(...'{}[]":,\\u0d8e.-+1 \n"a'), maxLength: 60 })
        .map((text) => Buffer.from(text)),
      fc.json().map((text) => Buffer.from(text)),
    );
    fc.assert(
      fc.property(bytes, type, (body, contentType) => {
        try {
          const { values, dialect } = readBody(Buffer.from(body), contentType);
          for (const value of values) {
            expect(['usable', 'rejected']).toContain(readUsageEvent(value, RULES, dialect).outcome);
            expect(typeof dialect.toText(value)).toBe('string');
          }
        } catch (error) {
          expect(error).toBeInstanceOf(DomainError);
        }
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('readLines', () => {
  it('takes one event a line, with any line ends and blank lines, and knows their places', () => {
    const block = Buffer.from('{"id":"a"}\r\n\n  \n{"id":"b"}\n');
    expect(readLines(block)).toMatchObject({
      values: [{ id: 'a' }, { id: 'b' }],
      positions: [0, 3],
      lineCount: 4,
    });
    expect(readLines(block.subarray(0, -1))).toMatchObject({ positions: [0, 3], lineCount: 4 });
    expect(readLines(Buffer.from('\n'))).toMatchObject({ values: [], lineCount: 1 });
  });

  it.each([
    ['no JSON', Buffer.from('{"id"'), 'invalid_json'],
    ['two values', Buffer.from('{} {}'), 'invalid_json'],
    ['no UTF-8', Buffer.from([0x22, 0xff, 0x22]), 'invalid_utf8'],
    ['too long', Buffer.from(`"${'x'.repeat(MAX_LINE_BYTES)}"`), 'event_too_large'],
    ['too long in bytes', Buffer.from(`"${'é'.repeat(MAX_LINE_BYTES / 2)}"`), 'event_too_large'],
  ])('refuses a line that is %s alone, and loses no digit of the others', (_, line, code) => {
    const good = Buffer.from('{"v":12345678901234567890}\n');
    const { values, positions, dialect } = readLines(
      Buffer.concat([good, line, Buffer.from('\n'), good]),
    );
    expect(positions).toEqual([0, 1, 2]);
    expect(values[1]).toBeInstanceOf(UnreadableLine);
    expect(values[1]).toMatchObject({ code });
    expect([values[0], values[2]].map(dialect.toText)).toEqual([
      '{"v":12345678901234567890}',
      '{"v":12345678901234567890}',
    ]);
  });

  it('never throws, whatever the bytes are, and leaves out no line that holds something', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const { values, positions, lineCount } = readLines(Buffer.from(bytes));
        expect(values).toHaveLength(positions.length);
        expect(lineCount).toBeGreaterThanOrEqual(values.length);
      }),
    );
  });
});
