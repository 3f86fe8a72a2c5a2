/*
 * Aim: what clients of other services send becomes events with every digit and one identity each.
 * Method: tables of bodies as the clients write them, read and mapped as sources do by default.
 */
import protobuf from 'protobufjs';
import { getFormat } from '../../../src/sources/formats/formats.js';
import { compileMapping, type MappedRecord, mapRecord } from '../../../src/sources/mapping.js';
import { decodeExportRequest } from '../../../src/sources/otlp-protobuf.js';
import { RecordIds } from '../../../src/sources/record-id.js';

const PROTOBUF = 'application/x-protobuf';
const HASH = expect.stringMatching(/^rec_[0-9a-f]{40}$/);

/** What becomes of the records of a body; numbers as they would be stored. */
function mapAll(name: string, body: unknown, type = 'application/json'): unknown[] {
  const format = getFormat(name);
  const bytes = body instanceof Uint8Array ? Buffer.from(body) : Buffer.from(textOf(body));
  const { records, dialect } = format.read(bytes, type);
  const mapping = compileMapping(format.mapping);
  const ids = new RecordIds();
  return records.map((record): unknown => {
    if (record.outcome === 'unreadable') {
      return record.code;
    }
    const mapped: MappedRecord = mapRecord(record.value, mapping, 's', ids);
    return mapped.outcome === 'event'
      ? { ...mapped.event, data: dialect.toText(mapped.event['data'] ?? {}) }
      : mapped;
  });
}

function textOf(body: unknown): string {
  return typeof body === 'string' ? body : JSON.stringify(body);
}

describe('moesif', () => {
  const event = (headers: object, more: object = {}): object => ({
    request: {
      ...{ time: '2026-11-21T01:44:35.068Z', uri: 'http://a/orders?key=secret', verb: 'GET' },
      ...{ headers: { authorization: 'Bearer secret', ...headers }, api_version: 'v2' },
    },
    response: { time: '2026-11-21T01:44:35.070Z', status: 200, headers: {}, body: {} },
    ...{ session_token: 'Bearer secret', user_id: 'user_1', company_id: 'acme' },
    ...{ direction: 'Incoming', weight: 1 },
    ...more,
  });

  it('is known by its transaction id and time, and keeps no secret', () => {
    const [mapped] = mapAll('moesif', [event({ 'x-moesif-transaction-id': 'tx-1' })]);
    expect(mapped).toEqual({
      ...{ id: 'tx-1 2026-11-21T01:44:35.068Z', source: 's', type: 'api.request' },
      ...{ subject: 'acme', time: '2026-11-21T01:44:35.068Z' },
      data: '{"method":"GET","status":200,"api_version":"v2","user":"user_1","company":"acme","direction":"Incoming","weight":1}',
    });
    expect(JSON.stringify(mapped)).not.toContain('secret');
  });

  it.each([
    ['one event', event({ 'x-moesif-transaction-id': 't' }), { id: 't 2026-11-21T01:44:35.068Z' }],
    ['mixed case', event({ 'X-Moesif-Transaction-Id': 'T' }), { id: 'T 2026-11-21T01:44:35.068Z' }],
    ['no transaction id', event({}), { id: HASH }],
    ['no company', event({}, { company_id: undefined }), { subject: 'user_1' }],
    [
      'no zone',
      event({}, { request: { time: '2026-11-21T02:28:57.565', headers: null } }),
      { time: '2026-11-21T02:28:57.565Z' },
    ],
    ['a sample', event({}, { weight: 20 }), { data: expect.stringContaining('"weight":20') }],
    [
      'no weight',
      event({}, { weight: undefined }),
      { data: expect.stringContaining('"weight":1') },
    ],
    [
      'no consumer',
      event({}, { company_id: undefined, user_id: undefined }),
      { code: 'missing_subject' },
    ],
    ['no object', 7, { code: 'not_an_object' }],
  ])('takes %s', (_, body, expected) => {
    expect(mapAll('moesif', body)).toEqual([expect.objectContaining(expected)]);
  });
});

describe('openmeter', () => {
  it('is a batch of CloudEvents, known by source and id', () => {
    const event = {
      ...{ type: 'request', subject: 'c-1', id: 'u', source: '@openmeter/sdk', specversion: '1.0' },
      time: '2026-11-21T01:49:10.949Z',
    };
    const batch = [
      { ...event, data: { bytes: '123' } },
      { ...event, id: 'v', data: null },
    ];
    expect(mapAll('openmeter', batch, 'application/cloudevents-batch+json')).toMatchObject([
      { id: '@openmeter/sdk u', type: 'request', subject: 'c-1', data: '{"bytes":"123"}' },
      { id: '@openmeter/sdk v' },
    ]);
  });
});

