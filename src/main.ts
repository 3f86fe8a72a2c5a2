import 'reflect-metadata';
import { readConfig } from './platform/config.js';
import { Log } from './platform/log.js';
import { lastWords } from './platform/start-error.js';
import { runService } from './service.js';

/** Below the 30 s after which those who run containers kill; whatever has not ended by then is repeated anyway. */
const STOP_MS = 25_000;

const stopping = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
  // At any moment, also during the start; a terminal and npm may both send the same one.
  process.on(signal, () => {
    stopping.abort(signal);
    setTimeout(() => {
      process.stderr.write(`Meterline did not stop within ${STOP_MS} ms of ${signal}.\n`);
      process.exit(1);
    }, STOP_MS).unref();
  });
}
try {
  const config = readConfig(process.env);
  await runService(config, new Log(config.logLevel), stopping.signal);
  process.exit(0);
} catch (error) {
  process.stderr.write(`${lastWords(error)}\n`);
  process.exit(1);
}
