/* Aim: what somebody puts into one record costs nobody the others. */
import { LosslessNumber } from 'lossless-json';
import { getFormat } from '../../../src/sources/formats/formats.js';
import { linesOf, readJsonRecords, type RecordBatch } from '../../../src/sources/read-records.js';
import { RecordIds } from '../../../src/sources/record-id.js';
import { exportRequest, field, keyValue, nestedValue } from '../../support/hostile-otlp.js';

const LINES = 'application/x-ndjson';
const BAD = Buffer.from([0x22, 0xff, 0x22]);
const FORM = 'application/x-www-form-urlencoded';

const outcomes = ({ records }: RecordBatch): unknown[] =>
  records.map((record) => (record.outcome === 'read' ? record.value : record.code));
const lines = (...some: (string | Buffer)[]): Buffer =>
  Buffer.concat(some.flatMap((line) => [Buffer.from(line as string), Buffer.from('\n')]));
const thrown = (act: () => unknown): unknown => {
  try {
    return act();
  } catch (error) {
    return (error as { code: unknown }).code;
  }
};

describe('readJsonRecords', () => {
  it.each([LINES, 'application/json'])('refuses a line of %s that is not UTF-8 alone', (type) => {
    const body = lines('{"v":1}', BAD, '{"v":12345678901234567890}');
    const batch = readJsonRecords(body, type);
    expect(batch.records.map(({ outcome }) => outcome)).toEqual(['read', 'unreadable', 'read']);
    expect(batch.records[1]).toMatchObject({ code: 'invalid_utf8', text: '"\uFFFD"' });
    const last = batch.records[2];
    expect(last?.outcome === 'read' && batch.dialect.toText(last.value)).toBe(
      '{"v":12345678901234567890}',
    );
  });

  const bad = (name: string): Buffer =>
    Buffer.concat([Buffer.from(`{ "${name}":\n "`), Buffer.from([0xff, 0x22, 0x7d])]);

  it.each(['application/json', LINES, 'text/plain'])(
    'refuses of a list as %s what is not UTF-8 alone, as gateways send it',
    (type) => {
      const good = Buffer.from('{"a":[1,{"b":"],\\"["}], "n":12345678901234567890.5}');
      const body = Buffer.concat([
        Buffer.from(' ['),
        good,
        Buffer.from(',\n'),
        bad('c'),
        Buffer.from(' , '),
        good,
        Buffer.from(']\n'),
      ]);
      const batch = readJsonRecords(body, type);
      const value = {
        a: [expect.anything(), { b: '],"[' }],
        n: new LosslessNumber('12345678901234567890.5'),
      };
      expect(outcomes(batch)).toEqual([value, 'invalid_utf8', value]);
    },
  );

  it.each(['application/json', 'text/plain'])(
    'refuses one record of %s that is not UTF-8, and not its body',
    (type) => {
      const line = Buffer.from(bad('c').toString('latin1').replace('\n', ''), 'latin1');
      for (const body of [line, Buffer.concat([Buffer.from('['), bad('c'), Buffer.from(']')])]) {
        const batch = readJsonRecords(body, type);
        expect(outcomes(batch)).toEqual(['invalid_utf8']);
        expect(batch.records[0]).toMatchObject({ text: expect.stringContaining('\uFFFD') });
      }
    },
  );

  it('refuses a body of which the list does not end', () => {
    for (const end of ['', ']]', '] x']) {
      const body = Buffer.concat([Buffer.from('['), bad('c'), Buffer.from(end)]);
      expect(thrown(() => readJsonRecords(body, 'application/json'))).toBe('invalid_utf8');
    }
  });

  it('refuses a body that is one value and not UTF-8', () => {
    expect(thrown(() => readJsonRecords(BAD, LINES))).toBe('invalid_utf8');
    expect(thrown(() => readJsonRecords(lines('[', BAD, ']'), 'application/json'))).toBe(
      'invalid_utf8',
    );
  });

  it('goes once through millions of blank lines', () => {
    expect(linesOf(Buffer.alloc(2_000_000, '\n'))).toEqual([]);
    expect(readJsonRecords(Buffer.alloc(2_000_000, '\n'), LINES).records).toEqual([]);
  });

  it('tells records apart that differ in a number which is out of range', () => {
    const { records } = readJsonRecords(lines('{"v":1e998}', '{"v":1e999999999}'), LINES);
    const ids = records.map((one) => new RecordIds().next(one.outcome === 'read' && one.value));
    expect(new Set(ids).size).toBe(2);
  });
});