describe('lago', () => {
  const event = {
    ...{ transaction_id: 'tx1', external_subscription_id: 'sub_1', code: 'api_calls' },
    ...{ timestamp: 1_767_225_600, properties: { gb: 10 } },
  };

  it.each([
    [
      'one',
      { event },
      [
        {
          ...{ id: 'sub_1 tx1', source: 's', type: 'api_calls', subject: 'sub_1' },
          ...{ time: '2026-01-01T00:00:00.000000Z', data: '{"gb":10}' },
        },
      ],
    ],
    [
      'a batch, with a time as text',
      { events: [event, { ...event, timestamp: '1767225600.123' }] },
      [{ id: 'sub_1 tx1' }, { time: '2026-01-01T00:00:00.123000Z' }],
    ],
    [
      'an amount',
      { event: { ...event, precise_total_amount_cents: '1234.56' } },
      [{ data: '{"precise_total_amount_cents":"1234.56","gb":10}' }],
    ],
    [
      'no time and no properties',
      { event: { ...event, timestamp: null, properties: null } },
      [{ data: expect.any(String) }],
    ],
    [
      'no transaction',
      { events: [{ ...event, transaction_id: '' }, event] },
      ['missing_transaction_id', { id: 'sub_1 tx1' }],
    ],
    ['no object', { events: [7] }, [{ code: 'not_an_object' }]],
  ])('takes %s', (_, body, expected) => {
    expect(mapAll('lago', body)).toMatchObject(expected);
  });
});

describe('stripe', () => {
  it.each([
    [
      'a form',
      'event_name=api_calls&payload[value]=25&payload[stripe_customer_id]=cus_1&payload[model]=gpt-4&identifier=id1&timestamp=1767225600',
      'application/x-www-form-urlencoded',
      [
        {
          ...{ id: 'id1', source: 's', type: 'api_calls', subject: 'cus_1' },
          time: '2026-01-01T00:00:00.000000Z',
          data: '{"value":"25","stripe_customer_id":"cus_1","model":"gpt-4"}',
        },
      ],
    ],
    [
      'an object',
      {
        ...{ event_name: 'a', identifier: 'i', timestamp: '2026-01-01T00:00:00.5Z' },
        payload: { stripe_customer_id: 'c', value: '1' },
      },
      'application/json',
      [{ id: 'i', time: '2026-01-01T00:00:00.5Z' }],
    ],
    [
      'events',
      { events: [{ event_name: 'a', payload: { stripe_customer_id: 'c' } }, {}] },
      'application/json',
      [{ id: HASH, subject: 'c' }, { code: 'missing_subject' }],
    ],
  ])('takes %s', (_, body, type, expected) => {
    expect(mapAll('stripe', body, type)).toMatchObject(expected);
  });
});

