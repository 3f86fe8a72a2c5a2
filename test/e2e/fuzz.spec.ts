/*
 * Aim: whatever a gateway sends, on any path, the answer is a success or a refusal that says why; what was
 * acknowledged is stored, what was refused is kept, and nothing else is.
 * Method: properties against the service in its process, over HTTP. FUZZ_RUNS=2000 tries each of them
 * so often (6 without it); a failure prints its seed, and FUZZ_SEED repeats it.
 */
import fc from 'fast-check';
import { type TestDatabase } from '../support/database.js';
import {
  brokenBytes,
  type HostileBody,
  jsonText,
  packed,
  recordText,
  RUNS,
  type Template,
} from '../support/hostile.js';
import { hostileExport } from '../support/hostile-otlp.js';
import { startFresh } from '../support/service.js';
import { ADMIN_KEY, type TestService } from '../support/service-process.js';

const EVENTS = '/api/v1/events';
const JSON_TYPE = 'application/json';
/** Nothing here takes long; what does not answer at all should fail, and not wait for ever. */
const PATIENCE_MS = 60_000;

interface Receipt {
  readonly status: string;
  readonly id: string | null;
  readonly source: string | null;
  readonly code?: string;
  readonly detail?: string;
}

interface Reply {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

interface Counts {
  readonly events: number;
  readonly keys: number;
  readonly accepted: number;
}

const text = (value: string): string => JSON.stringify(value);
const time = text(new Date().toISOString());
const seconds = String(Math.floor(Date.now() / 1_000));
const id = '"%ID%"';

const event: Template = {
  ...{ id, source: '"fuzz"', type: '"api.request"', subject: '"s"', time, specversion: '"1.0"' },
  data: { value: '12.5', region: '"eu"' },
};
const log: Template = {
  attributes: `[{"key":"log.record.uid","value":{"stringValue":${id}}},{"key":"subject","value":{"stringValue":"s"}}]`,
  body: { stringValue: '"x"' },
};

/** A valid record of each format, as members that can be replaced. */
const RECORDS: Readonly<Record<string, Template>> = {
  cloudevents: event,
  openmeter: event,
  kong: {
    request: { id, method: '"GET"', size: '12' },
    ...{ consumer: { custom_id: '"s"' }, response: { status: '200' }, started_at: `${seconds}123` },
  },
  apisix: {
    ...{ consumer: { username: '"s"' }, start_time: `${seconds}123`, latency: '1.5' },
    request: { method: '"GET"', size: '7' },
  },
  'nginx-json': { request_id: id, consumer: '"s"', msec: `${seconds}.123`, status: '200' },
  caddy: { msg: '"handled request"', user_id: '"s"', ts: `${seconds}.1234567`, size: '1' },
  traefik: { ClientUsername: '"s"', StartUTC: time, DownstreamStatus: '200', Duration: '1e6' },
  'aws-api-gateway': { requestId: id, apiKeyId: '"s"', requestTimeEpoch: `${seconds}000` },
  moesif: { request: { time, verb: '"GET"' }, company_id: '"s"', transaction_id: id },
  lago: {
    event: {
      ...{ transaction_id: id, external_subscription_id: '"s"', code: '"api.request"' },
      ...{ timestamp: seconds, precise_total_amount_cents: '"1.5"' },
      properties: { value: '"12"' },
    },
  },
  stripe: {
    ...{ event_name: '"api.request"', identifier: id, timestamp: seconds },
    payload: { stripe_customer_id: '"s"', value: '"1"' },
  },
  json: event,
  'otlp-logs': { resourceLogs: `[{"scopeLogs":[{"logRecords":[{}]}]}]` },
  'envoy-otlp': { resourceLogs: `[{"scopeLogs":[{"logRecords":[{}]}]}]` },
};

const FORMATS = [...Object.keys(RECORDS), 'nginx-combined'];

let serial = 0;
/** Each record gets an id of its own where it has the valid one. */
const numbered = (body: string): string => body.replaceAll('%ID%', () => `f${(serial += 1)}`);

function bytesOf(texts: fc.Arbitrary<string>): fc.Arbitrary<Buffer> {
  return brokenBytes(texts.map((body) => Buffer.from(numbered(body))));
}

/** Bodies of one record, a list of them, or one on each line. */
function bodiesOf(template: Template): fc.Arbitrary<Buffer> {
  const record = recordText(template);
  const list = fc.array(fc.oneof({ weight: 5, arbitrary: record }, jsonText), { maxLength: 4 });
  return bytesOf(
    fc.oneof(
      record,
      jsonText,
      list.map((texts) => `[${texts.join(',')}]`),
      list.map((texts) => texts.join('\n')),
    ),
  );
}

const logLine = fc
  .tuple(
    fc.constantFrom('s', '-', '\u0000', 'a b', '__proto__'),
    fc.constantFrom('GET /a?b=c HTTP/1.1', '\\"', '\\x00', 'x'.repeat(20_000), '\ud83d\ude00'),
    fc.constantFrom('200', '-', '2000', '99999999999999999999999'),
  )
  .map(
    ([user, request, size]) =>
      `1.2.3.4 - ${user} [${logTime()}] "${request}" 200 ${size} "-" "a" "%ID%"`,
  );

function logTime(): string {
  const [, day, month, year, clock] =
    /, (\d\d) (\w+) (\d+) ([\d:]+)/.exec(new Date().toUTCString()) ?? [];
  return `${day ?? ''}/${month ?? ''}/${year ?? ''}:${clock ?? ''} +0000`;
}

const otlpJson = fc.oneof(
  fc
    .array(fc.oneof({ weight: 3, arbitrary: recordText(log) }, jsonText), { maxLength: 3 })
    .map((records) => `{"resourceLogs":[{"scopeLogs":[{"logRecords":[${records.join(',')}]}]}]}`),
  jsonText.map(
    (value) =>
      `{"resourceLogs":[{"resource":${value},"scopeLogs":[{"scope":{"name":${value}},"logRecords":[{}]}]}]}`,
  ),
  jsonText.map((value) => `{"resourceLogs":${value}}`),
);

/** As Stripe's clients write them: brackets, and names that they never have. */
const form = fc
  .array(
    fc.tuple(
      fc.constantFrom(
        ...[
          'event_name=api.request',
          'identifier=%ID%',
          'payload[stripe_customer_id]=s',
          'payload[value]=7',
        ],
        ...[
          `timestamp=${seconds}`,
          'payload[__proto__]=1',
          '__proto__[x]=1',
          'constructor=1',
          'payload=1',
        ],
        ...[
          'payload[constructor][prototype][x]=1',
          'payload[a][b][c]=1',
          'payload[]=1',
          'payload[[[=1',
        ],
        ...[
          '%FF=%FF',
          'payload[value]=%00',
          'identifier=%ED%A0%80',
          '=&=&',
          'payload[9999999999]=1',
          '&&&',
        ],
      ),
      fc.constantFrom('&', '&', ';', '\n'),
    ),
    { maxLength: 10 },
  )
  .map((pairs) => pairs.flat().join(''))
  .chain((rest) =>
    fc
      .constantFrom(
        '',
        'event_name=api.request&identifier=%ID%&payload[stripe_customer_id]=s&payload[value]=7&',
      )
      .map((start) => start + rest),
  );

describe('hostile bodies', () => {
  let service: TestService;
  let db: TestDatabase;
  let close: () => Promise<void>;

  beforeAll(async () => {
    ({ service, db, close } = await startFresh({ INGEST_MAX_BODY_BYTES: '400000' }));
    for (const format of FORMATS) {
      const key = format === 'otlp-logs' ? 'otlp' : format;
      const source = { key, name: format, format };
      expect((await service.post('/api/v1/sources', source)).status).toBe(201);
    }
  });

  afterAll(async () => {
    await close();
  });

  const send = async (
    path: string,
    type: string,
    { body, headers }: HostileBody,
  ): Promise<Reply> => {
    const response = await fetch(service.url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': type, ...headers },
      body: new Uint8Array(body),
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    return {
      status: response.status,
      type: response.headers.get('content-type') ?? '',
      text: await response.text(),
    };
  };

  const count = async (): Promise<Counts> => {
    const [row] = await db.database.query<{ events: string; keys: string }>(
      `SELECT (SELECT count(*) FROM usage_events) AS events, (SELECT count(*) FROM usage_event_keys) AS keys`,
    );
    const { body } = await service.get('/metrics');
    const accepted = /usage_events_total\{status="accepted"\} (\d+)/.exec(body)?.[1] ?? 0;
    return { events: Number(row?.events), keys: Number(row?.keys), accepted: Number(accepted) };
  };

  /** Holds that refusals of the receipts are kept as they were told. */
  const expectKept = async (receipts: readonly Receipt[]): Promise<void> => {
    const refused = receipts.filter(({ status }) => status === 'rejected');
    const kept = await db.database.query<{ known: string }>(
      `SELECT concat_ws('|', coalesce(source, ''), code) AS known FROM rejected_usage_events`,
    );
    const known = new Set(kept.map((row) => row.known));
    for (const { source, code } of refused) {
      expect(known).toContain(`${source ?? ''}|${code ?? ''}`);
    }
  };

  /** Sends what comes; answers and tables must agree at the end. */
  const hold = async (
    path: string,
    type: string,
    bodies: fc.Arbitrary<Buffer>,
    headers: fc.Arbitrary<Record<string, string>> = fc.constant({}),
  ): Promise<void> => {
    const before = await count();
    const faults = service.log.filter(isFault).length;
    const receipts: Receipt[] = [];
    let acknowledged = 0;
    await fc.assert(
      fc.asyncProperty(packed(bodies), headers, async (sent, more) => {
        const reply = await send(path, type, { ...sent, headers: { ...more, ...sent.headers } });
        expectClear(reply);
        if (reply.status === 200 && reply.text.startsWith('{"accepted"')) {
          const answer = JSON.parse(reply.text) as { accepted: number; results: Receipt[] };
          acknowledged += answer.accepted;
          receipts.push(...answer.results);
        }
      }),
      RUNS,
    );
    const after = await count();
    const stored = after.events - before.events;
    expect(after.keys - before.keys).toBe(stored);
    expect(stored).toBe(after.accepted - before.accepted);
    // A delivery of Firehose is answered in its own way.
    if (showsReceipts(path) && receipts.length > 0) {
      // Of lines in an encoding that breaks off, what came before is stored and not acknowledged.
      expect(acknowledged).toBeLessThanOrEqual(stored);
      expect(type.includes('ndjson') ? stored : acknowledged).toBe(stored);
    }
    await expectKept(receipts);
    expect(service.log.filter(isFault).slice(faults)).toEqual([]);
    expect((await service.get('/health/ready')).status).toBe(200);
  };

  it.each([
    JSON_TYPE,
    'application/cloudevents+json',
    'application/cloudevents-batch+json',
    'application/x-ndjson',
    'application/json;charset="\\',
    'APPLICATION/JSON; charset=utf-16',
    'application/json, text/plain',
    '*/*',
  ])('are answered clearly by /events as %s', async (type) => {
    await hold(EVENTS, type, bodiesOf(event));
  });

  it('are answered clearly in binary mode, whatever the headers are', async () => {
    const names = [
      'id',
      'source',
      'type',
      'subject',
      'time',
      'specversion',
      '__proto__',
      'constructor',
      'data',
    ];
    const values = fc.oneof(
      fc.constantFrom(
        '%00',
        '%ED%A0%80',
        '%',
        '%zz',
        '%C3%28',
        '',
        'x'.repeat(9_000),
        '\u00ff',
        '%5f_proto__',
      ),
      fc.constantFrom('a', 'b', '1.0', new Date().toISOString()),
    );
    const headers = fc
      .tuple(fc.subarray(names, { minLength: 1 }), fc.array(values, { minLength: 9, maxLength: 9 }))
      .map(([some, given]) => ({
        ...{ 'ce-id': numbered('%ID%'), 'ce-source': 'fuzz', 'ce-type': 't', 'ce-subject': 's' },
        ...Object.fromEntries(some.map((one, index) => [`ce-${one}`, given[index] ?? ''])),
      }));
    await hold(EVENTS, JSON_TYPE, bytesOf(jsonText), headers);
  });

  it.each(Object.keys(RECORDS))('are answered clearly by a source of %s', async (format) => {
    const key = format === 'otlp-logs' ? 'otlp' : format;
    const template = RECORDS[format] ?? {};
    const bodies = format.includes('otlp') ? bytesOf(otlpJson) : bodiesOf(template);
    await hold(`/api/v1/sources/${key}/events`, JSON_TYPE, bodies);
    await hold(`/api/v1/sources/${key}/events`, 'application/x-ndjson', bodies);
  });

  it('are answered clearly by a source of nginx-combined', async () => {
    const lines = fc.array(logLine, { maxLength: 5 }).map((texts) => texts.join('\n'));
    await hold('/api/v1/sources/nginx-combined/events', 'text/plain', bytesOf(lines));
  });

  it('are answered clearly by a delivery of Firehose', async () => {
    const record = recordText(RECORDS['aws-api-gateway'] ?? {});
    const data = brokenBytes(record.map((body) => Buffer.from(numbered(body))));
    const records = fc.array(
      fc.oneof(
        data.map((bytes) => `{"data":${text(bytes.toString('base64'))}}`),
        jsonText,
        jsonText.map((value) => `{"data":${value}}`),
      ),
      { maxLength: 4 },
    );
    const body = fc
      .tuple(records, fc.oneof(fc.constant('1'), jsonText))
      .map(([list, at]) => `{"requestId":"r","timestamp":${at},"records":[${list.join(',')}]}`);
    await hold('/api/v1/sources/aws-api-gateway/events', JSON_TYPE, bytesOf(body));
  });

  it.each([
    ['/v1/logs', JSON_TYPE, bytesOf(otlpJson)],
    ['/v1/logs', 'application/x-protobuf', brokenBytes(hostileExport)],
    ['/api/v1/sources/envoy-otlp/v1/logs', 'application/x-protobuf', brokenBytes(hostileExport)],
    ['/compat/moesif/v1/events', JSON_TYPE, bodiesOf(RECORDS['moesif'] ?? {})],
    ['/compat/moesif/v1/events/batch', JSON_TYPE, bodiesOf(RECORDS['moesif'] ?? {})],
    ['/compat/openmeter/api/v1/events', JSON_TYPE, bodiesOf(event)],
    ['/compat/lago/api/v1/events', JSON_TYPE, bodiesOf(RECORDS['lago'] ?? {})],
    ['/compat/lago/api/v1/events/batch', JSON_TYPE, bodiesOf({ events: '[]', ...RECORDS['lago'] })],
    ['/v1/billing/meter_events', 'application/x-www-form-urlencoded', bytesOf(form)],
    ['/v2/billing/meter_events', JSON_TYPE, bodiesOf(RECORDS['stripe'] ?? {})],
    ['/v2/billing/meter_event_stream', JSON_TYPE, bodiesOf({ events: '[]', ...RECORDS['stripe'] })],
    ['/v2/billing/meter_event_session', JSON_TYPE, bytesOf(jsonText)],
    ['/compat/moesif/v1/users', JSON_TYPE, bytesOf(jsonText)],
  ])('are answered clearly by %s as %s', async (path, type, bodies) => {
    await hold(path, type, bodies);
  });

  const filter = fc
    .tuple(jsonText, jsonText, jsonText)
    .map(([property, op, value]) => `{"property":${property},"op":${op},"value":${value}}`);
  const path = fc.oneof(
    fc
      .constantFrom(
        ...[
          '$.__proto__.x',
          '$.constructor',
          "$['\\u0000']",
          `$${'.a'.repeat(500)}`,
          '$.a.b.c.d.e.f.g.h',
        ],
        ...[
          "$['__proto__']['__proto__']",
          '$.*',
          '$..a',
          '$',
          '$.subject',
          "$['\ud800']",
          '$.data.toString.length',
        ],
      )
      .map((one) => JSON.stringify(one)),
    jsonText,
  );
  const mapping = recordText({
    ...{ id: '"$.id"', subject: '["$.subject"]', type: '{"value":"t"}', time: '"$.time"' },
    ...{ data: '{"value":"$.data.value"}', ignore: '[]' },
  });
  const hostileMapping = fc.oneof(
    mapping,
    fc
      .tuple(path, path, path, fc.oneof(fc.constant('null'), filter))
      .map(
        ([one, two, three, ignored]) =>
          `{"id":${one},"subject":[${two},"$.subject"],"data":{"x":${three}},"ignore":[${ignored}]}`,
      ),
    path.map((one) => `{"id":${one}}`),
  );
  const preview = fc
    .tuple(hostileMapping, fc.oneof(recordText(event), jsonText), fc.boolean())
    .map(
      ([own, record, isText]) =>
        `{"format":"json","mapping":${own},"record":${isText ? text(record) : record}}`,
    );

  it.each([
    ['/api/v1/sources/preview', bytesOf(preview)],
    ['/api/v1/sources/json/counts', bytesOf(recordText({ from: time, to: time, count: '1' }))],
    ['/api/v1/events/void', bytesOf(recordText({ source: '"fuzz"', id: '"f1"', reason: '"r"' }))],
    ['/api/v1/events/rejected/rej_1/repair', bytesOf(recordText({ event }))],
    ['/api/v1/events/quarantined/1/repair', bytesOf(recordText({ value: '1', data: '{}' }))],
  ])('are answered clearly by %s', async (route, bodies) => {
    await hold(route, JSON_TYPE, bodies);
  });

  it('are answered clearly by the repair of a refused event, which becomes at most one', async () => {
    await service.post(EVENTS, { source: 'repaired', id: 'r' });
    const { body } = await service.get(`${EVENTS}/rejected?source=repaired`);
    const [{ id: rejection }] = body.data;
    const route = `${EVENTS}/rejected/${rejection}/repair`;
    const before = await count();
    await fc.assert(
      fc.asyncProperty(packed(bytesOf(recordText({ event }))), async (sent) => {
        expectClear(await send(route, JSON_TYPE, sent));
      }),
      RUNS,
    );
    const after = await count();
    expect(after.events - before.events).toBe(after.keys - before.keys);
    expect(after.events - before.events).toBeLessThanOrEqual(1);
  });

  it('make sources of hostile mappings that read hostile records', async () => {
    let made = 0;
    await fc.assert(
      fc.asyncProperty(hostileMapping, recordText(event), async (own, record) => {
        const key = `mapped-${(made += 1)}`;
        const body = Buffer.from(`{"key":"${key}","name":"n","format":"json","mapping":${own}}`);
        const created = await send('/api/v1/sources', JSON_TYPE, { body, headers: {} });
        expectClear(created);
        if (created.status === 201) {
          const sent = { body: Buffer.from(numbered(record)), headers: {} };
          expectClear(await send(`/api/v1/sources/${key}/events`, JSON_TYPE, sent));
        }
      }),
      RUNS,
    );
  });
});

const showsReceipts = (path: string): boolean =>
  /^\/api\/v1\/(?:sources\/[^/]+\/)?events$/.test(path);

const isFault = ({ level }: Record<string, unknown>): boolean => Number(level) >= 50;

/** Holds that an answer is a success, or a problem with code and reason. */
function expectClear({ status, type, text: answer }: Reply): void {
  if (status < 200 || status >= 500) {
    throw new Error(`${status}: ${answer}`);
  }
  if (status >= 400) {
    expect(type).toBe('application/problem+json');
    const problem = JSON.parse(answer) as { status: number; code: string; detail: string };
    expect(problem.status).toBe(status);
    expect(problem.code).toMatch(/^[a-z_\d]{3,}$/);
    expect(problem.detail.length).toBeGreaterThan(5);
    expect(problem.detail).not.toMatch(/call stack|RangeError|TypeError|\bat .*\.js/);
  }
}
