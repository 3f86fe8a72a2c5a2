import fc from 'fast-check';
import { parse, stringify } from 'lossless-json';
import {
  compileMapping,
  type Mapping,
  type MappedRecord,
  mapRecord,
} from '../../../src/sources/mapping.js';
import { RecordIds } from '../../../src/sources/record-id.js';

const base: Mapping = {
  id: '$.id',
  subject: ['$.consumer.id', '$.user'],
  type: { value: 'api.request' },
  time: '$.time',
  data: { bytes: '$.bytes', status: '$.status' },
  ignore: [{ property: '$.status', op: 'gte', value: 500 }],
};

const map = (record: unknown, more: Partial<Mapping> = {}): MappedRecord =>
  mapRecord(record, compileMapping({ ...base, ...more }), 'gw', new RecordIds());

const eventOf = (record: unknown, more: Partial<Mapping> = {}): Record<string, unknown> => {
  const result = map(record, more);
  if (result.outcome !== 'event') {
    throw new Error(JSON.stringify(result));
  }
  return result.event;
};

describe('mapRecord', () => {
  it('makes the same id of a number, whatever numbers stand beside it in the request', () => {
    const mapping = { id: { join: ['$.msec', '$.n'] }, time: null };
    const texts = ['1700000000.100', '1.0', '-0', '0.0000001', '123456789012345', '12.50'];
    for (const text of texts) {
      const record = `{"msec":${text},"n":5,"user":"u"}`;
      expect(eventOf(parse(record), mapping)['id']).toBe(
        eventOf(JSON.parse(record), mapping)['id'],
      );
    }
    const long = '1700000000.12345678901';
    expect(eventOf(parse(`{"msec":${long},"n":5,"user":"u"}`), mapping)['id']).toBe(`${long} 5`);
  });

  it('keeps what the mapping names, and nothing else', () => {
    expect(
      eventOf({ id: 'r', user: 'u', time: 1_795_227_312, bytes: 5, password: 'x', other: {} }),
    ).toEqual({
      ...{ id: 'r', source: 'gw', type: 'api.request', subject: 'u', data: { bytes: 5 } },
      time: '2026-11-21T02:15:12.000000Z',
    });
  });

  it.each<[string, object, Partial<Mapping>, object]>([
    ['a number as id and subject', { id: 7, user: 8 }, {}, { id: '7', subject: '8' }],
    ['the first subject', { id: 'r', consumer: { id: 'c' }, user: 'u' }, {}, { subject: 'c' }],
    [
      'the next when one is empty',
      { id: 'r', consumer: { id: '-' }, user: 'u' },
      {},
      { subject: 'u' },
    ],
    ['the first of a list', { id: 'r', user: ['u', 'v'] }, {}, { subject: 'u' }],
    ['a type from the record', { id: 'r', user: 'u', t: 'x' }, { type: '$.t' }, { type: 'x' }],
    ['no type when there is none', { id: 'r', user: 'u' }, { type: '$.t' }, { type: null }],
    [
      'joined ids',
      { a: 'x y', b: 1, user: 'u' },
      { id: { join: ['$.a', '$.b'] } },
      { id: 'x%20y 1' },
    ],
    ['an object as data', { id: 'r', user: 'u', d: { n: 1 } }, { data: '$.d' }, { data: { n: 1 } }],
    ['null in data', { id: 'r', user: 'u', bytes: null }, {}, { data: { bytes: null } }],
    [
      'a time by its unit',
      { id: 'r', user: 'u', at: '1795227312' },
      { time: { path: '$.at', unit: 's' } },
      { time: '2026-11-21T02:15:12.000000Z' },
    ],
    [
      'the first time',
      { id: 'r', user: 'u', b: '10/Oct/2000:13:55:36 +0000' },
      { time: ['$.a', '$.b'] },
      { time: '2000-10-10T13:55:36.000000Z' },
    ],
  ])('takes %s', (_, record, mapping, expected) => {
    expect(eventOf(record, mapping)).toMatchObject(expected);
  });

  it('leaves the time to the receipt when there is none', () => {
    expect(eventOf({ id: 'r', user: 'u' })).not.toHaveProperty('time');
    expect(eventOf({ id: 'r', user: 'u', time: 'never' }, { time: null })).not.toHaveProperty(
      'time',
    );
  });

  it('gives a record without an id one of what it says', () => {
    expect(eventOf({ user: 'u' })['id']).toMatch(/^rec_/);
    expect(eventOf({ id: '', user: 'u' })['id']).toMatch(/^rec_/);
    expect(eventOf({ id: 'r', user: 'u' }, { id: null })['id']).toMatch(/^rec_/);
    expect(eventOf({ a: 'x', user: 'u' }, { id: { join: ['$.a', '$.b'] } })['id']).toMatch(/^rec_/);
  });

  it.each<[string, unknown, string, object]>([
    ['text', 'x', 'not_an_object', { source: 'gw' }],
    ['a list', [], 'not_an_object', { source: 'gw' }],
    ['a long number', parse('12345678901234567890'), 'not_an_object', { source: 'gw' }],
    ['no subject', { id: 'r', user: {} }, 'missing_subject', { source: 'gw', id: 'r' }],
    ['a boolean as subject', { id: 'r', user: true }, 'missing_subject', { source: 'gw', id: 'r' }],
    ['no time', { id: 'r', user: 'u', time: 'soon' }, 'invalid_time', { source: 'gw', id: 'r' }],
  ])('refuses %s', (_, record, code, event) => {
    expect(map(record)).toEqual({ outcome: 'rejected', code, event, detail: expect.any(String) });
  });

  it('refuses what is nested too deep, and ignores what is no usage', () => {
    let deep: unknown = 1;
    for (let level = 0; level < 100; level += 1) {
      deep = [deep];
    }
    expect(map({ deep })).toMatchObject({ code: 'too_deep' });
    expect(map({ id: 'r', status: '503' })).toEqual({ outcome: 'ignored' });
  });

  it('reads no member that an object only inherits', () => {
    expect(eventOf({ id: 'r', user: 'u' }, { data: { a: '$.constructor.name' } })['data']).toEqual(
      {},
    );
  });

  it('redacts what is secret in an object that is kept', () => {
    const request = { headers: { Authorization: 'x', host: 'h' } };
    expect(eventOf({ id: 'r', user: 'u', request }, { data: { r: '$.request' } })['data']).toEqual({
      r: { headers: { Authorization: '[redacted]', host: 'h' } },
    });
  });

  it('makes different ids of different parts, however these are written', () => {
    const text = fc.string({
      minLength: 1,
      maxLength: 4,
      unit: fc.constantFrom(' ', '%', '2', '0', 'a'),
    });
    const mapping = { id: { join: ['$.a', '$.b'] } };
    fc.assert(
      fc.property(text, text, text, text, (a, b, c, d) => {
        const [left, right] = [
          eventOf({ user: 'u', a, b }, mapping),
          eventOf({ user: 'u', a: c, b: d }, mapping),
        ];
        expect(left['id'] === right['id']).toBe(a === c && b === d);
      }),
    );
  });

  it('keeps every digit of every number', () => {
    const digits = fc.stringMatching(/^-?[1-9]\d{0,40}(\.\d{1,30})?$/);
    fc.assert(
      fc.property(digits, digits, (bytes, status) => {
        const record = parse(`{"user":"u","id":1,"bytes":${bytes},"status":"${status}"}`);
        const { data } = eventOf(record, { ignore: [] });
        expect(stringify(data)).toBe(`{"bytes":${bytes},"status":"${status}"}`);
      }),
    );
  });
});
