import fc from 'fast-check';
import { readBody } from '../../../src/events/read-body.js';
import { MAX_EVENT_CHARACTERS, readUsageEvent } from '../../../src/events/usage-event.js';

const RULES = { now: new Date('2026-11-10T12:00:00Z'), maxAgeSeconds: 3_600, maxAheadSeconds: 60 };
const EVENT = { id: 'e1', source: 's', type: 't', subject: 'k' };

/** Reads the JSON text of one event as ingest does. */
function readText(text: string): ReturnType<typeof readUsageEvent> {
  const { values, dialect } = readBody(Buffer.from(text), 'application/json');
  return readUsageEvent(values[0], RULES, dialect);
}

const read = (event: unknown): ReturnType<typeof readUsageEvent> =>
  readText(JSON.stringify(event) ?? 'null');

/** The event with one more member, written as it stands. */
const withMember = (member: string): string => `${JSON.stringify(EVENT).slice(0, -1)},${member}}`;

describe('readUsageEvent', () => {
  it('takes the four attributes, and fills in time and data', () => {
    expect(read(EVENT)).toMatchObject({
      outcome: 'usable',
      event: { ...EVENT, data: '{}', extensions: null },
    });
    const result = read(EVENT);
    const time = result.outcome === 'usable' ? result.event.time : '';
    expect(Date.parse(time)).toBe(RULES.now.getTime());
  });

  it('keeps extension attributes, and no context attribute among them', () => {
    const event = {
      ...EVENT,
      specversion: '1.0',
      datacontenttype: 'application/vnd.acme+json; charset=utf-8',
      dataschema: 'https://acme.example/schema',
      traceparent: '00-1',
      sampled: true,
      n: 3,
      nothing: null,
    };
    expect(read(event)).toMatchObject({
      event: { extensions: '{"traceparent":"00-1","sampled":true,"n":3}' },
    });
  });

  it.each([
    ['not_an_object', null],
    ['not_an_object', 7],
    ['not_an_object', 'event'],
    ['not_an_object', [[EVENT]]],
    ['missing_id', { ...EVENT, id: undefined }],
    ['missing_id', { ...EVENT, id: null }],
    ['missing_source', { ...EVENT, source: null }],
    ['missing_type', { ...EVENT, type: undefined }],
    ['missing_subject', { ...EVENT, subject: undefined }],
    ['invalid_id', { ...EVENT, id: 7 }],
    ['invalid_id', { ...EVENT, id: '' }],
    ['invalid_source', { ...EVENT, source: 'x'.repeat(257) }],
    ['invalid_type', { ...EVENT, type: { a: 1 } }],
    ['invalid_subject', { ...EVENT, subject: 'a\0b' }],
    ['invalid_subject', { ...EVENT, subject: 'a\ud800' }],
    ['invalid_specversion', { ...EVENT, specversion: '0.3' }],
    ['invalid_specversion', { ...EVENT, specversion: 1 }],
    ['invalid_data', { ...EVENT, datacontenttype: 'text/xml' }],
    ['invalid_data', { ...EVENT, data_base64: 'AAAA' }],
    ['invalid_data', { ...EVENT, data: 'text' }],
    ['invalid_data', { ...EVENT, data: [] }],
    ['invalid_data', { ...EVENT, data: 0 }],
    ['invalid_data', { ...EVENT, data: 1e21 }],
    ['not_an_object', 1e-300],
    ['invalid_time', { ...EVENT, time: 1_762_776_000 }],
    ['invalid_time', { ...EVENT, time: '' }],
    ['invalid_time', { ...EVENT, time: '2026-11-10' }],
    ['time_too_old', { ...EVENT, time: '2026-11-10T10:59:59.999Z' }],
    ['time_in_future', { ...EVENT, time: '2026-11-10T12:01:00.001Z' }],
    ['invalid_attribute', { ...EVENT, 'Trace-Parent': 'x' }],
    ['invalid_attribute', { ...EVENT, nested: {} }],
    ['event_too_large', { ...EVENT, data: { v: 'x'.repeat(MAX_EVENT_CHARACTERS) } }],
    ['event_too_large', { ...EVENT, extension: 'x'.repeat(MAX_EVENT_CHARACTERS) }],
    [
      'too_many_attributes',
      {
        ...EVENT,
        ...Object.fromEntries(Array.from({ length: 33 }, (_, index) => [`x${index}`, 1])),
      },
    ],
  ])('refuses with %s', (code, event) => {
    const result = read(Array.isArray(event) ? event : [event]);
    expect(result).toMatchObject({ outcome: 'rejected', code });
    expect('detail' in result && result.detail.length < 300).toBe(true);
  });

  it('takes times at its limits', () => {
    for (const time of ['2026-11-10T11:00:00Z', '2026-11-10T12:01:00Z']) {
      expect(read({ ...EVENT, time }).outcome).toBe('usable');
    }
  });

  it.each([
    ['"\\u0000"', 'invalid_text'],
    ['"\\ud800"', 'invalid_text'],
    ['"\\uDFFF\\uD800"', 'invalid_text'],
    ['{"\\u0000":1}', 'invalid_text'],
    ['1e401', 'number_out_of_range'],
    ['-1e-401', 'number_out_of_range'],
    ['[[[1e999999999999999999999]]]', 'number_out_of_range'],
    [`1${'0'.repeat(400)}`, 'number_out_of_range'],
    [`${'['.repeat(40)}${']'.repeat(40)}`, 'too_deep'],
  ])('refuses data that holds %s', (value, code) => {
    expect(readText(withMember(`"data":{"v":${value}}`))).toMatchObject({ code });
  });

  it.each([
    '"\\\\u0000"',
    '"\\ud83d\\ude00"',
    '"\\\\ud800"',
    '"\\u0001"',
    '"\\u2028"',
    '1e400',
    '0e0',
  ])('takes data that holds %s', (value) => {
    expect(readText(withMember(`"data":{"v":${value}}`)).outcome).toBe('usable');
  });

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])(
    'is not fooled by a member called %s',
    (name) => {
      const missing = readText(`{"${name}":{"id":"x","source":"s","type":"t","subject":"k"}}`);
      expect(missing.outcome).toBe('rejected');
      const result = readText(withMember(`"data":{"${name}":{"v":0.12345678901234567}}`));
      expect(result).toMatchObject({ outcome: 'usable' });
      expect(result).toMatchObject({
        event: { data: `{"${name}":{"v":0.12345678901234567}}` },
      });
    },
  );

  it('answers for any JSON value, and keeps what it takes within its bounds', () => {
    fc.assert(
      fc.property(fc.jsonValue({ depthSize: 'large' }), (value) => {
        const result = read([value]);
        expect(['usable', 'rejected']).toContain(result.outcome);
        const event = read([{ ...EVENT, data: value }]);
        const isObject = typeof value === 'object' && !Array.isArray(value);
        expect(event.outcome === 'usable' ? isObject : 'code' in event).toBe(true);
      }),
    );
  });
});
