/*
 * Aim: clients that are made for another service work as they are: what they send is stored once,
 * exactly, and they understand what they are answered.
 * Method: the clients themselves against the service; a proxy that loses answers makes them repeat.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { SeverityNumber } from '@opentelemetry/api-logs';
import { OTLPLogExporter as HttpExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as ProtoExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { LoggerProvider, BatchLogRecordProcessor } from '@opentelemetry/sdk-logs';
import { OpenMeter } from '@openmeter/sdk';
import { CloudEvent, emitterFor, httpTransport, Mode } from 'cloudevents';
import { Client } from 'lago-javascript-client';
import untypedMoesif from 'moesif-nodejs';
import { Stripe } from 'stripe';
import { startLosingProxy } from '../support/losing-proxy.js';
import { keyWith } from '../support/refusals.js';
import { startFresh } from '../support/service.js';
import { ADMIN_KEY, eventually, type TestService } from '../support/service-process.js';

type Middleware = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;
const moesif = untypedMoesif as (options: object) => Middleware;

type Row = Record<string, unknown>;

let service: TestService;
let close: () => Promise<void>;
let proxy: Awaited<ReturnType<typeof startLosingProxy>>;
let serial = 0;
const seconds = Math.floor(Date.now() / 1_000) - 60;
const iso = new Date(seconds * 1_000).toISOString();
const micro = iso.replace('.000Z', '.000000Z');

beforeAll(async () => {
  ({ service, close } = await startFresh());
  proxy = await startLosingProxy(service.url);
});

afterAll(async () => {
  proxy.close();
  await close();
});

/** A new source of the format, and a token of it. */
async function source(format: string, more: object = {}): Promise<{ key: string; token: string }> {
  const key = `${format}-${(serial += 1)}`;
  const made = await service.post('/api/v1/sources', { key, name: key, format, ...more });
  expect(made.status).toBe(201);
  const { body } = await service.post(`/api/v1/sources/${key}/tokens`, { name: 'client' });
  return { key, token: body.token };
}

async function storedFrom(key: string): Promise<Row[]> {
  return (await service.get(`/api/v1/events?source=${key}`)).body.data;
}

async function rejectedFrom(key: string): Promise<Row[]> {
  const { body } = await service.get('/api/v1/events/rejected?limit=200');
  return body.data.filter((row: Row) => row['source'] === key);
}

