import { Webhook } from 'standardwebhooks';
import { eventually, type TestService } from '../support/service-process.js';
import { startFresh } from '../support/service.js';
import { type Receiver, startReceiver } from '../support/webhook-receiver.js';

const ENDPOINTS = '/api/v1/webhook-endpoints';
const valid = { url: 'http://127.0.0.1:9/hook', types: ['invoice.paid'] };

describe('webhooks', () => {
  let service: TestService;
  let receiver: Receiver;
  let close: () => Promise<void>;

  beforeAll(async () => {
    receiver = await startReceiver();
    ({ service, close } = await startFresh({ WEBHOOK_ALLOWED_CIDRS: '127.0.0.0/8' }));
  });

  afterAll(async () => {
    await close();
    await receiver.close();
  });

  it.each([
    ['url', { ...valid, url: undefined }],
    ['url', { ...valid, url: 7 }],
    ['url', { ...valid, url: 'not a url' }],
    ['url', { ...valid, url: 'ftp://example.com/' }],
    ['url', { ...valid, url: 'https://user:secret@example.com/' }],
    ['url', { ...valid, url: 'https://10.0.0.1/hook' }],
    ['url', { ...valid, url: 'https://[::ffff:10.0.0.1]/hook' }],
    ['types', { ...valid, types: 'invoice.paid' }],
    ['types', { ...valid, types: ['invoice.lost'] }],
    ['description', { ...valid, description: 7 }],
    ['surprise', { ...valid, surprise: true }],
  ])('names %s when it is wrong, and stores nothing', async (field, body) => {
    const answer = await service.post(ENDPOINTS, body);
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toMatchObject([{ field }]);
    expect((await service.get(ENDPOINTS)).body.data).toEqual([]);
  });

  it.each([
    ['POST', ENDPOINTS],
    ['PATCH', `${ENDPOINTS}/we_x`],
    ['DELETE', `${ENDPOINTS}/we_x`],
    ['POST', `${ENDPOINTS}/we_x/test`],
    ['POST', '/api/v1/webhook-deliveries/dlv_x/retry'],
  ])('needs a key with the scope configure for %s %s', async (method, path) => {
    const { body } = await service.post('/api/v1/api-keys', { name: 'r', scopes: ['read'] });
    const refused = await service.request(method, path, { key: body.token, body: valid });
    expect(refused).toMatchObject({ status: 403, body: { code: 'missing_scope' } });
    const unknown = await service.request(method, path, { key: null, body: valid });
    expect(unknown).toMatchObject({ status: 401, body: { code: 'missing_api_key' } });
  });

  it.each([
    ['GET', `${ENDPOINTS}/we_x`],
    ['PATCH', `${ENDPOINTS}/we_x`],
    ['DELETE', `${ENDPOINTS}/we_x`],
    ['POST', `${ENDPOINTS}/we_x/test`],
    ['GET', '/api/v1/webhook-deliveries/dlv_x/attempts'],
    ['POST', '/api/v1/webhook-deliveries/dlv_x/retry'],
  ])('answers 404 to %s %s of nothing', async (method, path) => {
    const body = method === 'PATCH' ? { description: 'x' } : undefined;
    expect(await service.request(method, path, { body })).toMatchObject({
      status: 404,
      body: { code: 'not_found' },
    });
  });

  it.each([
    ['/api/v1/webhook-deliveries?state=lost', 'state'],
    ['/api/v1/webhook-deliveries?limit=0', 'limit'],
    ['/api/v1/webhook-deliveries?cursor=x', 'cursor'],
    ['/api/v1/webhook-messages?limit=many', 'limit'],
    [`${ENDPOINTS}?surprise=1`, 'surprise'],
  ])('names what is wrong in %s', async (path, field) => {
    const answer = await service.get(path);
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ field }] } });
  });

  it('delivers a signed test message, and shows how that went', async () => {
    const created = await service.post(ENDPOINTS, { ...valid, url: receiver.url });
    expect(created.status).toBe(201);
    const { id, secret } = created.body;
    expect((await service.get(`${ENDPOINTS}/${id}`)).body.secret).toBeUndefined();
    const { body: queued } = await service.post(`${ENDPOINTS}/${id}/test`);
    await receiver.arrived(1);
    const [request] = receiver.requests;
    const headers = request?.headers as Record<string, string>;
    const sent = new Webhook(secret).verify(request?.body ?? '', headers);
    expect(sent).toMatchObject({ type: 'webhook.test', data: { endpoint: id } });
    expect(headers['webhook-id']).toBe(queued.message);
    await eventually(async () => {
      const page = await service.get(`/api/v1/webhook-deliveries?message=${queued.message}`);
      return page.body.data[0]?.state === 'succeeded';
    });
    const attempts = await service.get(`/api/v1/webhook-deliveries/${queued.delivery}/attempts`);
    expect(attempts.body.data).toMatchObject([{ number: 1, status: 200, outcome: 'succeeded' }]);
  });
});