describe('nginx-combined', () => {
  it('refuses a line that is not UTF-8 alone', () => {
    const good = '1.2.3.4 - u [10/Oct/2026:13:55:36 +0000] "GET / HTTP/1.1" 200 1';
    const batch = getFormat('nginx-combined').read(lines(good, BAD, good), 'text/plain');
    expect(outcomes(batch)).toMatchObject([{ remote_user: 'u' }, 'invalid_utf8', { status: 200 }]);
    const wrong = Buffer.from(good.replace('GET /', 'GET /\xff'), 'latin1');
    expect(outcomes(getFormat('nginx-combined').read(wrong, 'text/plain'))).toEqual([
      'invalid_utf8',
    ]);
  });
});

describe('aws-api-gateway', () => {
  it('refuses delivered data that is not UTF-8 alone', () => {
    const records = [Buffer.from('{"a":1}'), BAD].map((one) => ({ data: one.toString('base64') }));
    const body = Buffer.from(JSON.stringify({ requestId: 'r', timestamp: 1, records }));
    const batch = getFormat('aws-api-gateway').read(body, 'application/json');
    expect(outcomes(batch)).toEqual([{ a: 1 }, 'invalid_utf8']);
  });
});

describe('otlp-logs', () => {
  const read = (body: Buffer): RecordBatch =>
    getFormat('otlp-logs').read(body, 'application/x-protobuf');
  const attribute = (value: Uint8Array): Buffer => field(6, keyValue('k', value));

  it('keeps texts that are not UTF-8 apart, as what cannot be stored', () => {
    const body = exportRequest(
      ['fe', 'ff', ''].map((byte) => attribute(field(1, Buffer.from(`61${byte}`, 'hex')))),
    );
    expect(outcomes(read(body))).toMatchObject([
      { attributes: { k: 'a\udcfe' } },
      { attributes: { k: 'a\udcff' } },
      { attributes: { k: 'a' } },
    ]);
  });

  it('refuses a message that is nested without end', () => {
    const body = exportRequest([attribute(nestedValue(10_000))]);
    expect(thrown(() => read(body))).toBe('invalid_protobuf');
  });

  it.each([
    ['a log record', (deep: string) => `{"scopeLogs":[{"logRecords":[${deep},{}]}]}`],
    [
      'the name of a scope',
      (deep: string) => `{"scopeLogs":[{"scope":{"name":${deep}},"logRecords":[{},{}]}]}`,
    ],
  ])('reads on when %s is nested without end', (_, write) => {
    const deep = '['.repeat(50_000) + ']'.repeat(50_000);
    const body = Buffer.from(`{"resourceLogs":[${write(deep)}]}`);
    const batch = getFormat('otlp-logs').read(body, 'application/json');
    expect(batch.records).toHaveLength(2);
  });
});

describe('stripe, a form', () => {
  const read = (form: string): RecordBatch => getFormat('stripe').read(Buffer.from(form), FORM);

  it('drops no field, whatever it is called', () => {
    const form =
      'event_name=a+b&payload[__proto__]=1&payload%5Bconstructor%5D=2&toString=3&payload[a][b]=4&x';
    expect(JSON.stringify(outcomes(read(form)))).toBe(
      '[{"event_name":"a b","payload":{"__proto__":"1","constructor":"2"},"toString":"3","payload[a][b]":"4","x":""}]',
    );
  });

  it('lets the last of two fields of one name count, as JSON does', () => {
    expect(outcomes(read('payload=x&payload[value]=1&payload[value]=2'))).toEqual([
      { payload: { value: '2' } },
    ]);
  });

  it.each([
    ['an escape of no UTF-8', 'payload[value]=%FF', 'invalid_form'],
    ['half an escape', 'event_name=%', 'invalid_form'],
    ['too many fields', 'a=1&'.repeat(1_001), 'too_many_fields'],
  ])('refuses %s, rather than change or leave out what was sent', (_, form, code) => {
    expect(thrown(() => read(form))).toBe(code);
  });
});