describe('moesif-nodejs', () => {
  /** An application behind Moesif's middleware, called once for each of these users. */
  async function callApplication(options: object, users: readonly string[]): Promise<void> {
    const sent: unknown[] = [];
    const middleware = moesif({
      ...{ batchSize: 2, batchMaxTime: 600, retry: 1 },
      identifyCompany: (request: IncomingMessage) => request.headers['x-user'],
      getMetadata: () => ({ plan: 'pro' }),
      callback: (fault: unknown, events: unknown) => sent.push(fault ?? events),
      ...options,
    });
    const application = createServer((request, response) => {
      middleware(request, response, () => {
        response.writeHead(201, { 'content-type': 'application/json' });
        response.end('{"ok":true}');
      });
    });
    await new Promise<void>((resolve) => application.listen(0, '127.0.0.1', resolve));
    const { port } = application.address() as AddressInfo;
    try {
      for (const user of users) {
        const headers = { 'x-user': user, authorization: 'Bearer secret-1' };
        await fetch(`http://127.0.0.1:${port}/orders?apikey=secret-2`, { headers });
      }
      await eventually(async () => await Promise.resolve(sent.length > 0));
    } finally {
      application.closeAllConnections();
      application.close();
    }
  }

  it.each([
    ['in batches', { batchSize: 2 }],
    ['one by one', { disableBatching: true }],
  ])('counts each call once, %s', async (_, options) => {
    const { key, token } = await source('moesif');
    await callApplication(
      { applicationId: token, baseUri: `${service.url}/compat/moesif`, ...options },
      ['acme', 'other'],
    );
    const stored = await eventually(async () => {
      const rows = await storedFrom(key);
      return rows.length === 2 && rows;
    });
    expect(stored.map(({ subject }) => String(subject)).toSorted()).toEqual(['acme', 'other']);
    expect(stored[0]).toMatchObject({
      ...{ source: key, type: 'api.request' },
      id: expect.stringMatching(/^[0-9a-f-]{36} \d{4}-/),
      data: { method: 'GET', status: 201, direction: 'Incoming', weight: 1 },
    });
    expect(JSON.stringify(stored)).not.toContain('secret');
  });

  it('repeats a batch whose answer was lost, which counts once', async () => {
    const { key, token } = await source('moesif');
    proxy.lose(1);
    await callApplication({ applicationId: token, baseUri: `${proxy.url}/compat/moesif` }, [
      'acme',
      'acme',
    ]);
    const metrics = await eventually(async () => {
      const { body } = await service.request('GET', '/metrics', { key: null });
      return /usage_events_total\{status="duplicate"\} [2-9]/.test(body) && body;
    });
    expect(metrics).toBeTruthy();
    expect(await storedFrom(key)).toHaveLength(2);
  });

  it('sends under the address of a source, and what has no consumer is kept', async () => {
    const { key } = await source('moesif');
    const baseUri = `${service.url}/api/v1/sources/${key}`;
    const applicationId = await keyWith(service, 'ingest');
    await callApplication({ applicationId, baseUri }, ['acme', '']);
    const rejected = await eventually(async () => {
      const rows = await rejectedFrom(key);
      return rows.length > 0 && rows;
    });
    expect(rejected).toMatchObject([{ code: 'missing_subject' }]);
    expect(JSON.stringify(rejected)).not.toContain('secret-1');
    expect(await storedFrom(key)).toMatchObject([{ subject: 'acme' }]);
  });

  it('asks for its configuration, and tells of users', async () => {
    const { token } = await source('moesif');
    const base = '/compat/moesif/v1';
    const options = { key: null, headers: { 'x-moesif-application-id': token } };
    expect((await service.request('GET', `${base}/config`, options)).body.sample_rate).toBe(100);
    expect((await service.request('GET', `${base}/rules`, options)).body).toEqual([]);
    for (const path of ['users', 'users/batch', 'companies', 'subscriptions', 'actions']) {
      const told = await service.request('POST', `${base}/${path}`, { ...options, body: {} });
      expect(told).toMatchObject({ status: 201, body: {} });
    }
    expect((await service.request('POST', `${base}/x`, { ...options, body: {} })).status).toBe(404);
  });
});

describe('@openmeter/sdk', () => {
  it('stores what it sends, once', async () => {
    const { key, token } = await source('openmeter');
    const client = new OpenMeter({ baseUrl: `${service.url}/compat/openmeter`, apiKey: token });
    const event = {
      id: 'e-1',
      source: 'shop',
      type: 'request',
      subject: 'c-1',
      time: new Date(iso),
    };
    const events = [
      { ...event, data: { duration_ms: 12, bytes: '123' } },
      { ...event, id: 'e-2' },
    ];
    await client.events.ingest(events);
    await client.events.ingest(events);
    await client.events.ingest([
      { ...event, id: 'e-3' },
      { ...event, id: 'e-4', subject: '' },
    ]);
    expect(await storedFrom(key)).toMatchObject([
      { id: 'shop e-3' },
      { id: 'shop e-2' },
      {
        ...{ id: 'shop e-1', type: 'request', subject: 'c-1', time: micro },
        data: { duration_ms: 12, bytes: '123' },
      },
    ]);
    expect(await rejectedFrom(key)).toMatchObject([
      { event_id: 'shop e-4', code: 'missing_subject' },
    ]);
    await expect(client.events.ingest({ ...event, id: 'e-5', subject: '' })).rejects.toThrow(
      /subject/,
    );
  });
});

