import { expectPaging, expectRefusal, expectScope, keyWith } from '../support/refusals.js';
import { startFresh } from '../support/service.js';
import { ADMIN_KEY, type TestService } from '../support/service-process.js';

const PATH = '/api/v1/api-keys';

describe('api keys', () => {
  let service: TestService;
  let close: () => Promise<void>;

  beforeAll(async () => {
    ({ service, close } = await startFresh());
  });

  afterAll(async () => {
    await close();
  });

  it.each([
    ['name', { scopes: ['read'] }, 'is_text'],
    ['name', { name: '', scopes: ['read'] }, 'is_text'],
    ['name', { name: 7, scopes: ['read'] }, 'is_text'],
    ['name', { name: 'a\0', scopes: ['read'] }, 'is_text'],
    ['name', { name: 'x'.repeat(201), scopes: ['read'] }, 'is_text'],
    ['scopes', { name: 'n' }, 'is_array'],
    ['scopes', { name: 'n', scopes: 'read' }, 'is_array'],
    ['scopes', { name: 'n', scopes: [] }, 'array_not_empty'],
    ['scopes', { name: 'n', scopes: ['read', 'root'] }, 'is_in'],
    ['scopes', { name: 'n', scopes: [['read']] }, 'is_in'],
    ['scopes', { name: 'n', scopes: Array.from({ length: 500 }, () => 'read') }, 'array_unique'],
    ['token', { name: 'n', scopes: ['read'], token: 'x' }, 'unknown_field'],
  ])('names %s when it is wrong, and makes no key', async (field, body, code) => {
    const { body: before } = await service.get(PATH);
    const answer = await service.post(PATH, body);
    expectRefusal(answer, field, code);
    expect((await service.get(PATH)).body).toEqual(before);
  });

  it('is for admins only', async () => {
    const valid = { name: 'n', scopes: ['read'] };
    for (const [method, path, body] of [
      ['POST', PATH, valid],
      ['GET', PATH, undefined],
      ['DELETE', `${PATH}/key_x`, undefined],
    ] as const) {
      await expectScope(
        service,
        'admin',
        async (key) => await service.request(method, path, { key, ...(body && { body }) }),
      );
    }
  });

  it('shows a token once, and never again', async () => {
    const created = await service.post(PATH, { name: 'once', scopes: ['read', 'ingest'] });
    expect(created).toMatchObject({ status: 201, body: { name: 'once', revoked_at: null } });
    expect(created.body.token).toMatch(/^mlk_[0-9a-f]{64}$/);
    const list = await service.get(PATH);
    expect(JSON.stringify(list.body)).not.toContain(created.body.token);
    expect(list.body.data[0]).toMatchObject({ id: created.body.id, hint: created.body.hint });
    expect(JSON.stringify(service.log)).not.toContain(created.body.token);
    expect(JSON.stringify(service.log)).not.toContain(ADMIN_KEY);
  });

  it('ends a key at once when it is revoked', async () => {
    const { body: created } = await service.post(PATH, { name: 'short', scopes: ['read'] });
    const use = async (): Promise<number> =>
      (await service.request('GET', '/api/v1/meters', { key: created.token })).status;
    expect(await use()).toBe(200);
    const revoked = await service.request('DELETE', `${PATH}/${created.id}`);
    expect(revoked).toMatchObject({ status: 200, body: { id: created.id } });
    expect(revoked.body.revoked_at).not.toBeNull();
    expect(await use()).toBe(401);
    expect(await service.request('DELETE', `${PATH}/${created.id}`)).toMatchObject({ status: 404 });
    expect(await service.request('DELETE', `${PATH}/nobody`)).toMatchObject({ status: 404 });
    expect(await service.request('DELETE', `${PATH}/%00`)).toMatchObject({ status: 400 });
  });

  it.each(['', 'Bearer', 'Bearer ', 'Basic YTpi', `Token ${ADMIN_KEY}`, ADMIN_KEY])(
    'does not take the header %p',
    async (authorization) => {
      const answer = await service.request('GET', PATH, { key: null, headers: { authorization } });
      expect(answer).toMatchObject({ status: 401, body: { code: 'missing_api_key' } });
    },
  );

  it('lists page by page, newest first', async () => {
    await expectPaging(service, PATH);
    for (const scope of ['read', 'bill', 'ingest']) {
      await keyWith(service, scope);
    }
    const all = (await service.get(`${PATH}?limit=200`)).body.data;
    const seen: unknown[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const { body } = await service.get(`${PATH}?limit=2${cursor && `&cursor=${cursor}`}`);
      seen.push(...body.data);
      cursor = body.next_cursor;
    }
    expect(seen).toEqual(all);
    expect(all.length).toBeGreaterThan(4);
  });
});
