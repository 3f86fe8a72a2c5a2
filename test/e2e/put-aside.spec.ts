import { factory } from '../support/factory.js';
import { expectPaging, expectRefusal, expectScope } from '../support/refusals.js';
import { startFresh } from '../support/service.js';
import { ADMIN_KEY, type Answer, type TestService } from '../support/service-process.js';

const PATH = '/api/v1/events';

describe('what was put aside', () => {
  let service: TestService;
  let close: () => Promise<void>;

  const event = (overrides: Record<string, unknown>): Record<string, unknown> =>
    factory.event({ time: new Date().toISOString(), ...overrides });
  const send = async (overrides: Record<string, unknown>): Promise<Answer> =>
    await service.post(PATH, event(overrides));
  const list = async (what: string, query: string): Promise<Answer['body'][]> =>
    (await service.get(`${PATH}/${what}?${query}`)).body.data;
  const reject = async (source: string): Promise<string> => {
    await send({ source, subject: undefined });
    return (await list('rejected', `source=${source}&state=open`))[0].id;
  };
  const conflict = async (source: string): Promise<string> => {
    await send({ source, id: 'a', data: { v: 1 } });
    await send({ source, id: 'a', data: { v: 2 } });
    return (await list('conflicts', `source=${source}&state=open`))[0].id;
  };

  beforeAll(async () => {
    ({ service, close } = await startFresh());
  });

  afterAll(async () => {
    await close();
  });

  describe('POST /api/v1/events/rejected/:id/repair', () => {
    it('stores the repaired event, every digit of it, and says what it became', async () => {
      const id = await reject('repair');
      const body = `{"event":{"id":"b","source":"repair","type":"t","subject":"s","data":{"v":12345678901234567890.123}}}`;
      const first = await service.request('POST', `${PATH}/rejected/${id}/repair`, { body });
      expect(first).toMatchObject({
        status: 200,
        body: {
          ...{ id, state: 'repaired', became: { source: 'repair', id: 'b' }, closed_reason: null },
          ...{ closed_by: expect.stringMatching(/^key_/), closed_at: expect.any(String) },
        },
      });
      const again = await service.request('POST', `${PATH}/rejected/${id}/repair`, { body });
      expect(again).toMatchObject({ status: 200, body: first.body });
      expect(await list('rejected', 'source=repair&state=repaired')).toEqual([first.body]);
      expect(await list('rejected', 'source=repair&state=open')).toEqual([]);
      const stored = await fetch(`${service.url}${PATH}?source=repair`, {
        headers: { authorization: `Bearer ${ADMIN_KEY}` },
      });
      expect(await stored.text()).toContain('"v":12345678901234567890.123');
      const other = { event: event({ source: 'repair' }) };
      expect(await service.post(`${PATH}/rejected/${id}/repair`, other)).toMatchObject({
        ...{ status: 409, body: { code: 'already_settled' } },
      });
    });

    it('refuses what is still no event, and leaves it open', async () => {
      const id = await reject('still');
      for (const [body, field, code] of [
        [{ event: event({ source: 'still', subject: '' }) }, 'event', 'invalid_subject'],
        [
          { event: event({ source: 'still', time: '2000-01-01T00:00:00Z' }) },
          'event',
          'time_too_old',
        ],
        [{ event: 7 }, 'event', 'not_an_object'],
        [{}, 'event', 'not_an_object'],
        [[], 'event', 'is_required'],
        [7, 'event', 'is_required'],
        [{ event: event({}), reason: 'x' }, 'reason', 'unknown_field'],
      ] as const) {
        expectRefusal(await service.post(`${PATH}/rejected/${id}/repair`, body), field, code);
      }
      const broken = { body: '{"event"' };
      const answer = await service.request('POST', `${PATH}/rejected/${id}/repair`, broken);
      expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_json' } });
      expect(await list('rejected', 'source=still')).toHaveLength(1);
      expect(await list('rejected', 'source=still&state=open')).toHaveLength(1);
      expect((await service.get(`${PATH}?source=still`)).body.data).toEqual([]);
    });

    it('leaves it open when the event is stored with another body', async () => {
      await send({ source: 'taken', id: 'a', data: { v: 1 } });
      const id = await reject('taken');
      const body = { event: event({ source: 'taken', id: 'a', data: { v: 2 } }) };
      expect(await service.post(`${PATH}/rejected/${id}/repair`, body)).toMatchObject({
        ...{ status: 409, body: { code: 'event_conflicts' } },
      });
      expect(await list('rejected', 'source=taken&state=open')).toHaveLength(1);
      expect(await list('conflicts', 'source=taken&state=open')).toHaveLength(1);
    });
  });

  describe('POST /api/v1/events/rejected/:id/dismiss', () => {
    it('says for good that nothing is to be counted', async () => {
      const id = await reject('dismiss');
      const first = await service.post(`${PATH}/rejected/${id}/dismiss`, { reason: 'a probe' });
      expect(first).toMatchObject({
        ...{ status: 200, body: { state: 'dismissed', closed_reason: 'a probe', became: null } },
      });
      const again = await service.post(`${PATH}/rejected/${id}/dismiss`, { reason: 'other' });
      expect(again.body).toEqual(first.body);
      const repair = { event: event({ source: 'dismiss' }) };
      expect(await service.post(`${PATH}/rejected/${id}/repair`, repair)).toMatchObject({
        ...{ status: 409, body: { code: 'already_settled' } },
      });
    });

    it.each([
      ['reason', {}, 'is_text'],
      ['reason', { reason: '' }, 'is_text'],
      ['event', { reason: 'r', event: {} }, 'unknown_field'],
    ])('names %s when it is wrong: %j', async (field, body, code) => {
      const id = await reject('dismissed badly');
      expectRefusal(await service.post(`${PATH}/rejected/${id}/dismiss`, body), field, code);
    });
  });

  describe('POST /api/v1/events/conflicts/:id/resolve', () => {
    it('puts the other body in the place of the stored one', async () => {
      const id = await conflict('resolve');
      const path = `${PATH}/conflicts/${id}/resolve`;
      expect(await list('conflicts', 'source=resolve')).toMatchObject([
        {
          event: { data: { v: 2 } },
          stored: { data: { v: 1 }, subject: 'key-1', voided_at: null },
        },
      ]);
      const first = await service.post(path, { take: 'other' });
      expect(first).toMatchObject({
        ...{
          status: 200,
          body: {
            ...{ id, state: 'repaired', event_id: 'a', event: { data: { v: 2 } } },
            stored: { data: { v: 2 } },
          },
        },
      });
      expect((await service.post(path, { take: 'other' })).body).toEqual(first.body);
      expect(await service.post(path, { take: 'stored' })).toMatchObject({ status: 409 });
      expect((await service.get(`${PATH}?source=resolve`)).body.data).toMatchObject([
        { data: { v: 1 }, voided_at: null, replacement: { data: { v: 2 }, subject: 'key-1' } },
      ]);
    });

    it('keeps the stored one', async () => {
      const id = await conflict('keep');
      const answer = await service.post(`${PATH}/conflicts/${id}/resolve`, { take: 'stored' });
      expect(answer).toMatchObject({ status: 200, body: { state: 'dismissed' } });
      expect((await service.get(`${PATH}?source=keep`)).body.data[0].replacement).toBeNull();
    });

    it.each([
      ['take', {}, 'is_in'],
      ['take', { take: 'both' }, 'is_in'],
      ['reason', { take: 'stored', reason: 'r' }, 'unknown_field'],
    ])('names %s when it is wrong: %j', async (field, body, code) => {
      const id = await conflict(`resolved badly ${code}${JSON.stringify(body)}`.slice(0, 20));
      expectRefusal(await service.post(`${PATH}/conflicts/${id}/resolve`, body), field, code);
    });
  });

  it('is counted by source, reason and state', async () => {
    await reject('counted');
    await service.post(`${PATH}/rejected/${await reject('counted')}/dismiss`, { reason: 'r' });
    await send({ source: 'counted', id: 7 });
    await conflict('counted');
    expect((await service.get(`${PATH}/rejected/counts?source=counted`)).body).toEqual({
      data: expect.arrayContaining([
        { source: 'counted', reason: 'missing_subject', state: 'open', count: 1 },
        { source: 'counted', reason: 'missing_subject', state: 'dismissed', count: 1 },
        { source: 'counted', reason: 'invalid_id', state: 'open', count: 1 },
      ]),
      is_complete: true,
    });
    expect((await service.get(`${PATH}/conflicts/counts?source=counted&state=open`)).body).toEqual({
      data: [{ source: 'counted', reason: 'conflict', state: 'open', count: 1 }],
      is_complete: true,
    });
    expect(await list('rejected', 'source=counted&code=invalid_id')).toHaveLength(1);
  });

  it.each(['conflicts', 'rejected', 'conflicts/counts', 'rejected/counts'])(
    'refuses filters of %s that mean nothing',
    async (what) => {
      expectRefusal(await service.get(`${PATH}/${what}?state=closed`), 'state', 'is_in');
      expectRefusal(await service.get(`${PATH}/${what}?source=`), 'source', 'is_text');
      expectRefusal(await service.get(`${PATH}/${what}?id=a`), 'id', 'unknown_field');
      if (!what.includes('/')) {
        await expectPaging(service, `${PATH}/${what}`);
      }
      await expectScope(
        service,
        'read',
        async (key) => await service.request('GET', `${PATH}/${what}`, { key }),
      );
    },
  );

  it.each([
    ['rejected/rej_none/repair', { event: factory.event({ time: undefined }) }],
    ['rejected/rej_none/dismiss', { reason: 'r' }],
    ['conflicts/cfl_none/resolve', { take: 'other' }],
  ])('knows no %s, and asks for the scope bill', async (path, body) => {
    expect(await service.post(`${PATH}/${path}`, body)).toMatchObject({ status: 404 });
    await expectScope(
      service,
      'bill',
      async (key) => await service.request('POST', `${PATH}/${path}`, { key, body }),
    );
  });
});
