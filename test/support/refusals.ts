import { type Answer, type TestService } from './service-process.js';

/** Holds that the answer is a problem that names this field and reason, and that a person can read. */
export function expectRefusal(answer: Answer, field: string, code: string): void {
  expect(answer).toMatchObject({ status: 400, body: { status: 400, code: 'invalid_request' } });
  expect(answer.headers.get('content-type')).toMatch('application/problem+json');
  expect(answer.body.errors).toMatchObject([{ field, code }]);
  expect(answer.body.errors[0].detail.length).toBeGreaterThan(5);
  expect(answer.body.detail).toContain(answer.body.errors[0].detail);
}

/** A key with these scopes. */
export async function keyWith(service: TestService, ...scopes: string[]): Promise<string> {
  const { body } = await service.post('/api/v1/api-keys', { name: scopes.join(), scopes });
  return body.token;
}

/** Holds that a route refuses callers without key, with an unknown one, and with every other scope. */
export async function expectScope(
  service: TestService,
  scope: string,
  call: (key: string | null) => Promise<Answer>,
): Promise<void> {
  expect(await call(null)).toMatchObject({ status: 401, body: { code: 'missing_api_key' } });
  const unknown = await call('mlk_nobody');
  expect(unknown).toMatchObject({ status: 401, body: { code: 'invalid_api_key' } });
  expect(unknown.headers.get('www-authenticate')).toBe('Bearer');
  const others = ['ingest', 'read', 'configure', 'bill'].filter((other) => other !== scope);
  expect(await call(await keyWith(service, ...others))).toMatchObject({
    status: 403,
    body: { code: 'missing_scope' },
  });
}

/** Holds that a list refuses what is no page. */
export async function expectPaging(service: TestService, path: string): Promise<void> {
  for (const [query, field, code] of [
    ['limit=0', 'limit', 'min'],
    ['limit=201', 'limit', 'max'],
    ['limit=ten', 'limit', 'is_int'],
    ['limit=1.5', 'limit', 'is_int'],
    ['cursor=', 'cursor', 'is_text'],
    ['cursor=nonsense', 'cursor', 'invalid_cursor'],
    ['cursor=e30', 'cursor', 'invalid_cursor'],
    ['cursor=W10', 'cursor', 'invalid_cursor'],
    ['cursor=WzEsMiwzLDQsNV0', 'cursor', 'invalid_cursor'],
    ['page=2', 'page', 'unknown_field'],
  ] as const) {
    expectRefusal(await service.get(`${path}?${query}`), field, code);
  }
  // Of the right length, but of no position that ever was: never a fault of ours.
  for (const position of [
    ['\0'],
    ['x'],
    [{}],
    [null],
    ['9'.repeat(40)],
    ['x', 'y', 'z'],
    ['1', '\0', 'z'],
  ]) {
    const cursor = Buffer.from(JSON.stringify(position)).toString('base64url');
    expect((await service.get(`${path}?cursor=${cursor}`)).status).toBeLessThan(500);
  }
}
