import { factory } from '../support/factory.js';
import { expectRefusal, expectScope } from '../support/refusals.js';
import { startFresh } from '../support/service.js';
import { type Answer, type TestService } from '../support/service-process.js';

const WINDOW = 'from=2026-11-01T00:00:00Z&to=2026-12-01T00:00:00Z';

describe('GET /api/v1/meters/:id/usage', () => {
  let service: TestService;
  let close: () => Promise<void>;
  const usage = async (query: string, meter = 'requests'): Promise<Answer> =>
    await service.get(`/api/v1/meters/${meter}/usage?${query}`);

  beforeAll(async () => {
    ({ service, close } = await startFresh({ INGEST_MAX_AGE_SECONDS: '316000000' }));
    const subjects = ['key-1', 'key-2'];
    await service.post('/api/v1/customers', {
      ...{ key: 'acme', name: 'Acme', currency: 'usd', time_zone: 'Europe/Berlin', subjects },
    });
    await service.post('/api/v1/meters', {
      ...{ key: 'requests', name: 'R', event_type: 'api.request', aggregation: 'count' },
      group_by: { region: '$.region' },
    });
    const stored = await service.post('/api/v1/events', [
      factory.event({ time: '2026-11-02T23:30:00Z', data: { region: 'eu' } }),
      factory.event({ time: '2026-11-03T10:00:00Z', data: { region: 'us' } }),
      factory.event({ time: '2026-11-03T10:00:00Z', subject: 'key-2', data: {} }),
      factory.event({ time: '2026-11-03T10:00:00Z', subject: 'nobodys' }),
    ]);
    expect(stored.body).toMatchObject({ accepted: 4 });
  });

  afterAll(async () => {
    await close();
  });

  it.each([
    ['from', 'to=2026-12-01T00:00:00Z', 'is_instant'],
    ['to', 'from=2026-12-01T00:00:00Z', 'is_instant'],
    ['from', 'from=2026-11-01&to=2026-12-01T00:00:00Z', 'is_instant'],
    // An unescaped plus is a space.
    ['from', 'from=2026-11-01T00:00:00+01:00&to=2026-12-01T00:00:00Z', 'is_instant'],
    ['from', 'from=0001-01-01T00:00:00%2B01:00&to=2026-12-01T00:00:00Z', 'is_instant'],
    ['from', `${WINDOW}&from=2026-11-01T00:00:00Z`, 'is_instant'],
    ['to', 'from=2026-12-01T00:00:00Z&to=2026-12-01T00:00:00Z', 'is_after'],
    ['to', 'from=2026-12-01T00:00:00Z&to=2026-11-01T00:00:00Z', 'is_after'],
    ['customer', `${WINDOW}&customer=nobody`, 'not_found'],
    ['customer', `${WINDOW}&customer=`, 'is_text'],
    ['customer', `${WINDOW}&customer[a]=b`, 'is_text'],
    ['subject', `${WINDOW}&subject=${'x'.repeat(257)}`, 'is_text'],
    ['subject', `${WINDOW}&customer=acme&subject=key-1`, 'is_exclusive'],
    ['window', `${WINDOW}&window=year`, 'is_in'],
    ['window', 'from=2020-01-01T00:00:00Z&to=2026-12-01T00:00:00Z&window=hour', 'too_many'],
    ['time_zone', `${WINDOW}&window=day&time_zone=Mars/Olympus`, 'is_time_zone'],
    ['time_zone', `${WINDOW}&window=day&time_zone=%2B01:00`, 'is_time_zone'],
    ['group_by', `${WINDOW}&group_by=country`, 'unknown_group'],
    ['group_by', `${WINDOW}&group_by=region,region`, 'array_unique'],
    ['group_by', `${WINDOW}&group_by=`, 'unknown_group'],
    ['filter[country]', `${WINDOW}&filter[country]=de`, 'unknown_group'],
    ['filter', `${WINDOW}&filter=eu`, 'is_group_filter'],
    ['filter', `${WINDOW}${'&filter[region]=eu'.repeat(21)}`, 'is_group_filter'],
    ['filter', `${WINDOW}&filter[region][a]=eu`, 'is_group_filter'],
    ['filter[country]', `${WINDOW}&missing=country`, 'unknown_group'],
    ['missing', `${WINDOW}&missing=region,region`, 'array_unique'],
    ['by', `${WINDOW}&by=group`, 'is_in'],
    ['by', `${WINDOW}&subject=key-1&by=subject`, 'is_exclusive'],
    ['surprise', `${WINDOW}&surprise=1`, 'unknown_field'],
  ])('names %s when it is wrong: %s', async (field, query, code) => {
    expectRefusal(await usage(query), field, code);
  });

  it('answers 404 for a meter that does not exist', async () => {
    expect(await usage(WINDOW, 'nobody')).toMatchObject({
      status: 404,
      body: { code: 'not_found' },
    });
  });

  it('asks for the scope read', async () => {
    await expectScope(
      service,
      'read',
      async (key) =>
        await service.request('GET', `/api/v1/meters/requests/usage?${WINDOW}`, { key }),
    );
  });

  it('counts each customer on its own, and nobody for subjects that nobody owns', async () => {
    const answer = await usage(WINDOW);
    expect(answer.body).toEqual({
      meter: 'requests',
      data: [
        {
          window_start: '2026-11-01T00:00:00Z',
          window_end: '2026-12-01T00:00:00Z',
          customer: 'acme',
          subject: null,
          group: {},
          quantity: '3',
        },
      ],
    });
    const ofSubject = await usage(`${WINDOW}&subject=nobodys`);
    expect(ofSubject.body.data).toMatchObject([
      { customer: null, subject: 'nobodys', quantity: '1' },
    ]);
  });

  it('counts by subject, each with its owner, or everything that customers own as one', async () => {
    const shown = (answer: Answer): unknown[] =>
      answer.body.data.map((row: Record<string, string>) => [
        row['customer'],
        row['subject'],
        row['quantity'],
      ]);
    expect(shown(await usage(`${WINDOW}&by=subject`))).toEqual([
      ['acme', 'key-1', '2'],
      ['acme', 'key-2', '1'],
    ]);
    expect(shown(await usage(`${WINDOW}&by=total`))).toEqual([[null, null, '3']]);
  });

  it("cuts days by the customer's own clock, or by the one that is asked for", async () => {
    const own = await usage(`${WINDOW}&customer=acme&window=day`);
    expect(own.body.data).toMatchObject([
      {
        window_start: '2026-11-03T00:00:00+01:00',
        window_end: '2026-11-04T00:00:00+01:00',
        quantity: '3',
      },
    ]);
    const utc = await usage(`${WINDOW}&customer=acme&window=day&time_zone=UTC`);
    expect(utc.body.data.map((row: { quantity: string }) => row.quantity)).toEqual(['1', '2']);
  });

  it('splits by groups and filters by them', async () => {
    const split = await usage(`${WINDOW}&customer=acme&group_by=region`);
    expect(
      split.body.data.map((row: { group: object; quantity: string }) => [row.group, row.quantity]),
    ).toEqual([
      [{ region: 'eu' }, '1'],
      [{ region: 'us' }, '1'],
      [{ region: null }, '1'],
    ]);
    const filtered = await usage(`${WINDOW}&customer=acme&filter[region]=eu`);
    expect(filtered.body.data).toMatchObject([{ quantity: '1' }]);
    const of = async (filter: string): Promise<string | undefined> =>
      (await usage(`${WINDOW}&customer=acme&${filter}`)).body.data[0]?.quantity;
    expect(await of('filter[region]=eu&filter[region]=us')).toBe('2');
    expect(await of('filter[region]=eu,us')).toBeUndefined();
    expect(await of('missing=region')).toBe('1');
    expect(await of('missing=region&filter[region]=eu')).toBe('2');
    expect(await of('filter[region]=')).toBeUndefined();
  });

  it('tells subjects and groups as they are, whatever characters they have', async () => {
    const hostile = ['"', '\\', '\n', '\u2028', '"},{"', '</script>', 'ä', '\ud83d\ude00', 'null'];
    const subjects = hostile.map((text) => `subject ${text.replaceAll('\n', ' ')}`);
    await service.post('/api/v1/customers', {
      ...{ key: 'hostile', name: 'Hostile', currency: 'usd', subjects },
    });
    await service.post('/api/v1/meters', {
      ...{ key: 'hostile', name: 'H', event_type: 'hostile', aggregation: 'count' },
      group_by: { one: '$.one', other: '$.other' },
    });
    const time = '2026-11-03T10:00:00Z';
    const events = hostile.map((one, index) => ({
      ...factory.event({ time, type: 'hostile', subject: subjects[index], data: { one } }),
    }));
    expect((await service.post('/api/v1/events', events)).body).toMatchObject({
      accepted: hostile.length,
    });
    const query = `${WINDOW}&customer=hostile&by=subject&group_by=other,one`;
    const { data } = (await usage(query, 'hostile')).body as { data: unknown[] };
    expect(data).toHaveLength(hostile.length);
    expect(data).toEqual(
      expect.arrayContaining(
        hostile.map((one, index) => ({
          window_start: '2026-11-01T00:00:00Z',
          window_end: '2026-12-01T00:00:00Z',
          customer: 'hostile',
          subject: subjects[index],
          group: { other: null, one },
          quantity: '1',
        })),
      ),
    );
  });

  it('takes a leap second for the end of its minute', async () => {
    const answer = await usage('from=2016-12-31T23:59:60Z&to=2026-12-01T00:00:00Z&customer=acme');
    expect(answer.body.data).toMatchObject([
      { window_start: '2017-01-01T00:59:59.999+01:00', quantity: '3' },
    ]);
  });

  it('is half-open', async () => {
    const at = async (from: string, to: string): Promise<string> =>
      (await usage(`customer=acme&from=${from}&to=${to}`)).body.data[0]?.quantity ?? '0';
    expect(await at('2026-11-03T10:00:00Z', '2026-11-03T10:00:01Z')).toBe('2');
    expect(await at('2026-11-03T09:00:00Z', '2026-11-03T10:00:00Z')).toBe('0');
  });

  it('answers very many rows as a few, in one piece of JSON', async () => {
    const startsAt = Date.parse('2026-10-01T00:00:00Z');
    const hour = (index: number): string => new Date(startsAt + index * 3_600_000).toISOString();
    await service.post('/api/v1/meters', {
      ...{ key: 'hours', name: 'H', event_type: 'hour', aggregation: 'sum', value_property: '$.v' },
      counts_from: hour(0),
    });
    const events = Array.from({ length: 601 }, (_, index) =>
      factory.event({ type: 'hour', subject: 'key-1', time: hour(index), data: { v: index } }),
    );
    expect((await service.post('/api/v1/events', events)).body).toMatchObject({ accepted: 601 });
    const asked = [0, 1, 299, 300, 301, 600, 601];
    const rowsOf = async (count: number): Promise<unknown[]> => {
      const window = `from=${hour(-1)}&to=${hour(count)}`;
      const { body } = await usage(`${window}&window=hour&customer=acme`, 'hours');
      return body.data.map((row: Record<string, string>) => [row['window_start'], row['quantity']]);
    };
    for (const count of asked) {
      const expected = events.slice(0, count).map(({ time }, index) => [time, String(index)]);
      const found = (await rowsOf(count)) as [string, string][];
      expect(found.map(([start, quantity]) => [new Date(start).toISOString(), quantity])).toEqual(
        expected,
      );
    }
  });

  it('answers for very many subjects of all customers in their order', async () => {
    const time = '2026-09-02T10:00:00Z';
    const customers = ['few', 'many', 'more'].map((key, index) => ({
      ...{ key, name: key, currency: 'usd' },
      subjects: Array.from({ length: [20, 300, 290][index] ?? 0 }, (_, at) => `${key} ${at}`),
    }));
    for (const customer of customers) {
      await service.post('/api/v1/customers', customer);
    }
    const events = customers.flatMap(({ subjects }) =>
      subjects.flatMap((subject, index) =>
        ['eu', 'us'].slice(0, 1 + (index % 2)).map((region) => ({ subject, region })),
      ),
    );
    const stored = await service.post(
      '/api/v1/events',
      events.map(({ subject, region }) => factory.event({ subject, time, data: { region } })),
    );
    expect(stored.body).toMatchObject({ accepted: 915 });
    const window = 'from=2026-09-01T00:00:00Z&to=2026-10-01T00:00:00Z';
    const { body } = await usage(`${window}&window=day&by=subject&group_by=region`);
    // Ids are in the order in which customers were made.
    const expected = customers.flatMap(({ key, subjects }) =>
      subjects
        .toSorted()
        .flatMap((subject) =>
          events
            .filter((event) => event.subject === subject)
            .map(({ region }) => [key, subject, region, '1']),
        ),
    );
    expect(
      body.data.map((row: Record<string, unknown>) => [
        row['customer'],
        row['subject'],
        (row['group'] as Record<string, string>)['region'],
        row['quantity'],
      ]),
    ).toEqual(expected);
  });
});
