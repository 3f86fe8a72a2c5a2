/* Puts the process together: database, migrations, Nest application, first key; and takes it down in the reverse order. */
import { NestFactory } from '@nestjs/core';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';
import { ApiKeysService } from './platform/access/api-keys.service.js';
import { type Config } from './platform/config.js';
import { createDataSource, migrate } from './platform/database/data-source.js';
import {
  openEmbeddedPostgres,
  type RunningPostgres,
} from './platform/database/embedded-postgres.js';
import { createAdapter, setUpHttp } from './platform/http/server.js';
import { type Log } from './platform/log.js';

export interface Service {
  readonly url: string;
  /** Lets requests and work under way end, then closes everything. */
  stop(): Promise<void>;
}

/** Starts everything and listens. */
export async function startService(config: Config, log: Log): Promise<Service> {
  const postgres = await openPostgres(config);
  const migrations = await migrate(postgres.url);
  log.event('database.ready', { migrations: migrations.length });
  const dataSource = await createDataSource(postgres.url).initialize();
  const module = AppModule.with({ config, log, dataSource, databaseUrl: postgres.url });
  const app = await NestFactory.create<NestFastifyApplication>(module, createAdapter(config), {
    logger: log,
    abortOnError: false,
    bodyParser: false,
  });
  const closeHttp = await setUpHttp(app);
  const token = await app.get(ApiKeysService).ensureAdmin(config.adminKey);
  if (token !== null) {
    process.stderr.write(`\nThe first admin key, shown this once: ${token}\n\n`);
  }
  await app.listen(config.port, config.host);
  const url = await app.getUrl();
  log.event('service.started', { url, role: config.role });
  return {
    url,
    stop: async () => {
      await closeHttp();
      await dataSource.destroy();
      await postgres.stop();
      log.event('service.stopped');
    },
  };
}

async function openPostgres(config: Config): Promise<RunningPostgres> {
  if (config.databaseUrl !== undefined) {
    return { url: config.databaseUrl, stop: async () => await Promise.resolve() };
  }
  return await openEmbeddedPostgres({ dataDir: config.dataDir });
}
