import 'reflect-metadata';
import { startService } from './service.js';
import { ConfigError, readConfig } from './platform/config.js';
import { Log } from './platform/log.js';

try {
  const config = readConfig(process.env);
  const log = new Log(config.logLevel);
  const service = await startService(config, log);
  const stop = (signal: string): void => {
    log.event('service.stopping', { signal });
    service.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.problem('service.stop_failed', error);
        process.exit(1);
      },
    );
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
} catch (error) {
  const isExpected = error instanceof ConfigError;
  process.stderr.write(`${isExpected ? error.message : String((error as Error).stack)}\n`);
  process.exit(1);
}
