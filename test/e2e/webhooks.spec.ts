import { Webhook } from 'standardwebhooks';
import { isSignedBy } from '../support/public-key.js';
import { eventually, type TestService } from '../support/service-process.js';
import { startFresh } from '../support/service.js';
import { type Receiver, startReceiver } from '../support/webhook-receiver.js';

const ENDPOINTS = '/api/v1/webhook-endpoints';
const DELIVERIES = '/api/v1/webhook-deliveries';
const MESSAGES = '/api/v1/webhook-messages';
const TYPES = '/api/v1/webhook-event-types';
const REPLAYS = '/api/v1/webhook-replays';
const UNKNOWN_MESSAGE = 'msg_00000000000000000000000000';
const UNKNOWN_REPLAY = 'rpl_00000000000000000000000000';
const UNKNOWN_ENDPOINT = 'we_00000000000000000000000000';
const UNKNOWN_DELIVERY = 'dlv_00000000000000000000000000';

const valid = { url: 'https://127.0.0.1/hook', types: ['invoice.paid'], description: 'books' };

describe('webhooks', () => {
  let service: TestService;
  let close: () => Promise<void>;
  let readKey: string;
  let configureKey: string;
  const receivers: Receiver[] = [];

  const keyWith = async (scope: string): Promise<string> => {
    const { body } = await service.post('/api/v1/api-keys', { name: scope, scopes: [scope] });
    return body.token as string;
  };
  const receive = async (options: Parameters<typeof startReceiver>[0] = {}): Promise<Receiver> => {
    const receiver = await startReceiver(options);
    receivers.push(receiver);
    return receiver;
  };
  const create = async (body: unknown = valid): Promise<{ id: string; secret: string }> =>
    (await service.post(ENDPOINTS, body)).body;

  beforeAll(async () => {
    ({ service, close } = await startFresh({
      WEBHOOK_ALLOWED_CIDRS: '127.0.0.0/8',
    }));
    readKey = await keyWith('read');
    configureKey = await keyWith('configure');
  });

  afterAll(async () => {
    await Promise.all(receivers.map(async (receiver) => await receiver.close()));
    await close();
  });

  describe('POST /api/v1/webhook-endpoints', () => {
    it.each([
      ['url', { ...valid, url: 7 }, 'is_text'],
      ['url', { types: [] }, 'is_text'],
      ['url', { ...valid, url: 'hooks.acme.example' }, 'invalid_url'],
      ['signature', { ...valid, signature: 'v2' }, 'is_in'],
      ['url', { ...valid, url: 'ftp://hooks.acme.example/' }, 'forbidden_scheme'],
      ['url', { ...valid, url: 'https://me:secret@hooks.acme.example/' }, 'has_userinfo'],
      ['url', { ...valid, url: 'https://10.0.0.1/' }, 'forbidden_address'],
      ['url', { ...valid, url: 'https://0xa000001/' }, 'forbidden_address'],
      ['url', { ...valid, url: 'https://[::1]/' }, 'forbidden_address'],
      ['url', { ...valid, url: 'https://[::ffff:10.0.0.1]/' }, 'forbidden_address'],
      ['url', { ...valid, url: 'http://8.8.8.8/' }, 'forbidden_address'],
      ['url', { ...valid, url: 'https://127.0.0.1:25/' }, 'forbidden_port'],
      ['headers', { ...valid, headers: { 'webhook-id': 'mine' } }, 'is_headers'],
      ['headers', { ...valid, headers: ['x-a'] }, 'is_headers'],
      ['max_concurrency', { ...valid, max_concurrency: 101 }, 'max'],
      ['max_per_second', { ...valid, max_per_second: 0 }, 'min'],
      ['retry_schedule_seconds', { ...valid, retry_schedule_seconds: [0] }, 'min'],
      ['ordered', { ...valid, ordered: 'yes' }, 'is_boolean'],
      ['url', { ...valid, url: `https://127.0.0.1/${'x'.repeat(2_048)}` }, 'is_text'],
      ['types', { ...valid, types: 'invoice.paid' }, 'is_array'],
      ['types', { ...valid, types: null }, 'is_array'],
      ['types', { ...valid, types: ['invoice.lost'] }, 'is_in'],
      ['types', { ...valid, types: [7] }, 'is_in'],
      ['types', { ...valid, types: ['invoice.paid', 'invoice.paid'] }, 'array_unique'],
      ['description', { ...valid, description: 7 }, 'is_text'],
      ['description', { ...valid, description: null }, 'is_text'],
      ['secret', { ...valid, secret: 'whsec_mine' }, 'unknown_field'],
    ])('names %s when it is wrong, and stores nothing: %j', async (field, body, code) => {
      const answer = await service.post(ENDPOINTS, body);
      expect(answer.status).toBe(400);
      expect(answer.body.errors).toMatchObject([{ field, code }]);
      expect((await service.get(ENDPOINTS)).body.data).toEqual([]);
    });

    it('takes a name that does not resolve yet', async () => {
      const answer = await service.post(ENDPOINTS, { url: 'https://nowhere.invalid/' });
      expect(answer).toMatchObject({ status: 201, body: { types: [], description: '' } });
      await service.request('DELETE', `${ENDPOINTS}/${answer.body.id}`);
    });

    it('shows the secret in the first answer only', async () => {
      const options = { body: valid, headers: { 'idempotency-key': 'endpoint' } };
      const first = await service.request('POST', ENDPOINTS, options);
      const again = await service.request('POST', ENDPOINTS, options);
      expect(first.status).toBe(201);
      expect(first.body).toEqual({
        ...valid,
        id: expect.stringMatching(/^we_/),
        disabled_at: null,
        disabled_reason: null,
        missed_from: null,
        retry_schedule_seconds: null,
        max_concurrency: 5,
        max_per_second: null,
        ordered: false,
        blocked_by: null,
        header_names: [],
        previous_secret_until: null,
        failing_since: null,
        failures: 0,
        held_until: null,
        created_at: expect.any(String),
        secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/),
        public_key: null,
      });
      expect(again.body).toEqual({ ...first.body, secret: null });
      const path = `${ENDPOINTS}/${first.body.id}`;
      const list = await service.get(ENDPOINTS);
      const shown = [(await service.get(path)).body, ...list.body.data];
      expect(shown).toHaveLength(2);
      expect(shown.some((endpoint) => 'secret' in endpoint)).toBe(false);
      await service.request('DELETE', path);
    });
  });

  describe('one endpoint', () => {
    let path: string;

    beforeAll(async () => {
      path = `${ENDPOINTS}/${(await create()).id}`;
    });

    it.each([
      ['url', { url: null }, 'is_text'],
      ['url', { url: 'https://192.168.1.1/' }, 'forbidden_address'],
      ['types', { types: ['invoice.lost'] }, 'is_in'],
      ['types', { types: null }, 'is_array'],
      ['description', { description: 7 }, 'is_text'],
      ['disabled', { disabled: 'yes' }, 'is_boolean'],
      ['disabled', { disabled: null }, 'is_boolean'],
      ['id', { id: 'we_x' }, 'unknown_field'],
    ])('refuses to change %s to what is wrong: %j', async (field, body, code) => {
      const answer = await service.request('PATCH', path, { body });
      expect(answer).toMatchObject({ status: 400, body: { errors: [{ field, code }] } });
      expect((await service.get(path)).body).toMatchObject({ ...valid, disabled_at: null });
    });

    it('is changed, disabled, used again and deleted', async () => {
      const patch = async (body: unknown): Promise<unknown> =>
        (await service.request('PATCH', path, { body })).body;
      expect(await patch({ types: [], description: '' })).toMatchObject({
        url: valid.url,
        types: [],
        description: '',
      });
      const wishes = {
        retry_schedule_seconds: [5, 60],
        max_concurrency: 2,
        max_per_second: 10,
        ordered: true,
      };
      const headers = { 'X-Token': 'of-the-gateway' };
      const wished = await patch({ ...wishes, headers });
      expect(wished).toMatchObject({ ...wishes, header_names: ['x-token'] });
      expect(JSON.stringify(wished)).not.toContain('of-the-gateway');
      const usual = { retry_schedule_seconds: null, max_per_second: null };
      expect(await patch({ ...usual, headers: {} })).toMatchObject({ ...usual, header_names: [] });
      const rotated = await service.post(`${path}/rotate-secret`);
      expect(rotated).toMatchObject({
        status: 200,
        body: {
          secret: expect.stringMatching(/^whsec_/),
          previous_secret_until: expect.any(String),
        },
      });
      expect(await service.post(`${path}/rotate-secret`)).toMatchObject({
        status: 409,
        body: { code: 'rotation_under_way' },
      });
      expect(
        await service.post(`${path}/rotate-secret`, { overlap_seconds: 604_801 }),
      ).toMatchObject({
        status: 400,
        body: { errors: [{ field: 'overlap_seconds', code: 'max' }] },
      });
      expect(await service.post(`${path}/rotate-secret`, { overlap_seconds: 0 })).toMatchObject({
        body: { previous_secret_until: null },
      });
      expect(await patch({ disabled: true })).toMatchObject({
        disabled_at: expect.any(String),
        disabled_reason: 'requested',
      });
      expect(await service.post(`${path}/test`)).toMatchObject({
        status: 409,
        body: { code: 'endpoint_disabled' },
      });
      expect(await patch({ disabled: false })).toMatchObject({ disabled_at: null });
      expect((await service.request('DELETE', path)).status).toBe(204);
      expect((await service.get(path)).status).toBe(404);
      expect((await service.request('DELETE', path)).status).toBe(404);
    });
  });

  it.each([
    ['GET', `${ENDPOINTS}/${UNKNOWN_ENDPOINT}`],
    ['PATCH', `${ENDPOINTS}/${UNKNOWN_ENDPOINT}`],
    ['DELETE', `${ENDPOINTS}/${UNKNOWN_ENDPOINT}`],
    ['POST', `${ENDPOINTS}/${UNKNOWN_ENDPOINT}/test`],
    ['GET', `${DELIVERIES}/${UNKNOWN_DELIVERY}/attempts`],
    ['POST', `${DELIVERIES}/${UNKNOWN_DELIVERY}/retry`],
    ['GET', `${MESSAGES}/${UNKNOWN_MESSAGE}`],
    ['GET', `${TYPES}/invoice.lost`],
    ['GET', `${ENDPOINTS}/${UNKNOWN_ENDPOINT}/missed`],
    ['POST', `${ENDPOINTS}/${UNKNOWN_ENDPOINT}/replays`],
    ['GET', `${REPLAYS}/${UNKNOWN_REPLAY}`],
    ['POST', `${REPLAYS}/${UNKNOWN_REPLAY}/cancel`],
    ['POST', `${DELIVERIES}/${UNKNOWN_DELIVERY}/give-up`],
    ['POST', `${ENDPOINTS}/${UNKNOWN_ENDPOINT}/rotate-secret`],
  ])('%s %s is not found', async (method, path) => {
    const body = method === 'GET' || method === 'DELETE' ? undefined : {};
    const answer = await service.request(method, path, { body });
    expect(answer).toMatchObject({ status: 404, body: { code: 'not_found' } });
  });

  it.each([
    ['GET', ENDPOINTS, 'read'],
    ['POST', ENDPOINTS, 'configure'],
    ['GET', `${ENDPOINTS}/${UNKNOWN_ENDPOINT}`, 'read'],
    ['PATCH', `${ENDPOINTS}/${UNKNOWN_ENDPOINT}`, 'configure'],
    ['DELETE', `${ENDPOINTS}/${UNKNOWN_ENDPOINT}`, 'configure'],
    ['POST', `${ENDPOINTS}/${UNKNOWN_ENDPOINT}/test`, 'configure'],
    ['GET', MESSAGES, 'read'],
    ['GET', DELIVERIES, 'read'],
    ['GET', `${DELIVERIES}/${UNKNOWN_DELIVERY}/attempts`, 'read'],
    ['POST', `${DELIVERIES}/${UNKNOWN_DELIVERY}/retry`, 'configure'],
    ['GET', TYPES, 'read'],
    ['GET', `${TYPES}/invoice.paid`, 'read'],
    ['GET', `${MESSAGES}/${UNKNOWN_MESSAGE}`, 'read'],
    ['GET', `${ENDPOINTS}/${UNKNOWN_ENDPOINT}/missed`, 'read'],
    ['POST', `${ENDPOINTS}/${UNKNOWN_ENDPOINT}/replays`, 'configure'],
    ['GET', REPLAYS, 'read'],
    ['GET', `${REPLAYS}/${UNKNOWN_REPLAY}`, 'read'],
    ['POST', `${REPLAYS}/${UNKNOWN_REPLAY}/cancel`, 'configure'],
    ['POST', `${DELIVERIES}/${UNKNOWN_DELIVERY}/give-up`, 'configure'],
    ['POST', `${ENDPOINTS}/${UNKNOWN_ENDPOINT}/rotate-secret`, 'configure'],
  ])('%s %s asks for the scope %s', async (method, path, scope) => {
    const send = async (key: string | null): Promise<unknown> =>
      await service.request(method, path, {
        key,
        ...(method !== 'GET' && method !== 'DELETE' && { body: {} }),
      });
    expect(await send(scope === 'read' ? configureKey : readKey)).toMatchObject({
      status: 403,
      body: { code: 'missing_scope' },
    });
    expect(await send(null)).toMatchObject({ status: 401 });
  });

  it.each([
    [ENDPOINTS, 'limit=0', 'limit', 'min'],
    [ENDPOINTS, 'cursor=x', 'cursor', 'invalid_cursor'],
    [ENDPOINTS, 'surprise=1', 'surprise', 'unknown_field'],
    [MESSAGES, 'limit=-1', 'limit', 'min'],
    [MESSAGES, 'cursor=x', 'cursor', 'invalid_cursor'],
    [MESSAGES, 'surprise=1', 'surprise', 'unknown_field'],
    [MESSAGES, 'type=invoice.lost', 'type', 'is_in'],
    [MESSAGES, 'type=invoice.paid&type=invoice.lost', 'type', 'is_in'],
    [MESSAGES, 'customer=', 'customer', 'is_text'],
    [MESSAGES, 'from=yesterday', 'from', 'is_instant'],
    [MESSAGES, 'to=2026-11-03', 'to', 'is_instant'],
    [MESSAGES, 'after=x', 'after', 'invalid_cursor'],
    [MESSAGES, 'after=', 'after', 'is_text'],
    [MESSAGES, 'after=start&cursor=x', 'cursor', 'exclusive'],
    [TYPES, 'limit=0', 'limit', 'min'],
    [TYPES, 'cursor=x', 'cursor', 'invalid_cursor'],
    [TYPES, 'surprise=1', 'surprise', 'unknown_field'],
    [REPLAYS, 'cursor=x', 'cursor', 'invalid_cursor'],
    [REPLAYS, 'endpoint=', 'endpoint', 'is_text'],
    [REPLAYS, 'surprise=1', 'surprise', 'unknown_field'],
    [DELIVERIES, 'replay=', 'replay', 'is_text'],
    [DELIVERIES, 'limit=201', 'limit', 'max'],
    [DELIVERIES, 'cursor=x', 'cursor', 'invalid_cursor'],
    [DELIVERIES, 'state=lost', 'state', 'is_in'],
    [DELIVERIES, 'message=', 'message', 'is_text'],
    [DELIVERIES, 'surprise=1', 'surprise', 'unknown_field'],
    [`${DELIVERIES}/${UNKNOWN_DELIVERY}/attempts`, 'surprise=1', 'surprise', 'unknown_field'],
  ])('GET %s?%s names %s', async (path, query, field, code) => {
    const answer = await service.get(`${path}?${query}`);
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ field, code }] } });
  });

  it.each([
    [{ type: 'invoice.lost' }, 'type', 'is_in'],
    [{ type: null }, 'type', 'is_in'],
    [{ surprise: 1 }, 'surprise', 'unknown_field'],
  ])('POST …/test refuses %j', async (body, field, code) => {
    const answer = await service.post(`${ENDPOINTS}/${UNKNOWN_ENDPOINT}/test`, body);
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ field, code }] } });
  });

  it.each([
    [{ scope: 'lost' }, 'scope', 'is_in'],
    [{ messages: [] }, 'messages', 'array_min_size'],
    [{ messages: ['inv_1'] }, 'messages', 'matches'],
    [{ messages: [UNKNOWN_MESSAGE, UNKNOWN_MESSAGE] }, 'messages', 'array_unique'],
    [{ messages: [UNKNOWN_MESSAGE], customer: 'acme' }, 'customer', 'exclusive'],
    [{ types: ['invoice.lost'] }, 'types', 'is_in'],
    [{ types: [] }, 'types', 'array_min_size'],
    [{ customer: '' }, 'customer', 'is_text'],
    [{ from: 'yesterday' }, 'from', 'is_instant'],
    [{ to: 7 }, 'to', 'is_instant'],
    [{ per_second: 0 }, 'per_second', 'min'],
    [{ per_second: 1_001 }, 'per_second', 'max'],
    [{ per_second: '5' }, 'per_second', 'is_int'],
    [{ surprise: 1 }, 'surprise', 'unknown_field'],
  ])('POST …/replays refuses %j', async (body, field, code) => {
    const answer = await service.post(`${ENDPOINTS}/${UNKNOWN_ENDPOINT}/replays`, body);
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ field, code }] } });
  });

  it('lists the types of messages with schemas and examples, and says the same in the OpenAPI document', async () => {
    const types: { type: string; schema: object; example: object }[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const page = await service.get(`${TYPES}?limit=9${cursor && `&cursor=${cursor}`}`);
      types.push(...page.body.data);
      cursor = page.body.next_cursor;
    }
    const { webhooks } = (await service.get('/openapi.json')).body;
    expect(types.map(({ type }) => type)).toEqual(Object.keys(webhooks));
    for (const { type, schema, example } of types) {
      const content = webhooks[type].post.requestBody.content['application/json'];
      const { $schema, ...rest } = schema as { $schema: string };
      expect($schema).toBe('https://json-schema.org/draft/2020-12/schema');
      expect([content.schema, content.example]).toEqual([rest, example]);
    }
    const one = await service.get(`${TYPES}/invoice.paid`);
    expect(types).toContainEqual(one.body);
  });

  it('sends the example of a type as a test', async () => {
    const receiver = await receive();
    const { id, secret } = await create({ url: receiver.url, types: ['invoice.paid'] });
    await service.post(`${ENDPOINTS}/${id}/test`, { type: 'source.silent' });
    await receiver.arrived(1);
    const { headers, body } = receiver.requests[0]!;
    const verified = new Webhook(secret).verify(body, headers as Record<string, string>);
    expect(verified).toEqual({
      ...(await service.get(`${TYPES}/source.silent`)).body.example,
      timestamp: expect.any(String),
      sequence: expect.any(Number),
      test: true,
    });
    const shown = await service.get(`${MESSAGES}/${String(headers['webhook-id'])}`);
    // It may yet be recorded that it was taken.
    const deliveries = { pending: 0, failed: 0 };
    expect(shown.body).toMatchObject({ test: true, endpoint: id, customer: null, deliveries });
  });

  it('lets messages be followed, and replays them to an endpoint that came later', async () => {
    const start = await service.get(`${MESSAGES}?after=start`);
    const name = { key: 'late', name: 'Late' };
    await service.post('/api/v1/customers', { ...name, currency: 'usd' });
    await service.post('/api/v1/plans', {
      ...{ ...name, currency: 'usd', interval: 'month', grace_seconds: 0 },
      prices: [{ key: 'base', kind: 'flat', amount: '49.00' }],
    });
    await service.post('/api/v1/subscriptions', {
      ...{ customer: 'late', plan: 'late', billing: { provider: 'none' } },
      starts_at: new Date(Date.now() - 40 * 86_400_000).toISOString(),
    });
    const follow = `${MESSAGES}?after=${start.body.next_cursor}&customer=late&type=billing_period.closed`;
    const [message] = await eventually(async () => {
      const { data } = (await service.get(follow)).body;
      return data.length > 0 && data;
    });
    expect(message.payload.data).toMatchObject({ customer: 'late', line_item_count: 1 });
    const receiver = await receive();
    const { id } = await create({ url: receiver.url, types: ['billing_period.closed'] });
    const from = message.created_at as string;
    const asked = await service.post(`${ENDPOINTS}/${id}/replays`, { from, per_second: 50 });
    expect(asked).toMatchObject({ status: 202, body: { state: 'running', endpoint: id, from } });
    await receiver.arrived(1);
    expect(receiver.requests[0]!.headers['webhook-id']).toBe(message.id);
    const path = `${REPLAYS}/${asked.body.id}`;
    const done = await eventually(async () => {
      const { body } = await service.get(path);
      return body.state === 'completed' && body;
    });
    expect(done).toMatchObject({ progress: 1, scope: 'undelivered', messages: null });
    expect(done.queued).toBe(done.total);
    expect((await service.get(`${REPLAYS}?endpoint=${id}`)).body.data).toEqual([done]);
    const { data } = (await service.get(`${DELIVERIES}?replay=${done.id}`)).body;
    expect(data).toHaveLength(done.queued);
    expect((await service.post(`${path}/cancel`)).body.code).toBe('not_running');
  });

  it('delivers a test message that the library of Standard Webhooks verifies', async () => {
    const receiver = await receive({ answer: () => ({ status: 201, body: 'thanks' }) });
    const endpoint = await create({ url: receiver.url });
    const queued = await service.post(`${ENDPOINTS}/${endpoint.id}/test`);
    expect(queued.status).toBe(202);
    await receiver.arrived(1);
    const { headers, body } = receiver.requests[0]!;
    const verified = new Webhook(endpoint.secret).verify(body, headers as Record<string, string>);
    expect(verified).toMatchObject({ type: 'webhook.test', data: { endpoint: endpoint.id } });
    expect(headers['webhook-id']).toBe(queued.body.message);
    const filter = `endpoint=${endpoint.id}&message=${queued.body.message}&state=succeeded`;
    const list = await eventually(async () => {
      const page = await service.get(`${DELIVERIES}?${filter}`);
      return page.body.data.length === 1 && page.body;
    });
    expect(list.data[0]).toMatchObject({
      id: queued.body.delivery,
      message: queued.body.message,
      endpoint: endpoint.id,
      type: 'webhook.test',
      state: 'succeeded',
      attempts: 1,
      next_attempt_at: null,
    });
    const attempts = await service.get(`${DELIVERIES}/${queued.body.delivery}/attempts`);
    expect(attempts.body).toMatchObject({
      data: [
        {
          ...{ number: 1, outcome: 'succeeded', status: 201, error: null, response: 'thanks' },
          address: '127.0.0.1',
        },
      ],
      next_cursor: null,
    });
    const messages = await service.get(`${MESSAGES}?limit=1`);
    expect(messages.body.data).toMatchObject([
      { id: queued.body.message, type: 'webhook.test', payload: JSON.parse(body) },
    ]);
  });

  it('signs so that a public key verifies, and shows no private one', async () => {
    const receiver = await receive();
    const made = await service.post(ENDPOINTS, { url: receiver.url, signature: 'v1a' });
    expect(made).toMatchObject({ status: 201, body: { secret: null } });
    const { id, public_key: publicKey } = made.body;
    await service.post(`${ENDPOINTS}/${id}/test`);
    await receiver.arrived(1);
    const { headers, body } = receiver.requests[0]!;
    expect(isSignedBy(publicKey, headers, body)).toBe(true);
    const rotated = await service.post(`${ENDPOINTS}/${id}/rotate-secret`, {});
    expect(rotated.body).toMatchObject({
      secret: null,
      public_key: expect.stringMatching('whpk_'),
    });
    const until = rotated.body.previous_secret_until;
    expect((await service.get(`${ENDPOINTS}/${id}/public-keys`)).body).toEqual({
      data: [
        { public_key: rotated.body.public_key, until: null },
        { public_key: publicKey, until },
      ],
    });
    const symmetric = await service.post(`${ENDPOINTS}/${id}/rotate-secret`, {
      ...{ overlap_seconds: 0, signature: 'v1' },
    });
    expect(symmetric.body).toMatchObject({
      secret: expect.stringMatching('whsec_'),
      public_key: null,
    });
    expect((await service.get(`${ENDPOINTS}/${id}/public-keys`)).body).toEqual({ data: [] });
    expect((await service.get(`${ENDPOINTS}/${UNKNOWN_ENDPOINT}/public-keys`)).status).toBe(404);
  });

  it('retries a failed delivery when somebody asks for it', async () => {
    const receiver = await receive({ answer: (_, index) => ({ status: index === 0 ? 410 : 200 }) });
    const { id } = await create({ url: receiver.url });
    const { delivery } = (await service.post(`${ENDPOINTS}/${id}/test`)).body;
    const inState = async (state: string): Promise<unknown> =>
      await eventually(async () => {
        const page = await service.get(`${DELIVERIES}?endpoint=${id}&state=${state}`);
        return page.body.data.length === 1;
      });
    await inState('failed');
    const lacking = await service.get(`${DELIVERIES}?endpoint=${id}&recovered=false`);
    expect(lacking.body.data).toMatchObject([{ id: delivery, recovered_by: null }]);
    expect((await service.get(`${DELIVERIES}?endpoint=${id}&recovered=true`)).body.data).toEqual(
      [],
    );
    expect((await service.get(`${DELIVERIES}?recovered=1`)).body.errors).toMatchObject([
      { field: 'recovered' },
    ]);
    expect((await service.get(`${ENDPOINTS}/${id}`)).body).toMatchObject({
      disabled_reason: 'gone',
    });
    expect((await service.post(`${DELIVERIES}/${delivery}/retry`)).body.code).toBe(
      'endpoint_disabled',
    );
    await service.request('PATCH', `${ENDPOINTS}/${id}`, { body: { disabled: false } });
    const retried = await service.post(`${DELIVERIES}/${delivery}/retry`);
    expect(retried).toMatchObject({ status: 200, body: { id: delivery, state: 'pending' } });
    await inState('succeeded');
    expect((await service.post(`${DELIVERIES}/${delivery}/retry`)).body.code).toBe('not_failed');
    expect(new Set(receiver.requests.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  });

  it('serves the healthy while others hang', async () => {
    const stuck = await receive({ answer: () => 'hang' });
    const healthy = await receive();
    const { id: stuckId } = await create({ url: stuck.url });
    const { id: healthyId } = await create({ url: healthy.url });
    for (let count = 0; count < 8; count += 1) {
      await service.post(`${ENDPOINTS}/${stuckId}/test`);
    }
    await stuck.arrived(5);
    await service.post(`${ENDPOINTS}/${healthyId}/test`);
    await healthy.arrived(1);
    expect(stuck.requests).toHaveLength(5);
  });

  it('pages through lists', async () => {
    const ids: string[] = [];
    let cursor = '';
    do {
      const page = await service.get(`${DELIVERIES}?limit=3${cursor}`);
      ids.push(...page.body.data.map((delivery: { id: string }) => delivery.id));
      cursor = page.body.next_cursor === null ? '' : `&cursor=${page.body.next_cursor}`;
    } while (cursor !== '');
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toEqual(ids.toSorted().toReversed());
    expect(ids.length).toBeGreaterThan(3);
  });
});
