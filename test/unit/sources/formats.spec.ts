import { gzipSync } from 'node:zlib';
import { DomainError } from '../../../src/kernel/errors.js';
import { FORMAT_NAMES, getFormat } from '../../../src/sources/formats/formats.js';
import { compileMapping, keptPaths } from '../../../src/sources/mapping.js';
import * as rules from '../../../src/sources/mapping-rules.js';
import { type ReadRecord } from '../../../src/sources/read-records.js';

const read = (format: string, body: string | Buffer, type = ''): readonly ReadRecord[] =>
  getFormat(format).read(Buffer.from(body as string), type).records;
const valuesOf = (records: readonly ReadRecord[]): unknown[] =>
  records.map((record) => (record.outcome === 'read' ? record.value : record.code));

function codeOf(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return error instanceof DomainError ? error.code : error;
  }
}

describe.each(FORMAT_NAMES)('the format %s', (name) => {
  const { mapping } = getFormat(name);

  it('has a mapping that a source could have given', () => {
    expect(rules.isIdRule(mapping.id)).toBe(true);
    expect(rules.isPathOrPaths(mapping.subject)).toBe(true);
    expect(rules.isTypeRule(mapping.type)).toBe(true);
    expect(rules.isTimeRule(mapping.time)).toBe(true);
    expect(rules.isDataRule(mapping.data)).toBe(true);
    expect(mapping.ignore.every(({ op, value }) => rules.isFilterValue(op, value))).toBe(true);
    expect(rules.leadToSecrets(keptPaths(mapping))).toBe(false);
    expect(compileMapping(mapping).subject.length).toBeGreaterThan(0);
  });

  it('refuses a body of which nothing can be read', () => {
    expect(codeOf(() => read(name, '{]', 'text/plain'))).toMatch(/^invalid_(?:json|line)$/);
    expect(codeOf(() => read(name, Buffer.from([0xff]), 'text/plain'))).toBe('invalid_utf8');
    expect(codeOf(() => read(name, 'a=b', 'multipart/form-data'))).toBe('unsupported_media_type');
    expect(codeOf(() => read(name, 'x\n'.repeat(10_001), 'text/plain'))).toMatch(
      /^(?:too_many_events|invalid_json)$/,
    );
  });
});

describe('JSON records', () => {
  it.each([
    ['an object', '{"a":1}', 'application/json', [{ a: 1 }]],
    ['an array', '[{"a":1},{"a":2}]', 'application/json; charset=utf-8', [{ a: 1 }, { a: 2 }]],
    ['an array as text', ' [{"a":1},\n{"a":2}]', 'text/plain', [{ a: 1 }, { a: 2 }]],
    ['lines', '{"a":1}\r\n\n{"a":2}\n', 'application/x-ndjson', [{ a: 1 }, { a: 2 }]],
    ['lines that say they are JSON', '{"a":1}\n{"a":2}', 'application/json', [{ a: 1 }, { a: 2 }]],
    ['one bad line', '{"a":1}\n{"a"\n', 'text/plain', [{ a: 1 }, 'invalid_json']],
    ['nothing on lines', '\n', 'application/x-ndjson', []],
    ['a byte order mark', '\uFEFF{"a":1}', 'application/json', [{ a: 1 }]],
  ])('are read as %s', (_, body, type, expected) => {
    expect(valuesOf(read('json', body, type))).toEqual(expected);
  });

  it.each([
    ['nothing', '', 'application/json', 'invalid_json'],
    ['a broken array', '[{"a":1},\n{"a":2}', 'application/json', 'invalid_json'],
    ['half an object', '{"a":', 'application/x-ndjson', 'invalid_json'],
  ])('are not %s', (_, body, type, code) => {
    expect(codeOf(() => read('json', body, type))).toBe(code);
  });
});

