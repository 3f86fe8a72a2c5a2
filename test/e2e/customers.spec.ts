import { type TestService } from '../support/service-process.js';
import { startFresh } from '../support/service.js';

const valid = { key: 'acme', name: 'Acme', currency: 'usd' };

describe('POST /api/v1/customers', () => {
  let service: TestService;
  let close: () => Promise<void>;

  beforeAll(async () => {
    ({ service, close } = await startFresh());
  });

  afterAll(async () => {
    await close();
  });

  it.each([
    ['key', { ...valid, key: 'Not A Key' }, 'is_key'],
    ['key', { ...valid, key: `cus_${'0'.repeat(26)}` }, 'is_key'],
    ['name', { ...valid, name: 7 }, 'is_text'],
    ['currency', { ...valid, currency: 'usx' }, 'is_currency'],
    ['time_zone', { ...valid, time_zone: 'Mars/Olympus' }, 'is_time_zone'],
    ['email', { ...valid, email: 'nobody' }, 'is_email'],
    ['subjects', { ...valid, subjects: ['ok', ''] }, 'is_subject'],
    ['stripe_customer_id', { ...valid, stripe_customer_id: 'x' }, 'matches'],
    ['metadata', { ...valid, metadata: { a: 1 } }, 'is_metadata'],
    ['surprise', { ...valid, surprise: 1 }, 'unknown_field'],
  ])('names %s when it is wrong, and stores nothing', async (field, body, code) => {
    const answer = await service.post('/api/v1/customers', body);
    expect(answer.status).toBe(400);
    expect(answer.headers.get('content-type')).toMatch('application/problem+json');
    expect(answer.body.errors).toMatchObject([{ field, code }]);
    expect((await service.get('/api/v1/customers')).body.data).toEqual([]);
  });

  it('refuses a body that is no JSON', async () => {
    const answer = await service.request('POST', '/api/v1/customers', { body: '{"key"' });
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_json' } });
  });

  it('refuses a caller without key, with a wrong key, or without the scope', async () => {
    const { body: reader } = await service.post('/api/v1/api-keys', {
      name: 'reader',
      scopes: ['read'],
    });
    const post = async (key: string | null): Promise<unknown> =>
      await service.request('POST', '/api/v1/customers', { key, body: valid });
    expect(await post(null)).toMatchObject({ status: 401, body: { code: 'missing_api_key' } });
    expect(await post('mlk_x')).toMatchObject({ status: 401, body: { code: 'invalid_api_key' } });
    expect(await post(reader.token)).toMatchObject({
      status: 403,
      body: { code: 'missing_scope' },
    });
  });

  it('takes effect once for one Idempotency-Key, however often it is sent', async () => {
    const send = async (body: unknown): Promise<{ status: number; body: { id: string } }> =>
      await service.request('POST', '/api/v1/customers', {
        body,
        headers: { 'idempotency-key': 'once' },
      });
    const answers = await Promise.all([1, 2, 3, 4].map(async () => await send(valid)));
    expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1);
    expect(answers.map((answer) => answer.status)).toEqual([201, 201, 201, 201]);
    expect(await send({ ...valid, name: 'Other' })).toMatchObject({
      status: 409,
      body: { code: 'idempotency_key_reused' },
    });
  });

  it('takes a link to Stripe once, carries it out in the background, and names what is wrong', async () => {
    const path = '/api/v1/customers/linked/stripe';
    await service.post('/api/v1/customers', { ...valid, key: 'linked' });
    expect((await service.get(path)).body).toMatchObject({ state: 'none', how: null });
    for (const [body, field, code] of [
      [{}, 'how', 'is_in'],
      [{ how: 'email' }, 'how', 'is_in'],
      [{ how: 'id' }, 'stripe_customer_id', 'matches'],
      [{ how: 'id', stripe_customer_id: 'acme' }, 'stripe_customer_id', 'matches'],
      [{ how: 'create', stripe_customer_id: 'cus_1' }, 'stripe_customer_id', 'unknown_field'],
      [{ how: 'create', email: 'a@b.example' }, 'email', 'unknown_field'],
    ] as const) {
      const answer = await service.post(path, body);
      expect(answer.status).toBe(400);
      expect(answer.body.errors).toMatchObject([{ field, code }]);
    }
    const headers = { 'idempotency-key': 'link' };
    for (let time = 0; time < 2; time += 1) {
      const answer = await service.request('POST', path, { body: { how: 'create' }, headers });
      expect(answer).toMatchObject({
        status: 202,
        body: { customer: 'linked', state: 'pending', how: 'create', stripe_customer_id: null },
      });
    }
    expect(await service.post(path, { how: 'metadata' })).toMatchObject({
      status: 409,
      body: { code: 'link_pending' },
    });
    await service.post('/api/v1/customers', {
      ...valid,
      key: 'known',
      stripe_customer_id: 'cus_known',
    });
    expect(await service.post('/api/v1/customers/known/stripe', { how: 'create' })).toMatchObject({
      status: 409,
      body: { code: 'already_linked' },
    });
    // Without a key of Stripe's it waits.
    expect((await service.get(path)).body).toMatchObject({ state: 'pending', attempts: 0 });
  });
});
