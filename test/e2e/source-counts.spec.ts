/*
 * Aim: a gateway announces with its own token what it sent, and whoever may read sees what is missing.
 * Method: over HTTP, on the machine's clock, with windows of the last hours.
 */
import { expectPaging, expectRefusal, expectScope } from '../support/refusals.js';
import { startFresh } from '../support/service.js';
import { type Answer, type TestService } from '../support/service-process.js';

const PATH = '/api/v1/sources';
const HOUR_MS = 3_600_000;
const hour = Math.floor(Date.now() / HOUR_MS) * HOUR_MS;
const hours = (ago: number): string => new Date(hour - ago * HOUR_MS).toISOString();
const valid = { from: hours(2), to: hours(1), count: 3 };

describe('what a source announced', () => {
  let service: TestService;
  let close: () => Promise<void>;

  beforeAll(async () => {
    ({ service, close } = await startFresh());
    for (const key of ['gateway', 'other', 'old']) {
      await service.post(PATH, { key, name: key, format: 'json', token_in: { query: 'token' } });
    }
  });

  afterAll(async () => {
    await close();
  });

  const announce = async (body: unknown, key = 'gateway'): Promise<Answer> =>
    await service.post(`${PATH}/${key}/counts`, body);
  const tokenOf = async (key: string): Promise<string> =>
    (await service.post(`${PATH}/${key}/tokens`, { name: 'gateway' })).body.token;

  it.each<readonly [string, object, string]>([
    ['from', { ...valid, from: undefined }, 'is_instant'],
    ['from', { ...valid, from: hours(2).slice(0, -1) }, 'is_instant'],
    ['from', { ...valid, from: 1_763_700_000 }, 'is_instant'],
    ['from', { ...valid, from: hours(2).replace('.000Z', '.0000001Z') }, 'is_whole_milliseconds'],
    ['from', { ...valid, from: hours(36 * 24), to: hours(36 * 24 - 1) }, 'too_old'],
    ['to', { ...valid, to: null }, 'is_instant'],
    ['to', { ...valid, to: '2026-02-30T00:00:00Z' }, 'is_instant'],
    ['to', { ...valid, to: valid.from }, 'after_from'],
    ['to', { ...valid, to: hours(3) }, 'after_from'],
    ['to', { ...valid, from: hours(27) }, 'within_a_day'],
    ['to', { ...valid, from: hours(1), to: hours(-2) }, 'in_the_future'],
    ['count', { ...valid, count: undefined }, 'is_int'],
    ['count', { ...valid, count: '3' }, 'is_int'],
    ['count', { ...valid, count: 1.5 }, 'is_int'],
    ['count', { ...valid, count: -1 }, 'min'],
    ['count', { ...valid, count: 1e13 }, 'max'],
    ['subject', { ...valid, subject: 's' }, 'unknown_field'],
  ])('names %s when it is wrong, and stores nothing: %j', async (field, body, code) => {
    expectRefusal(await announce(body), field, code);
    expect((await service.get(`${PATH}/gateway/counts`)).body.data).toEqual([]);
  });

  it('asks for the right scope, and for the token of the source itself', async () => {
    for (const [scope, method, route, body] of [
      ['ingest', 'POST', 'counts', valid],
      ['read', 'GET', 'counts'],
      ['read', 'GET', 'gaps'],
    ] as const) {
      await expectScope(
        service,
        scope,
        async (key) =>
          await service.request(method, `${PATH}/gateway/${route}`, {
            key,
            ...(body !== undefined && { body }),
          }),
      );
    }
    const key = await tokenOf('other');
    const options = { body: valid, key };
    const refused = await service.request('POST', `${PATH}/gateway/counts`, options);
    expect(refused.status).toBeGreaterThanOrEqual(401);
    expect((await service.request('GET', `${PATH}/other/gaps`, { key })).status).not.toBe(200);
    expect((await service.get(`${PATH}/gateway/counts`)).body.data).toEqual([]);
  });

  it('is a gap until all has come', async () => {
    const token = await tokenOf('gateway');
    const options = { body: valid, key: null };
    const path = `${PATH}/gateway/counts?token=${token}`;
    const announced = await service.request('POST', path, options);
    expect(announced).toMatchObject({ status: 200, body: { ...valid, replaced_at: null } });
    expect((await service.request('POST', path, options)).body).toEqual(announced.body);
    const send = async (...ids: string[]): Promise<void> => {
      const body = ids.map((id) => ({ id, subject: 's', time: valid.from }));
      expect((await service.post(`${PATH}/gateway/events`, body)).body.rejected).toBe(0);
    };
    await send('a', 'b', 'a');
    const gaps = async (): Promise<object[]> =>
      (await service.get(`${PATH}/gateway/gaps`)).body.data;
    expect(await gaps()).toEqual([
      {
        ...{ kind: 'announced', id: announced.body.id, from: valid.from, to: valid.to },
        ...{ announced: 3, stored: 2, missing: 1 },
        since: announced.body.announced_at,
      },
    ]);
    await send('c');
    expect(await gaps()).toEqual([]);
    const corrected = await announce({ ...valid, count: 2 });
    expect(await gaps()).toMatchObject([{ announced: 2, stored: 3, missing: -1 }]);
    const { body } = await service.get(`${PATH}/gateway/counts`);
    expect(body.data).toEqual([
      corrected.body,
      { ...announced.body, replaced_at: corrected.body.announced_at },
    ]);
    expect((await service.get(`${PATH}/other/gaps`)).body.data).toEqual([]);
  });

  it('lists page by page, and answers 404 for no source', async () => {
    for (const list of ['counts', 'gaps']) {
      await expectPaging(service, `${PATH}/gateway/${list}`);
      expect((await service.get(`${PATH}/nobody/${list}`)).status).toBe(404);
    }
    expect((await announce(valid, 'nobody')).status).toBe(404);
  });

  it('ends with the source', async () => {
    await announce(valid, 'old');
    await service.request('DELETE', `${PATH}/old`);
    expect(await announce(valid, 'old')).toMatchObject({
      status: 409,
      body: { code: 'source_archived' },
    });
    expect((await service.get(`${PATH}/old/gaps`)).body.data).toHaveLength(1);
  });
});
