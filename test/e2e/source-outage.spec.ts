/*
 * Aim: a gateway loses nothing while the database restarts, and its token is in no line of the log.
 * Method: PostgreSQL is stopped under the service, and records are sent meanwhile, also by the
 * exporters of OpenTelemetry as they are, behind a proxy that notes what they are answered.
 */
import { OTLPLogExporter as HttpExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as ProtoExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { startLosingProxy } from '../support/losing-proxy.js';
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

  it.each([
    ['JSON', HttpExporter],
    ['protobuf', ProtoExporter],
  ])('is told to the OTLP exporter in %s with 503, which sends again', async (name, Exporter) => {
    const key = `otlp-${name.toLowerCase()}`;
    const impatient = await startService(postgres.url, { INGEST_MAX_WAIT_MS: '1' });
    const proxy = await startLosingProxy(impatient.url);
    const made = await impatient.post(PATH, { key, name, format: 'otlp-logs' });
    expect(made.status).toBe(201);
    const { token } = (await impatient.post(`${PATH}/${key}/tokens`, { name: 'n' })).body;
    const exporter = new Exporter({
      url: `${proxy.url}/v1/logs`,
      headers: { authorization: `Bearer ${token}` },
      timeoutMillis: 60_000,
    });
    const exportTimeoutMillis = 60_000;
    const provider = new LoggerProvider({
      processors: [new BatchLogRecordProcessor({ exporter, exportTimeoutMillis })],
    });
    const logger = provider.getLogger('lib');
    const emit = (id: string): void => {
      const attributes = { subject: 'acme', 'log.record.uid': id };
      logger.emit({ timestamp: new Date(), eventName: 'call', attributes });
    };
    try {
      emit('before');
      await provider.forceFlush();
      await postgres.stop('SIGKILL');
      emit('meanwhile');
      const flushed = provider.forceFlush();
      await eventually(async () => await Promise.resolve(proxy.statuses.includes(503)));
      await postgres.start();
      await flushed;
      expect(new Set(proxy.statuses)).toEqual(new Set([200, 503]));
      const stored = await eventually(async () => {
        const { body } = await impatient.get(`/api/v1/events?source=${key}`);
        return body.data?.length === 2 && body.data;
      });
      expect(stored).toMatchObject([{ id: 'meanwhile' }, { id: 'before' }]);
    } finally {
      await postgres.start();
      await provider.shutdown();
      proxy.close();
      await impatient.kill('SIGKILL');
    }
  });
});