describe('lago-javascript-client', () => {
  const event = {
    ...{ external_subscription_id: 'sub_1', code: 'api_calls', timestamp: seconds },
    properties: { gb: 10 },
  };

  it('stores what it sends, once, and hears what was refused', async () => {
    const { key, token } = await source('lago');
    const client = Client(token, { baseUrl: `${service.url}/compat/lago/api/v1` });
    for (let time = 0; time < 2; time += 1) {
      const one = await client.events.createEvent({ event: { ...event, transaction_id: 't-1' } });
      expect(one.data.event).toMatchObject({ lago_id: 'sub_1 t-1', transaction_id: 't-1' });
    }
    const batch = await client.events.createBatchEvents({
      events: [
        { ...event, transaction_id: 't-1' },
        { ...event, transaction_id: 't-2', precise_total_amount_cents: '1234.56' },
        { ...event, transaction_id: 't-3', external_subscription_id: '' },
        { ...event, transaction_id: '' },
      ],
    });
    expect(batch.data).toMatchObject({
      events: [{ transaction_id: 't-1' }, { transaction_id: 't-2' }],
      error_details: {
        2: { subject: ['missing_subject'] },
        3: { transaction_id: ['missing_transaction_id'] },
      },
    });
    expect(await storedFrom(key)).toMatchObject([
      { id: 'sub_1 t-2', data: { gb: 10, precise_total_amount_cents: '1234.56' } },
      { id: 'sub_1 t-1', type: 'api_calls', subject: 'sub_1', time: micro, data: { gb: 10 } },
    ]);
    expect(await rejectedFrom(key)).toHaveLength(2);
    const other = { event: { ...event, transaction_id: 't-1', properties: { gb: 11 } } };
    await expect(client.events.createEvent(other)).rejects.toMatchObject({
      status: 422,
      error: {
        code: 'validation_errors',
        error_details: { transaction_id: ['value_already_exist'] },
      },
    });
  });
});

