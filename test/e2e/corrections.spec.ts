import { factory } from '../support/factory.js';
import { expectRefusal, expectScope } from '../support/refusals.js';
import { startFresh } from '../support/service.js';
import { type Answer, type TestService } from '../support/service-process.js';

const PATH = '/api/v1/events';

describe('corrections', () => {
  let service: TestService;
  let close: () => Promise<void>;

  const send = async (overrides: Record<string, unknown>): Promise<Answer> =>
    await service.post(
      PATH,
      factory.event({ time: new Date().toISOString(), subject: 'key-1', ...overrides }),
    );
  const usage = async (meter: string): Promise<string> => {
    const { body } = await service.get(
      `/api/v1/meters/${meter}/usage?from=2026-01-01T00:00:00Z&to=2100-01-01T00:00:00Z&customer=acme`,
    );
    return body.data[0]?.quantity ?? '0';
  };

  beforeAll(async () => {
    ({ service, close } = await startFresh());
    await service.post('/api/v1/customers', {
      ...{ key: 'acme', name: 'Acme', currency: 'usd', subjects: ['key-1'] },
    });
    await service.post('/api/v1/meters', {
      ...{ key: 'requests', name: 'Requests', event_type: 'api.request', aggregation: 'count' },
    });
  });

  afterAll(async () => {
    await close();
  });

  describe('POST /api/v1/events/void', () => {
    it('takes the event out of the count for good, and answers the same when asked again', async () => {
      const identity = { source: 'void', id: 'a' };
      await send(identity);
      await send({ ...identity, id: 'b' });
      const before = Number(await usage('requests'));
      const first = await service.post(`${PATH}/void`, { ...identity, reason: 'a load test' });
      expect(first).toMatchObject({
        status: 200,
        body: {
          ...identity,
          void_reason: 'a load test',
          voided_by: expect.stringMatching(/^key_/),
        },
      });
      const again = await service.post(`${PATH}/void`, { ...identity, reason: 'another' });
      expect(again).toMatchObject({ status: 200, body: first.body });
      expect(await send(identity)).toMatchObject({ body: { accepted: 0, duplicates: 1 } });
      expect(Number(await usage('requests'))).toBe(before - 1);
      const { body } = await service.get(`${PATH}?source=void`);
      expect(body.data).toMatchObject([
        { id: 'b', voided_at: null, void_reason: null, replacement: null },
        { id: 'a', voided_at: first.body.voided_at, void_reason: 'a load test' },
      ]);
    });

    it('knows no event that was never stored', async () => {
      const answer = await service.post(`${PATH}/void`, { source: 'x', id: 'y', reason: 'z' });
      expect(answer).toMatchObject({ status: 404, body: { code: 'not_found' } });
    });

    it.each([
      ['source', { source: undefined }, 'is_text'],
      ['source', { source: 'x'.repeat(257) }, 'is_text'],
      ['id', { id: 7 }, 'is_text'],
      ['id', { id: '\0' }, 'is_text'],
      ['reason', { reason: '' }, 'is_text'],
      ['reason', { reason: undefined }, 'is_text'],
      ['time', { time: '2026-11-10T00:00:00Z' }, 'unknown_field'],
    ])('names %s when it is wrong: %j', async (field, overrides, code) => {
      const body = { source: 'void', id: 'b', reason: 'r', ...overrides };
      expectRefusal(await service.post(`${PATH}/void`, body), field, code);
    });

    it('asks for the scope bill', async () => {
      const body = { source: 'void', id: 'b', reason: 'r' };
      await expectScope(
        service,
        'bill',
        async (key) => await service.request('POST', `${PATH}/void`, { key, body }),
      );
      expect((await service.get(`${PATH}?source=void`)).body.data[0].voided_at).toBeNull();
    });
  });
});