describe('otlp-logs', () => {
  const attribute = (key: string, value: object): object => ({ key, value });
  const request = (...logRecords: unknown[]): object => ({
    resourceLogs: [
      {
        resource: { attributes: [attribute('service.name', { stringValue: 'gw' })] },
        scopeLogs: [{ scope: { name: 'lib', version: '1' }, logRecords }],
      },
    ],
  });
  const subject = attribute('subject', { stringValue: 'acme' });
  const log = (...attributes: object[]): object => ({
    ...{ timeUnixNano: '1767225600123456789', observedTimeUnixNano: '5', severityNumber: 9 },
    ...{ body: { stringValue: 'GET /a' }, eventName: 'llm.call' },
    attributes: [subject, ...attributes],
  });
  /** What any protobuf implementation would send; the descriptor under test is not used. */
  const encode = (message: object): Buffer => {
    const { root } = protobuf.parse(`syntax = "proto3";
      message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3;
        double double_value = 4; ArrayValue array_value = 5; KeyValueList kvlist_value = 6; bytes bytes_value = 7; } }
      message ArrayValue { repeated AnyValue values = 1; }
      message KeyValueList { repeated KeyValue values = 1; }
      message KeyValue { string key = 1; AnyValue value = 2; }
      message Resource { repeated KeyValue attributes = 1; uint32 dropped_attributes_count = 2; }
      message Scope { string name = 1; string version = 2; }
      message LogRecord { fixed64 time_unix_nano = 1; fixed64 observed_time_unix_nano = 11; int32 severity_number = 2;
        string severity_text = 3; AnyValue body = 5; repeated KeyValue attributes = 6; fixed32 flags = 8;
        bytes trace_id = 9; bytes span_id = 10; string event_name = 12; }
      message ScopeLogs { Scope scope = 1; repeated LogRecord log_records = 2; string schema_url = 3; }
      message ResourceLogs { Resource resource = 1; repeated ScopeLogs scope_logs = 2; string schema_url = 3; }
      message Request { repeated ResourceLogs resource_logs = 1; }`);
    const type = root.lookupType('Request');
    return Buffer.from(type.encode(type.fromObject(message)).finish());
  };

  it.each([
    ['an integer as number', { intValue: 200 }, '200'],
    ['an integer as text', { intValue: '9007199254740993' }, '9007199254740993'],
    ['the least integer', { intValue: '-9223372036854775808' }, '-9223372036854775808'],
    ['zero', { intValue: '0' }, '0'],
    ['a double', { doubleValue: 0.1 }, '0.1'],
    ['no number', { doubleValue: 'NaN' }, '"NaN"'],
    ['false', { boolValue: false }, 'false'],
    ['empty text', { stringValue: '' }, '""'],
    ['bytes', { bytesValue: 'AQI=' }, '"AQI="'],
    ['a list', { arrayValue: { values: [{ intValue: '1' }, { stringValue: 'b' }] } }, '[1,"b"]'],
    ['members', { kvlistValue: { values: [attribute('a.b', { intValue: '3' })] } }, '{"a.b":3}'],
  ])('keeps %s, in JSON and in protobuf', (_, value, expected) => {
    const message = request(log(attribute('n', value)));
    const event = {
      ...{ id: HASH, type: 'llm.call', subject: 'acme', time: '2026-01-01T00:00:00.123456Z' },
      data: `{"subject":"acme","n":${expected}}`,
    };
    expect(mapAll('otlp-logs', message)).toMatchObject([event]);
    expect(mapAll('otlp-logs', encode(message), PROTOBUF)).toMatchObject([event]);
  });

  it('is known by its uid, or else by a hash that is the same when it is sent again', () => {
    const uid = attribute('log.record.uid', { stringValue: 'u-1' });
    const message = request(log(uid), log(), log());
    const mapped = mapAll('otlp-logs', message) as { id: string }[];
    expect(mapped.map(({ id }) => id)).toEqual(['u-1', HASH, `${mapped[1]?.id ?? ''}-2`]);
    expect(mapAll('otlp-logs', message)).toEqual(mapped);
  });

  it.each([
    [
      'the time it was seen when it has none',
      { timeUnixNano: 0 },
      { time: '1970-01-01T00:00:00.000000Z' },
    ],
    [
      'an older name of its event',
      { eventName: '', attributes: [subject, attribute('event.name', { stringValue: 'e' })] },
      { type: 'e' },
    ],
    ['a request when it has no name', { eventName: undefined }, { type: 'api.request' }],
    ['no subject', { attributes: 'none' }, { code: 'missing_subject' }],
  ])('takes %s', (_, more, expected) => {
    expect(mapAll('otlp-logs', request({ ...log(), ...more }))).toMatchObject([expected]);
  });

  it('takes what is no record alone, and nothing as nothing', () => {
    expect(mapAll('otlp-logs', request(7, log()))).toMatchObject([
      { code: 'not_an_object' },
      { subject: 'acme' },
    ]);
    expect(mapAll('otlp-logs', '{}')).toEqual([]);
    expect(mapAll('otlp-logs', Buffer.alloc(0), PROTOBUF)).toEqual([]);
    expect(mapAll('otlp-logs', { resourceLogs: [null, { scopeLogs: 7 }] })).toEqual([]);
  });

  it('refuses bytes that are no message, and what is nested without end', () => {
    expect(() => decodeExportRequest(Buffer.from([0x0a, 0xff]))).toThrow('no export request');
    const deep = `${'{"arrayValue":{"values":['.repeat(2_000)}{}${']}}'.repeat(2_000)}`;
    const message = JSON.stringify(request(log(attribute('deep', { stringValue: 'HERE' }))));
    const body = message.replace('{"stringValue":"HERE"}', deep);
    expect(mapAll('otlp-logs', body)).toMatchObject([{ code: 'too_deep' }]);
  });
});

describe('envoy-otlp', () => {
  it("names what Envoy's own access log names", () => {
    const attributes = Object.entries({
      ...{ method: 'GET', response_code: '200', bytes_sent: '612', duration: '13' },
      ...{ route_name: 'orders', consumer: 'acme', 'log.record.uid': 'u' },
    }).map(([key, stringValue]) => ({ key, value: { stringValue } }));
    const logRecords = [{ timeUnixNano: '1767225600000000000', attributes }];
    expect(mapAll('envoy-otlp', { resourceLogs: [{ scopeLogs: [{ logRecords }] }] })).toMatchObject(
      [
        {
          ...{ id: 'u', subject: 'acme', type: 'api.request', time: '2026-01-01T00:00:00.000000Z' },
          data: '{"method":"GET","status":"200","route":"orders","response_bytes":"612","duration_ms":"13"}',
        },
      ],
    );
  });
});