describe('stripe', () => {
  const clientFor = (key: string, url = service.url): Stripe => {
    const { hostname, port } = new URL(url);
    return new Stripe(key, { host: hostname, port, protocol: 'http', telemetry: false });
  };
  const meterEvent = {
    event_name: 'api_calls',
    payload: { stripe_customer_id: 'cus_1', value: '25', model: 'gpt-4' },
  };

  it('stores meter events of version 1, once', async () => {
    const { key, token } = await source('stripe');
    const stripe = clientFor(token, proxy.url);
    const given = { ...meterEvent, identifier: 'id1', timestamp: seconds };
    for (let time = 0; time < 2; time += 1) {
      expect(await stripe.billing.meterEvents.create(given)).toMatchObject({
        ...{ object: 'billing.meter_event', identifier: 'id1', timestamp: seconds },
        payload: meterEvent.payload,
      });
    }
    // Without identifier and time the same event counts again, but a repetition of the client does not.
    await stripe.billing.meterEvents.create(meterEvent);
    proxy.lose(1);
    await stripe.billing.meterEvents.create(meterEvent);
    const stored = await storedFrom(key);
    expect(stored).toHaveLength(3);
    expect(stored.find(({ id }) => id === 'id1')).toMatchObject({
      ...{ type: 'api_calls', subject: 'cus_1', time: micro, data: meterEvent.payload },
    });
    await expect(
      stripe.billing.meterEvents.create({ event_name: 'a', payload: { value: '1' } }),
    ).rejects.toMatchObject({ type: 'StripeInvalidRequestError', code: 'missing_subject' });
    expect(await rejectedFrom(key)).toMatchObject([{ code: 'missing_subject' }]);
  });

  it('stores meter events of version 2, one and in a stream', async () => {
    const { key, token } = await source('stripe');
    const stripe = clientFor(token);
    const one = await stripe.v2.billing.meterEvents.create({
      ...{ ...meterEvent, identifier: 'id2', timestamp: iso },
    });
    expect(one).toMatchObject({ identifier: 'id2', payload: meterEvent.payload });
    const session = await stripe.v2.billing.meterEventSession.create();
    const events = [
      { ...meterEvent, identifier: 'id2', timestamp: iso },
      { ...meterEvent, identifier: 'id3', timestamp: iso },
      { event_name: 'a', payload: { value: '1' }, identifier: 'id4' },
    ];
    const stream = clientFor(session.authentication_token);
    await stream.v2.billing.meterEventStream.create({ events });
    const stored = await storedFrom(key);
    expect(stored).toMatchObject([{ id: 'id3' }, { id: 'id2', time: micro }]);
    expect(await rejectedFrom(key)).toMatchObject([{ event_id: 'id4' }]);
  });

  it('cancels an event, once and for ever, if its token may', async () => {
    const { key, token } = await source('stripe');
    const { body: made } = await service.post(`/api/v1/sources/${key}/tokens`, {
      ...{ name: 'takes back', scopes: ['ingest', 'bill'] },
    });
    const stripe = clientFor(made.token, proxy.url);
    const cancel = (identifier: string): Stripe.Billing.MeterEventAdjustmentCreateParams => ({
      ...{ event_name: 'api_calls', type: 'cancel', cancel: { identifier } },
    });
    for (const identifier of ['c1', 'c2', 'c3']) {
      await stripe.billing.meterEvents.create({ ...meterEvent, identifier });
    }
    await expect(
      clientFor(token).billing.meterEventAdjustments.create(cancel('c1')),
    ).rejects.toMatchObject({ type: 'StripePermissionError', code: 'missing_scope' });
    proxy.lose(1);
    expect(await stripe.billing.meterEventAdjustments.create(cancel('c1'))).toMatchObject({
      ...cancel('c1'),
      ...{ object: 'billing.meter_event_adjustment', livemode: false, status: 'complete' },
    });
    const given = { ...cancel('c2'), cancel: { identifier: 'c2' } };
    const second = await stripe.v2.billing.meterEventAdjustments.create(given);
    expect(second).toMatchObject({ ...given, id: expect.stringMatching(/^adj_/) });
    const again = await stripe.v2.billing.meterEventAdjustments.create(given);
    expect(again).toMatchObject({ id: second.id, created: second.created });
    await stripe.billing.meterEvents.create({ ...meterEvent, identifier: 'c1' });
    expect(await storedFrom(key)).toMatchObject([
      { id: 'c3', voided_at: null },
      { id: 'c2', voided_at: second.created },
      { id: 'c1', void_reason: expect.stringContaining('meter event adjustment') },
    ]);
  });

  it('cancels nothing else', async () => {
    const [mine, theirs] = [await source('stripe'), await source('stripe')];
    const path = `/api/v1/sources/${mine.key}/tokens`;
    const { body: made } = await service.post(path, { name: 'n', scopes: ['bill'] });
    const stripe = clientFor(made.token);
    await clientFor(mine.token).billing.meterEvents.create({ ...meterEvent, identifier: 'm' });
    await clientFor(theirs.token).billing.meterEvents.create({ ...meterEvent, identifier: 't' });
    const valid = { event_name: 'api_calls', type: 'cancel', cancel: { identifier: 'm' } } as const;
    for (const [wrong, status, code] of [
      [{ ...valid, cancel: { identifier: 't' } }, 404, 'not_found'],
      [{ ...valid, cancel: { identifier: 'nobody' } }, 404, 'not_found'],
      [{ ...valid, event_name: 'api_call' }, 404, 'not_found'],
      [{ ...valid, cancel: {} }, 400, 'invalid_request'],
      [{ ...valid, cancel: { identifier: 'x'.repeat(257) } }, 400, 'invalid_request'],
      [{ event_name: '', type: 'cancel' }, 400, 'invalid_request'],
      [{ ...valid, type: 'range' as 'cancel' }, 400, 'invalid_request'],
    ] as const) {
      await expect(stripe.billing.meterEventAdjustments.create(wrong)).rejects.toMatchObject({
        ...{ type: 'StripeInvalidRequestError', statusCode: status, code },
      });
    }
    await expect(stripe.billing.meterEvents.create(meterEvent)).rejects.toMatchObject({
      code: 'missing_scope',
    });
    const stored = [...(await storedFrom(mine.key)), ...(await storedFrom(theirs.key))];
    expect(stored).toMatchObject([{ voided_at: null }, { voided_at: null }]);
  });

  it('hears of refusals, which it would else take for successes', async () => {
    await expect(
      clientFor('mlk_nobody').billing.meterEvents.create(meterEvent),
    ).rejects.toMatchObject({ type: 'StripeAuthenticationError' });
    await expect(
      clientFor(await keyWith(service, 'ingest')).v2.billing.meterEvents.create(meterEvent),
    ).rejects.toMatchObject({ message: expect.stringContaining("key 'stripe'") });
    const { token } = await source('stripe');
    await expect(clientFor(token).customers.create({ name: 'Acme' })).rejects.toMatchObject({
      ...{ type: 'StripeInvalidRequestError', code: 'not_found' },
    });
    await expect(clientFor(token).v2.core.events.list()).rejects.toMatchObject({
      message: expect.stringContaining('meter events'),
    });
  });
});

