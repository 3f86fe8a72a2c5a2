import { factory } from '../support/factory.js';
import { expectPaging, expectScope } from '../support/refusals.js';
import { startFresh } from '../support/service.js';
import { type Answer, type TestService } from '../support/service-process.js';

const PATH = '/api/v1/events/unattributed';

describe('GET /api/v1/events/unattributed', () => {
  let service: TestService;
  let close: () => Promise<void>;

  const send = async (events: Record<string, unknown>[]): Promise<void> => {
    const time = new Date().toISOString();
    const bodies = events.map((event) => factory.event({ time, ...event }));
    const { body } = await service.post('/api/v1/events', bodies);
    expect(body).toMatchObject({ accepted: events.length });
  };

  beforeAll(async () => {
    ({ service, close } = await startFresh());
  });

  afterAll(async () => {
    await close();
  });

  it('shows what nobody owns until it is given to a customer', async () => {
    const last = new Date().toISOString();
    const first = new Date(Date.parse(last) - 86_400_000).toISOString().replace('Z', '001Z');
    await send([
      { id: 'a', source: 'kong', subject: 'stray', time: first },
      { id: 'b', source: 'kong', subject: 'stray', time: last, type: 'other' },
      { id: 'c', source: 'kong', subject: 'stray', time: last },
      { id: 'd', source: 'envoy', subject: 'stray' },
    ]);
    await service.post('/api/v1/events/void', { source: 'kong', id: 'c', reason: 'a test' });
    const shown = await service.get(PATH);
    expect(shown).toMatchObject({
      status: 200,
      body: {
        data: [
          { subject: 'stray', source: 'envoy', events: 1 },
          {
            ...{ subject: 'stray', source: 'kong', events: 2, types: ['api.request', 'other'] },
            ...{ first_time: first, last_time: last.replace('Z', '000Z') },
          },
        ],
        next_cursor: null,
      },
    });
    await service.post('/api/v1/customers', { key: 'acme', name: 'Acme', currency: 'usd' });
    const from = new Date(Date.parse(last) - 3_600_000).toISOString();
    await service.post('/api/v1/customers/acme/subjects', { subject: 'stray', from });
    expect((await service.get(PATH)).body.data).toMatchObject([{ events: 1, last_time: first }]);
    await service.post('/api/v1/customers', {
      ...{ key: 'old', name: 'Old', currency: 'usd', subjects: ['past'] },
    });
    expect((await service.get(PATH)).body.data).toHaveLength(1);
  });

  it('goes through all of many subjects, of which most are owned, without loss or repetition', async () => {
    const names = Array.from({ length: 1_200 }, (_, index) => `many-${index}`);
    await send(names.map((subject) => ({ source: 'many', subject })));
    const owned = names.filter((_, index) => index % 100 !== 0);
    for (const subjects of [owned.slice(0, 1_000), owned.slice(1_000)]) {
      const customer = { key: `many-${subjects.length}`, name: 'Many', currency: 'usd', subjects };
      expect(await service.post('/api/v1/customers', customer)).toMatchObject({ status: 201 });
    }
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const { body }: Answer = await service.get(`${PATH}?limit=5${cursor && `&cursor=${cursor}`}`);
      seen.push(...body.data.map(({ subject }: { subject: string }) => subject));
      cursor = body.next_cursor;
    }
    const mine = seen.filter((subject) => subject.startsWith('many'));
    expect(mine.toSorted()).toEqual(names.filter((subject) => !owned.includes(subject)).toSorted());
  });

  it('counts it by source, and hides nothing that is dismissed, nor what comes after', async () => {
    await send(['p', 'q', 'q'].map((subject) => ({ source: 'probe', subject })));
    const counts = async (): Promise<unknown> =>
      (await service.get(`${PATH}/counts?source=probe`)).body;
    const open = { source: 'probe', state: 'open' };
    expect(await counts()).toEqual({
      ...{ data: [{ ...open, subjects: 2, events: 3 }], is_complete: true },
    });
    const dismissal = { subject: 'q', source: 'probe', reason: 'a health check' };
    expect(await service.post(`${PATH}/dismiss`, dismissal)).toMatchObject({
      ...{ status: 200, body: { events: 2, state: 'dismissed', closed_reason: 'a health check' } },
    });
    expect(await counts()).toEqual({
      data: [
        { ...open, state: 'dismissed', subjects: 1, events: 2 },
        { ...open, subjects: 1, events: 1 },
      ],
      is_complete: true,
    });
    const of = async (state: string): Promise<unknown> =>
      (await service.get(`${PATH}?source=probe&state=${state}`)).body.data;
    expect(await of('dismissed')).toMatchObject([{ subject: 'q', events: 2 }]);
    expect(await of('open')).toMatchObject([{ subject: 'p', events: 1, closed_at: null }]);
    await send([{ source: 'probe', subject: 'q' }]);
    expect(await of('dismissed')).toEqual([]);
    expect(await of('open')).toMatchObject([{ subject: 'p' }, { subject: 'q', events: 3 }]);
    expect(await service.post(`${PATH}/dismiss`, { ...dismissal, subject: 'r' })).toMatchObject({
      status: 404,
    });
    expect(await service.post(`${PATH}/dismiss`, { subject: 'q', source: 'probe' })).toMatchObject({
      ...{ status: 400, body: { errors: [{ field: 'reason' }] } },
    });
    await expectScope(
      service,
      'bill',
      async (key) =>
        await service.request('POST', `${PATH}/dismiss`, { key, body: { ...dismissal } }),
    );
  });

  it('refuses what is no page, and who may not read', async () => {
    await expectPaging(service, PATH);
    await expectScope(service, 'read', async (key) => await service.request('GET', PATH, { key }));
  });
});
