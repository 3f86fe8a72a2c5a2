/*
 * Aim: a gateway loses nothing while the database restarts, and its token is in no line of the log.
 * Method: PostgreSQL is stopped under the service, and records are sent meanwhile.
 */
import {
  createRestartablePostgres,
  type RestartablePostgres,
} from '../support/restartable-postgres.js';
import { type Answer, startService, type TestService } from '../support/service-process.js';

const PATH = '/api/v1/sources';
/** One that nobody has sent with before, so that it must be looked up. */
const UNKNOWN_TOKEN = `mlk_${'f'.repeat(64)}`;

describe('a database that is away', () => {
  let postgres: RestartablePostgres;
  let service: TestService | undefined;

  beforeAll(async () => {
    postgres = await createRestartablePostgres();
  });

  afterAll(async () => {
    await service?.kill('SIGKILL');
    await postgres.remove();
  });

  it('is waited for by a known token, and tells no token in the log', async () => {
    const started = await startService(postgres.url, {
      ...{ LOG_LEVEL: 'debug', INGEST_MAX_WAIT_MS: '30000' },
    });
    service = started;
    const { body: created } = await started.post(PATH, {
      ...{ key: 'gw', name: 'Gateway', format: 'json', token_in: { query: 'token' } },
    });
    expect(created).toMatchObject({ key: 'gw' });
    const { token } = (await started.post(`${PATH}/gw/tokens`, { name: 'n' })).body;
    const send = async (id: string, as: string): Promise<Answer> =>
      await started.request('POST', `${PATH}/gw/events?token=${as}`, {
        key: null,
        body: { id, subject: 's' },
      });
    expect(await send('before', token)).toMatchObject({ status: 200, body: { accepted: 1 } });

    await postgres.stop('SIGINT');
    const waiting = send('meanwhile', token);
    expect(await send('x', UNKNOWN_TOKEN)).toMatchObject({
      status: 503,
      body: { code: 'unavailable' },
    });
    await postgres.start();
    expect(await waiting).toMatchObject({ status: 200, body: { accepted: 1 } });

    const log = JSON.stringify(started.log);
    expect(log).toContain('database.away');
    expect(log).not.toContain(token);
    expect(log).not.toContain(UNKNOWN_TOKEN);
  });
});
