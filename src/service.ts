/* Puts the process together: database, migrations, Nest application, first key; and takes it down in the reverse order. */
import { once } from 'node:events';
import { NestFactory } from '@nestjs/core';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { API_CONTENTS } from './api-sections.js';
import { AppModule } from './app.module.js';
import { ApiKeysService } from './platform/access/api-keys.service.js';
import { type Config } from './platform/config.js';
import { createDataSource, migrate, whyUnusable } from './platform/database/data-source.js';
import { openEmbeddedPostgres } from './platform/database/embedded-postgres.js';
import { PlannedConnections } from './platform/database/planned-connections.js';
import { guardPostgres } from './platform/database/postgres-guard.js';
import { createAdapter, setUpHttp } from './platform/http/server.js';
import { type Log } from './platform/log.js';
import { type PlatformOptions } from './platform/platform.module.js';
import { StartError } from './platform/start-error.js';

interface OpenDatabase {
  readonly url: string;
  /** Rejects when the database cannot be had any more. */
  readonly lost: Promise<void>;
}

/**
 * Starts everything and serves until the signal; then lets requests and work under way end, and
 * closes everything. However it ends, also in the middle of the start, nothing is left running.
 *
 * @throws StartError when it cannot start, or cannot go on, for a reason that a person can mend
 */
export async function runService(config: Config, log: Log, signal: AbortSignal): Promise<void> {
  const running = new Running(log);
  try {
    const database = await openDatabase(config, log, running);
    signal.throwIfAborted();
    const dataSource = await connect(config, log, database.url);
    running.add(async () => {
      await dataSource.destroy();
    });
    const planned = await PlannedConnections.open(database.url);
    running.add(async () => {
      await planned.close();
    });
    signal.throwIfAborted();
    await serve({ config, log, dataSource, planned, databaseUrl: database.url }, running);
    await Promise.race([aborted(signal), database.lost]);
    log.event('service.stopping', { signal: signal.reason });
  } catch (error) {
    if (!signal.aborted) {
      throw error;
    }
  } finally {
    await running.close();
  }
}

/** What has been opened so far. */
class Running {
  private readonly closes: (() => Promise<void>)[] = [];

  constructor(private readonly log: Log) {}

  add(close: () => Promise<void>): void {
    this.closes.push(close);
  }

  /** Closes the last first, and each though another one fails. */
  async close(): Promise<void> {
    const faults: unknown[] = [];
    for (const close of this.closes.toReversed()) {
      await close().catch((error: unknown) => {
        this.log.problem('service.stop_failed', error);
        faults.push(error);
      });
    }
    if (faults.length > 0) {
      throw new AggregateError(faults, 'The service could not close everything');
    }
    this.log.event('service.stopped');
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) {
    await once(signal, 'abort');
  }
}

async function openDatabase(config: Config, log: Log, running: Running): Promise<OpenDatabase> {
  if (config.databaseUrl !== undefined) {
    return { url: config.databaseUrl, lost: new Promise(() => undefined) };
  }
  const postgres = await openEmbeddedPostgres({ dataDir: config.dataDir });
  running.add(async () => {
    await postgres.stop();
  });
  const guard = guardPostgres(postgres, log);
  running.add(async () => {
    await guard.stop();
  });
  return { url: postgres.url, lost: guard.lost };
}

async function connect(
  config: Config,
  log: Log,
  url: string,
): Promise<PlatformOptions['dataSource']> {
  try {
    const migrations = await migrate(url);
    log.event('database.ready', { migrations: migrations.length });
    return await createDataSource(url).initialize();
  } catch (error) {
    throw config.databaseUrl === undefined ? error : whyUnusable(error);
  }
}

async function serve(options: PlatformOptions, running: Running): Promise<void> {
  const { config, log } = options;
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.with(options),
    createAdapter(config),
    { logger: log, abortOnError: false, bodyParser: false },
  );
  running.add(await setUpHttp(app, config, API_CONTENTS));
  const token = await app.get(ApiKeysService).ensureAdmin(config.adminKey);
  if (token !== null) {
    process.stderr.write(`\nThe first admin key, shown this once: ${token}\n\n`);
  }
  await app.init();
  log.event('service.started', { url: await listen(app, config), role: config.role });
}

/** Fastify's own `listen`: Nest's would log a fault that is told in plain words here. */
async function listen(app: NestFastifyApplication, { host, port }: Config): Promise<string> {
  try {
    return await app.getHttpAdapter().getInstance().listen({ port, host });
  } catch (error) {
    throw cannotListen(host, port, error);
  }
}

function cannotListen(host: string, port: number, error: unknown): unknown {
  const { syscall, code } = error as NodeJS.ErrnoException;
  if (syscall !== 'listen' && syscall !== 'getaddrinfo') {
    return error;
  }
  const why = code === 'EADDRINUSE' ? 'another program listens there' : String(code);
  return new StartError(
    `Meterline cannot listen on port ${port} of ${host}: ${why}. ` +
      'Stop what is there, or set another, such as PORT=3001.',
    { cause: error },
  );
}