describe('nginx-combined', () => {
  const line = '10.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET /a/b?c=d&e HTTP/1.1" 200 2326';
  const start = {
    remote_addr: '10.0.0.1',
    remote_user: '-',
    time_local: '10/Oct/2000:13:55:36 -0700',
  };
  const get = { method: 'GET', path: '/a/b', query: 'c=d&e', protocol: 'HTTP/1.1' };
  const numbers = { status: 200, body_bytes_sent: 2_326 };

  it.each([
    ['the common format', line, { ...start, ...get, ...numbers }],
    [
      'the combined format',
      `${line} "http://a/\\"x\\"" "curl \\\\ 8"`,
      { ...start, ...get, ...numbers, referer: 'http://a/"x"', user_agent: 'curl \\ 8' },
    ],
    [
      'fields behind it',
      `${line} "-" "-" "r 1" ""`,
      { ...start, ...get, ...numbers, referer: '-', user_agent: '-', extra_1: 'r 1', extra_2: '' },
    ],
    [
      'a user with a space, and what is no request',
      '::1 - Jane Doe [10/Oct/2000:13:55:36 -0700] "\\x16\\x03" 400 -',
      { ...start, remote_addr: '::1', remote_user: 'Jane Doe', status: 400 },
    ],
  ])('reads %s', (_, text, expected) => {
    expect(valuesOf(read('nginx-combined', text))).toEqual([expected]);
  });

  it('refuses a line alone, and takes no time over an evil one', () => {
    expect(valuesOf(read('nginx-combined', `x\n${line}`))).toMatchObject(['invalid_line', get]);
    const startedAt = performance.now();
    for (const part of [' [', ' "', 'a ', '\\"', ' [a] "']) {
      expect(codeOf(() => read('nginx-combined', `a - ${part.repeat(8_000)}`))).toBe(
        'invalid_line',
      );
    }
    expect(performance.now() - startedAt).toBeLessThan(1_000);
  });
});

describe('aws-api-gateway', () => {
  const data = (text: string): object => ({ data: Buffer.from(text).toString('base64') });
  const delivery = { requestId: 'r', timestamp: 1_578_090_901_599 };

  it('unpacks what Firehose delivers, and answers what it wants to hear', () => {
    const records = [
      data('{"requestId":"a"}\n{"requestId":"b"}'),
      data(''),
      { data: 'no base64' },
      {},
    ];
    const batch = getFormat('aws-api-gateway').read(
      Buffer.from(JSON.stringify({ ...delivery, records })),
      'application/json',
    );
    expect(valuesOf(batch.records)).toEqual([
      ...[{ requestId: 'a' }, { requestId: 'b' }],
      ...['invalid_json', 'invalid_json'],
    ]);
    expect(batch.reply?.([])).toEqual(delivery);
  });

  const readDelivery = (...packed: Buffer[]): unknown[] => {
    const records = packed.map((buffer) => ({ data: buffer.toString('base64') }));
    return valuesOf(read('aws-api-gateway', JSON.stringify({ ...delivery, records })));
  };

  it('unpacks what a subscription of CloudWatch Logs gives to Firehose', () => {
    const pack = (value: object): Buffer => gzipSync(JSON.stringify(value));
    const events = [{ id: '1', timestamp: 1, message: '{"requestId":"a"}\n' }, {}];
    expect(
      readDelivery(
        pack({ messageType: 'CONTROL_MESSAGE', logEvents: [{ message: 'Are you there?' }] }),
        pack({ messageType: 'DATA_MESSAGE', logGroup: 'g', logEvents: events }),
        pack({ requestId: 'b' }),
        gzipSync('{"requestId":"c"}').subarray(0, 12),
      ),
    ).toEqual([{ requestId: 'a' }, 'invalid_json', { requestId: 'b' }, 'invalid_json']);
  });

  it('refuses what is too large when it is unpacked, before it is', () => {
    const bomb = gzipSync(Buffer.alloc(40 * 1_048_576, ' '));
    expect(readDelivery(bomb, gzipSync('{}'))).toEqual([{}]);
    expect(() => readDelivery(bomb, bomb)).toThrow(expect.objectContaining({ kind: 'too_large' }));
  });

  it('takes a plain record for what it is', () => {
    const body = JSON.stringify({ requestId: 'r', status: '200' });
    expect(valuesOf(read('aws-api-gateway', body))).toEqual([{ requestId: 'r', status: '200' }]);
    expect(getFormat('aws-api-gateway').read(Buffer.from(body), '').reply).toBeUndefined();
  });
});
