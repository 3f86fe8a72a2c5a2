import { factory } from '../support/factory.js';
import { expectPaging, expectRefusal, expectScope } from '../support/refusals.js';
import { startFresh } from '../support/service.js';
import {
  ADMIN_KEY,
  type Answer,
  eventually,
  type TestService,
} from '../support/service-process.js';

const PATH = '/api/v1/events/quarantined';

describe('quarantined values', () => {
  let service: TestService;
  let close: () => Promise<void>;

  const quarantine = async (source: string, data: object): Promise<string> => {
    const event = factory.event({ time: new Date().toISOString(), source, id: 'a', data });
    await service.post('/api/v1/events', event);
    return await eventually(
      async () => (await service.get(`${PATH}?source=${source}`)).body.data[0]?.id,
    );
  };
  const post = async (
    id: string,
    what: string,
    body: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> => await service.request('POST', `${PATH}/${id}/${what}`, { body, headers });

  beforeAll(async () => {
    ({ service, close } = await startFresh());
    await service.post('/api/v1/customers', {
      ...{ key: 'acme', name: 'Acme', currency: 'usd', subjects: ['key-1'] },
    });
    await service.post('/api/v1/meters', {
      ...{ key: 'egress', name: 'Egress', event_type: 'api.request', aggregation: 'sum' },
      value_property: '$.bytes',
    });
  });

  afterAll(async () => {
    await close();
  });

  it('are listed with what could not be read, every digit of it', async () => {
    const body = `{"id":"a","source":"digits","type":"api.request","subject":"s","data":{"bytes":123456789012345678901234567890.5}}`;
    await service.request('POST', '/api/v1/events', { body });
    const text = await eventually(async () => {
      const raw = await fetch(`${service.url}${PATH}?source=digits`, {
        headers: { authorization: `Bearer ${ADMIN_KEY}` },
      });
      const shown = await raw.text();
      return shown.includes('"digits"') && shown;
    });
    expect(text).toContain('"value":123456789012345678901234567890.5');
    expect(JSON.parse(text).data).toMatchObject([
      { meter: 'egress', event_id: 'a', reason: 'out_of_range', state: 'open', closed_at: null },
    ]);
  });

  it('count with the value that is given instead, every digit of it, once', async () => {
    const id = await quarantine('repair', { bytes: 'many' });
    const body = '{"value":12345678901234567890.123456}';
    const headers = { 'idempotency-key': 'repair' };
    const first = await post(id, 'repair', body, headers);
    expect(first).toMatchObject({
      status: 200,
      body: { id, state: 'repaired', closed_by: expect.stringMatching(/^key_/), value: 'many' },
    });
    expect((await post(id, 'repair', body, headers)).body).toEqual(first.body);
    expect(await post(id, 'repair', body)).toMatchObject({
      ...{ status: 409, body: { code: 'already_settled' } },
    });
    const usage = await service.get(
      '/api/v1/meters/egress/usage?from=2026-01-01T00:00:00Z&to=2100-01-01T00:00:00Z&customer=acme',
    );
    expect(usage.body.data).toMatchObject([{ quantity: '12345678901234567890.123456' }]);
    const [shown] = (await service.get('/api/v1/events?source=repair')).body.data;
    expect(shown).toMatchObject({ data: { bytes: 'many' }, voided_at: null });
    expect(Object.keys(shown.replacement.data)).toEqual(['bytes']);
  });

  it.each([
    [{ value: 'much' }, 'value', 'not_readable'],
    [{ value: null }, 'value', 'not_readable'],
    [{ data: { bytes: 'much' } }, 'data', 'not_readable'],
    [{ data: 7 }, 'data', 'invalid_data'],
    [{}, 'value', 'is_exclusive'],
    [{ value: 1, data: {} }, 'value', 'is_exclusive'],
    [{ value: 1, reason: 'r' }, 'reason', 'unknown_field'],
    [[], 'value or data', 'is_required'],
  ])('are not repaired by %j', async (body, field, code) => {
    const id = await quarantine('bad', { bytes: 'many' });
    expectRefusal(await post(id, 'repair', body), field, code);
    const { data } = (await service.get(`${PATH}?source=bad&state=open`)).body;
    expect(data).toHaveLength(1);
  });

  it('are dismissed for good, with a reason', async () => {
    const id = await quarantine('dismiss', {});
    expectRefusal(await post(id, 'dismiss', {}), 'reason', 'is_text');
    expectRefusal(await post(id, 'dismiss', { reason: 'r', x: 1 }), 'x', 'unknown_field');
    const first = await post(id, 'dismiss', { reason: 'a probe' });
    expect(first).toMatchObject({
      ...{ status: 200, body: { state: 'dismissed', reason: 'missing', closed_reason: 'a probe' } },
    });
    expect((await post(id, 'dismiss', { reason: 'other' })).body).toEqual(first.body);
    expect(await post(id, 'repair', { value: 1 })).toMatchObject({ status: 409 });
  });

  it('are counted by meter, source, reason and state', async () => {
    await quarantine('counted', {});
    const { body } = await service.get(`${PATH}/counts?source=counted&meter=egress`);
    expect(body).toEqual({
      data: [{ meter: 'egress', source: 'counted', reason: 'missing', state: 'open', count: 1 }],
      is_complete: true,
    });
    expect((await service.get(`${PATH}/counts?source=counted&state=repaired`)).body.data).toEqual(
      [],
    );
    expect((await service.get(`${PATH}?source=counted&reason=missing`)).body.data).toHaveLength(1);
    expect((await service.get(`${PATH}?source=counted&reason=out_of_range`)).body.data).toEqual([]);
  });

  it.each(['', '/counts'])('are not listed by what means nothing: %p', async (list) => {
    for (const [query, field, code] of [
      ['state=closed', 'state', 'is_in'],
      ['reason=bad', 'reason', 'is_in'],
      ['meter=none', 'meter', 'not_found'],
      ['source=', 'source', 'is_text'],
      ['code=x', 'code', 'unknown_field'],
    ] as const) {
      expectRefusal(await service.get(`${PATH}${list}?${query}`), field, code);
    }
    const path = PATH + list;
    await expectScope(service, 'read', async (key) => await service.request('GET', path, { key }));
  });

  it('are in pages', async () => {
    await expectPaging(service, PATH);
  });

  it.each([
    ['0', 'repair', { value: 1 }],
    ['none', 'repair', { value: 1 }],
    ['9'.repeat(30), 'dismiss', { reason: 'r' }],
  ])('are not known by %p', async (id, what, body) => {
    expect(await post(id, what, body)).toMatchObject({ status: 404 });
    await expectScope(
      service,
      'bill',
      async (key) => await service.request('POST', `${PATH}/${id}/${what}`, { key, body }),
    );
  });
});