describe('cloudevents', () => {
  it.each([
    ['binary', Mode.BINARY],
    ['structured', Mode.STRUCTURED],
  ])('stores what it sends, once, %s', async (name, mode) => {
    const emit = emitterFor(httpTransport(`${service.url}/api/v1/events`), { mode });
    const event = new CloudEvent({
      ...{ id: 'ü-1', source: `ce-${name}`, type: 'request', subject: 'c-1', time: iso },
      data: { bytes: 12, ok: true },
    });
    const headers = { authorization: `Bearer ${ADMIN_KEY}` };
    await emit(event.cloneWith({ id: '1' }), { headers });
    await emit(event.cloneWith({ id: '1' }), { headers });
    expect(await storedFrom(`ce-${name}`)).toMatchObject([
      { id: '1', type: 'request', subject: 'c-1', time: micro, data: { bytes: 12, ok: true } },
    ]);
    // In a header it goes out as a byte that is no UTF-8, which is no fault of ours.
    await emit(event, { headers });
    expect(await storedFrom(`ce-${name}`)).toHaveLength(2);
  });
});

describe.each([
  ['JSON', HttpExporter],
  ['protobuf', ProtoExporter],
])('the OTLP exporter for logs in %s', (name, Exporter) => {
  const providerFor = (url: string, token: string): LoggerProvider => {
    const headers = { authorization: `Bearer ${token}` };
    const exporter = new Exporter({ url, headers, compression: 'gzip' as never });
    return new LoggerProvider({ processors: [new BatchLogRecordProcessor({ exporter })] });
  };
  const attributes = {
    ...{ subject: 'acme', 'http.response.status_code': 200, ratio: 0.25, cached: false },
    ...{ tags: ['a', 'b'], usage: { tokens: 9_007_199_254_740_991 } },
  };
  const record = (
    more: object,
  ): Parameters<ReturnType<LoggerProvider['getLogger']>['emit']>[0] => ({
    ...{ timestamp: new Date(iso), severityNumber: SeverityNumber.INFO, body: 'GET /a 200' },
    ...{ eventName: 'llm.call', attributes: { ...attributes, ...more } },
  });

  it('stores what it sends, once', async () => {
    const { key, token } = await source('otlp-logs');
    for (let time = 0; time < 2; time += 1) {
      const provider = providerFor(`${service.url}/v1/logs`, token);
      const logger = provider.getLogger('lib');
      logger.emit(record({ 'log.record.uid': 'u-1' }));
      logger.emit(record({ 'log.record.uid': `${name} 2`, subject: '' }));
      logger.emit(record({ 'log.record.uid': 'u-3' }));
      await provider.shutdown();
    }
    const stored = await storedFrom(key);
    expect(stored.map(({ id }) => id)).toEqual(['u-3', 'u-1']);
    expect(stored[1]).toMatchObject({
      ...{ type: 'llm.call', subject: 'acme', time: micro },
      data: { ...attributes, 'log.record.uid': 'u-1' },
    });
    expect((await rejectedFrom(key))[0]).toMatchObject({
      event_id: `${name} 2`,
      code: 'missing_subject',
    });
  });

  it('sends more than one export, without ids, to the address of a source', async () => {
    const { key, token } = await source('otlp-logs', {
      mapping: { type: { value: `call.${name}` }, data: { n: '$.attributes.n' } },
    });
    const meter = { event_type: `call.${name}`, aggregation: 'sum', value_property: '$.n' };
    const made = await service.post('/api/v1/meters', {
      key: `n_${name.toLowerCase()}`,
      name,
      ...meter,
    });
    expect(made.status).toBe(201);
    const provider = providerFor(`${service.url}/api/v1/sources/${key}/v1/logs`, token);
    const logger = provider.getLogger('lib');
    for (let n = 0; n < 1_200; n += 1) {
      logger.emit(record({ n }));
    }
    await provider.shutdown();
    const usage = await service.get(
      `/api/v1/meters/n_${name.toLowerCase()}/usage?subject=acme&from=2000-01-01T00:00:00Z&to=2100-01-01T00:00:00Z`,
    );
    expect(usage).toMatchObject({ status: 200, body: { data: [{ quantity: '719400' }] } });
    expect((await storedFrom(key))[0]).toMatchObject({ id: expect.stringMatching(/^rec_/) });
  });
});

