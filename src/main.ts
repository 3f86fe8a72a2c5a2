import 'reflect-metadata';
import { readConfig } from './platform/config.js';
import { Log } from './platform/log.js';
import { lastWords } from './platform/start-error.js';
import { runService } from './service.js';

/** Below the 30 s after which those who run containers kill; whatever has not ended by then is repeated anyway. */
const STOP_MS = 25_000;

const stopping = new AbortController();
let log: Log | null = null;

async function exit(code: number): Promise<never> {
  await log?.end();
  process.exit(code);
}

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
  // At any moment, also during the start; a terminal and npm may both send the same one.
  process.on(signal, () => {
    stopping.abort(signal);
    setTimeout(() => {
      process.stderr.write(`Meterline did not stop within ${STOP_MS} ms of ${signal}.\n`);
      void exit(1);
    }, STOP_MS).unref();
  });
}
try {
  const config = readConfig(process.env);
  log = new Log(config.logLevel);
  await runService(config, log, stopping.signal);
  await exit(0);
} catch (error) {
  process.stderr.write(`${lastWords(error)}\n`);
  await exit(1);
}
