import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { type TestDatabase } from '../support/database.js';
import { factory } from '../support/factory.js';
import { expectRefusal, expectScope } from '../support/refusals.js';
import {
  ADMIN_KEY,
  type Answer,
  eventually,
  type TestService,
} from '../support/service-process.js';
import { startFresh } from '../support/service.js';

const EXPORT = '/api/v1/usage/export';
const WINDOW = 'from=2026-11-01T00:00:00Z&to=2026-12-01T00:00:00Z';
const SUBJECT_COUNT = 400;
const HOUR_COUNT = 50;
/**
 * 30 MB of rows each. The sockets of loopback hold up to 36 MB before anybody reads: 4 to send, and as
 * many to receive as `net.ipv4.tcp_rmem` lets grow, 32 on newer systems.
 */
const WIDE_METERS = Array.from({ length: 4 }, (_, index) => `wide_${index}`);
const WIDE_GROUPS = ['a', 'b', 'c', 'd', 'e'];
const NOTE = 'x'.repeat(250);

describe('GET /api/v1/usage/export', () => {
  let service: TestService;
  let db: TestDatabase;
  let close: () => Promise<void>;
  const ask = async (query: string, accept?: string): Promise<Answer> =>
    await service.request('GET', `${EXPORT}?${query}`, {
      ...(accept !== undefined && { headers: { accept } }),
    });

  beforeAll(async () => {
    ({ service, db, close } = await startFresh({ INGEST_MAX_AGE_SECONDS: '316000000' }));
    const subjects = Array.from({ length: SUBJECT_COUNT }, (_, index) => `=key-${index}`);
    const acme = { key: 'acme', name: 'Acme', currency: 'usd', time_zone: 'Europe/Berlin' };
    await service.post('/api/v1/customers', { ...acme, subjects });
    const meter = { name: 'R', event_type: 'api.request', aggregation: 'count', unit: 'requests' };
    const requests = { ...meter, key: 'requests', group_by: { region: '$.region' } };
    await service.post('/api/v1/meters', requests);
    const wide = Object.fromEntries(WIDE_GROUPS.map((group) => [group, '$.note']));
    for (const key of WIDE_METERS) {
      await service.post('/api/v1/meters', { ...meter, key, group_by: wide });
    }
    const hour = (index: number): string =>
      new Date(Date.UTC(2026, 10, 2, index)).toISOString().replace('.000', '');
    for (let index = 0; index < HOUR_COUNT; index += 1) {
      const events = subjects.map((subject) =>
        factory.event({ subject, time: hour(index), data: { region: 'eu', note: NOTE } }),
      );
      const stored = await service.post('/api/v1/events', events);
      expect(stored.body).toMatchObject({ accepted: SUBJECT_COUNT });
    }
  });

  afterAll(async () => {
    await close();
  });

  it.each([
    ['from', 'to=2026-12-01T00:00:00Z', 'is_instant'],
    ['to', 'from=2026-12-01T00:00:00Z&to=2026-12-01T00:00:00Z', 'is_after'],
    ['meter', `${WINDOW}&meter=nothing`, 'not_found'],
    ['meter', `${WINDOW}&meter=requests,requests`, 'array_unique'],
    ['customer', `${WINDOW}&customer=nobody`, 'not_found'],
    ['window', `${WINDOW}&window=year`, 'is_in'],
    ['window', 'from=2000-01-01T00:00:00Z&to=2026-12-01T00:00:00Z&window=hour', 'too_many'],
    ['time_zone', `${WINDOW}&time_zone=Mars/Olympus`, 'is_time_zone'],
    ['by', `${WINDOW}&by=group`, 'is_in'],
    ['group_by', `${WINDOW}&group_by=country`, 'unknown_group'],
    ['format', `${WINDOW}&format=xls`, 'is_in'],
    ['surprise', `${WINDOW}&surprise=1`, 'unknown_field'],
  ])('names %s when it is wrong: %s', async (field, query, code) => {
    expectRefusal(await ask(query), field, code);
  });

  it('asks for the scope read', async () => {
    await expectScope(
      service,
      'read',
      async (key) => await service.request('GET', `${EXPORT}?${WINDOW}`, { key }),
    );
  });

  it('writes lines of JSON, or CSV for Accept or format', async () => {
    const query = `${WINDOW}&meter=requests&customer=acme&group_by=region`;
    const json = await ask(query);
    expect(json.headers.get('content-type')).toBe('application/x-ndjson');
    expect(json.body).toEqual({
      ...{ meter: 'requests', customer: 'acme', subject: null, group: { region: 'eu' } },
      ...{ window_start: '2026-11-01T01:00:00+01:00', window_end: '2026-12-01T01:00:00+01:00' },
      ...{ quantity: String(SUBJECT_COUNT * HOUR_COUNT), unit: 'requests' },
    });
    const csv = await ask(query, 'text/csv');
    expect(csv.headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
    expect(csv.body).toBe(
      'meter,customer,subject,window_start,window_end,group_region,quantity,unit\r\n' +
        'requests,acme,,2026-11-01T01:00:00+01:00,2026-12-01T01:00:00+01:00,eu,20000,requests\r\n',
    );
    expect((await ask(`${query}&format=csv`, 'application/x-ndjson')).body).toBe(csv.body);
  });

  it('is a header, or nothing, when there was no usage', async () => {
    const query = 'from=2020-11-01T00:00:00Z&to=2020-12-01T00:00:00Z&meter=requests';
    expect(await ask(query)).toMatchObject({ status: 200, body: '' });
    const csv = await ask(`${query}&format=csv`);
    expect(csv.body).toBe('meter,customer,subject,window_start,window_end,quantity,unit\r\n');
  });

  it('has every row of a long one, and no cell that a spreadsheet would run', async () => {
    const { body } = await ask(`${WINDOW}&meter=requests&by=subject&window=hour&format=csv`);
    const lines = String(body).split('\r\n').slice(1, -1);
    expect(lines).toHaveLength(SUBJECT_COUNT * HOUR_COUNT);
    expect(new Set(lines).size).toBe(SUBJECT_COUNT * HOUR_COUNT);
    expect(lines.every((line) => line.startsWith("requests,acme,'=key-"))).toBe(true);
  });

  /** A long answer of which nothing is read yet. */
  const begin = async (): Promise<IncomingMessage> => {
    const wide = `meter=${WIDE_METERS.join(',')}&group_by=${WIDE_GROUPS.join(',')}`;
    const query = `${WINDOW}&by=subject&window=hour&${wide}`;
    const headers = { authorization: `Bearer ${ADMIN_KEY}` };
    const asked = httpRequest(`${service.url}${EXPORT}?${query}`, { headers });
    asked.end();
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    // Both tell of a reset; tests look at how the answer ended.
    asked.on('error', () => undefined);
    answer.on('error', () => undefined);
    return answer;
  };
  const sessions = async (): Promise<{ pid: number }[]> =>
    await db.database.query(
      `SELECT pid FROM pg_stat_activity
       WHERE datname = current_database() AND query LIKE 'FETCH%' AND state LIKE '%transaction%'`,
    );

  it('waits for its reader, and lets go of the database when the reader hangs up', async () => {
    const answer = await begin();
    await eventually(async () => (await sessions()).length === 1);
    answer.destroy();
    await eventually(async () => (await sessions()).length === 0);
  });

  it('is cut off when it fails in the middle, and never looks complete', async () => {
    const answer = await begin();
    const [session] = await eventually(async () => {
      const found = await sessions();
      return found.length === 1 ? found : null;
    });
    await db.database.query('SELECT pg_terminate_backend($1)', [session?.pid]);
    const closed = new Promise((resolve) => answer.once('close', resolve));
    answer.resume();
    await closed;
    expect(answer.complete).toBe(false);
    expect((await ask(`${WINDOW}&meter=requests`)).status).toBe(200);
  });
});
