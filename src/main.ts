import 'reflect-metadata';
import { readConfig } from './platform/config.js';
import { Log } from './platform/log.js';
import { lastWords } from './platform/start-error.js';
import { runService } from './service.js';

const stopping = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
  // At any moment, also during the start; a terminal and npm may both send the same one.
  process.on(signal, () => {
    stopping.abort(signal);
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
