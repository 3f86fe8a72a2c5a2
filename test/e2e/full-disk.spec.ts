/*
 * Aim: a database that answers but cannot store is an outage like any other: senders wait, then are
 * told to come again; nothing is answered 500, nothing is lost, and it ends by itself.
 * Method: PostgreSQL's own refusals, from files on a device that is full, and from connections that
 * may only read, as they are to a server that has been replaced by another one. The full device,
 * /dev/full, is Linux's: elsewhere the first test fails, since no other disk can be filled without rights.
 */
import { Client } from 'pg';
import { migrate } from '../../src/platform/database/data-source.js';
import { factory } from '../support/factory.js';
import { fillDisk } from '../support/full-disk.js';
import {
  createRestartablePostgres,
  type RestartablePostgres,
} from '../support/restartable-postgres.js';
import {
  type Answer,
  eventually,
  startService,
  type TestService,
} from '../support/service-process.js';

const logged = (service: TestService, name: string): Record<string, unknown>[] =>
  service.log.filter(({ event }) => event === name);

const usageOf = async (service: TestService): Promise<Answer> =>
  await service.get(
    '/api/v1/meters/requests/usage?subject=key-1&from=2026-01-01T00:00:00Z&to=2100-01-01T00:00:00Z',
  );

describe('a database that cannot store', () => {
  let postgres: RestartablePostgres;
  /** Waits for the database as long as the test takes. */
  let patient: TestService;
  let impatient: TestService;

  beforeAll(async () => {
    postgres = await createRestartablePostgres();
    await migrate(postgres.url);
    patient = await startService(postgres.url, { INGEST_MAX_WAIT_MS: '120000' });
    impatient = await startService(postgres.url, { INGEST_MAX_WAIT_MS: '1' });
  });

  afterAll(async () => {
    await patient.kill('SIGKILL');
    await impatient.kill('SIGKILL');
    await postgres.remove();
  });

  it('for a full disk is waited for, then said with 503, told once, and over when there is space', async () => {
    const meter = { key: 'requests', name: 'Requests', aggregation: 'count' };
    const made = await patient.post('/api/v1/meters', { ...meter, event_type: 'api.request' });
    expect(made.status).toBe(201);
    const makeSpace = await fillDisk(postgres.url, ['usage_event_keys', 'customers']);
    const events = Array.from({ length: 4 }, () =>
      factory.event({ time: new Date().toISOString() }),
    );
    const waiting = patient.post('/api/v1/events', events);
    // As long as it lasts, whoever comes is told the same.
    for (let time = 0; time < 5; time += 1) {
      for (const [path, body] of [
        ['events', events],
        ['customers', { key: 'acme', name: 'Acme', currency: 'usd' }],
      ] as const) {
        const answer = await impatient.post(`/api/v1/${path}`, body);
        expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable' } });
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
      }
    }
    expect(await usageOf(impatient)).toMatchObject({ status: 200, body: { data: [] } });
    for (const service of [patient, impatient]) {
      await eventually(
        async () => await Promise.resolve(logged(service, 'database.away').length > 0),
      );
      expect(logged(service, 'database.away')).toMatchObject([{ err: { code: '53100' } }]);
    }

    await makeSpace();
    expect(await waiting).toMatchObject({ status: 200, body: { accepted: events.length } });
    const again = await eventually(async () => {
      const answer = await impatient.post('/api/v1/events', events);
      return answer.status === 200 && answer;
    });
    expect(again.body).toMatchObject({ accepted: 0, duplicates: events.length });
    expect(await usageOf(impatient)).toMatchObject({ body: { data: [{ quantity: '4' }] } });
    for (const service of [patient, impatient]) {
      await eventually(
        async () => await Promise.resolve(logged(service, 'database.back').length > 0),
      );
      // Whatever met it is in no line of its own.
      const faults = service.log.filter(({ level }) => Number(level) >= 50);
      expect(new Set(faults.map(({ event }) => event))).toEqual(new Set(['database.away']));
    }
  });

  it('since it only reads is waited for, and found again by new connections', async () => {
    const { pathname } = new URL(postgres.url);
    const client = new Client({ connectionString: postgres.url });
    await client.connect();
    // Apart from each other: whoever connects again must find it set.
    await client.query(
      `ALTER DATABASE ${pathname.slice(1)} SET default_transaction_read_only = on`,
    );
    await client.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'meterline'`,
    );
    const events = [factory.event({ time: new Date().toISOString() })];
    const waiting = patient.post('/api/v1/events', events);
    for (let time = 0; time < 5; time += 1) {
      const refused = await impatient.post('/api/v1/events', events);
      expect(refused).toMatchObject({ status: 503, body: { code: 'unavailable' } });
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    await client.query(`ALTER DATABASE ${pathname.slice(1)} RESET default_transaction_read_only`);
    await client.end();
    expect(await waiting).toMatchObject({ status: 200, body: { accepted: 1 } });
    await eventually(async () => (await impatient.post('/api/v1/events', events)).status === 200);
  });
});