describe('a request without a source of its own', () => {
  const logs = { resourceLogs: [{ scopeLogs: [{ logRecords: [{}] }] }] };

  it('goes to the source that is called as the protocol, once there is one', async () => {
    const key = await keyWith(service, 'ingest');
    const missing = await service.request('POST', '/v1/logs', { key, body: logs });
    expect(missing).toMatchObject({ status: 400, body: { code: 'no_source' } });
    expect(missing.body.detail).toContain("'otlp'");
    await service.post('/api/v1/sources', { key: 'otlp', name: 'OTLP', format: 'otlp-logs' });
    const refused = await eventually(async () => {
      const answer = await service.request('POST', '/v1/logs', { key, body: logs });
      return answer.status === 200 && answer;
    });
    expect(refused.body.partialSuccess).toMatchObject({
      rejectedLogRecords: '1',
      errorMessage: expect.stringContaining('subject'),
    });
    expect((await service.request('POST', '/v1/logs', { key, body: {} })).body).toEqual({});
    const empty = await service.request('POST', '/v1/logs', {
      ...{ key, body: new Uint8Array(0), headers: { 'content-type': 'application/x-protobuf' } },
    });
    expect(empty).toMatchObject({ status: 200, body: '' });
    expect(empty.headers.get('content-type')).toBe('application/x-protobuf');
  });

  it('does not go to a source of another format, nor beyond the source of its token', async () => {
    const lago = await source('lago');
    const other = await source('otlp-logs');
    const wrong = await service.request('POST', '/v1/logs', { key: lago.token, body: logs });
    expect(wrong).toMatchObject({ status: 400, body: { code: 'wrong_format' } });
    const path = `/api/v1/sources/${other.key}/v1/logs`;
    const bound = await service.request('POST', path, { key: lago.token, body: logs });
    expect(bound).toMatchObject({ status: 403, body: { code: 'bound_to_source' } });
    const events = await service.request('POST', '/api/v1/events', { key: lago.token, body: {} });
    expect(events).toMatchObject({ status: 403, body: { code: 'bound_to_source' } });
  });

  it('is told to come again when something fails here, since exporters drop what is a 500', async () => {
    const broken = await startFresh();
    try {
      await broken.db.database.query('ALTER TABLE sources RENAME TO sources_away');
      const answer = await broken.service.post('/v1/logs', logs);
      expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable' } });
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      // The line may come after the answer.
      await eventually(
        async () =>
          await Promise.resolve(
            broken.service.log.find(
              ({ event, path }) => event === 'request.failed' && path === '/v1/logs',
            ),
          ),
      );
    } finally {
      await broken.close();
    }
  });
});
