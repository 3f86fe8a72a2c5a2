#!/usr/bin/env node
/* The command line: what an operator does with a running service, from wherever it can be reached. */
import { performance } from 'node:perf_hooks';
import { runImport } from './import/run-import.js';
import { readConfig } from './platform/config.js';
import { SystemClock } from './platform/system-clock.js';

const USAGE = `Usage: meterline COMMAND

  import FILE… --source KEY    imports logs into a source; see: meterline import --help
`;

function ingestRules(env: NodeJS.ProcessEnv): { maxAgeSeconds: number; maxAheadSeconds: number } {
  const names = ['INGEST_MAX_AGE_SECONDS', 'INGEST_MAX_AHEAD_SECONDS'];
  return readConfig(Object.fromEntries(names.map((name) => [name, env[name]]))).ingest;
}

async function run(): Promise<number> {
  const [command, ...args] = process.argv.slice(2);
  if (command === '--help' || command === '-h') {
    process.stdout.write(USAGE);
    return 0;
  }
  if (command !== 'import') {
    process.stderr.write(USAGE);
    return 1;
  }
  const { env } = process;
  const interruption = new AbortController();
  // The first time only: who asks again is not kept waiting.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      interruption.abort();
    });
  }
  return await runImport(args, {
    interruption: interruption.signal,
    // npm runs a script where package.json is; paths are meant from where npm was called.
    directory: (env['npm_lifecycle_event'] === 'import' ? env['INIT_CWD'] : null) ?? process.cwd(),
    url: env['METERLINE_URL'],
    key: env['METERLINE_API_KEY'],
    rules: () => ({ now: new SystemClock().now(), ...ingestRules(env) }),
    out: process.stdout,
    err: process.stderr,
    elapsedMs: () => performance.now(),
  });
}

process.exitCode = await run();
