/*
 * npm run bench [-- --quick] [SECTION…]: how fast usage events are stored over HTTP, as ratios to what
 * PostgreSQL itself can store and to the same HTTP server without storing, all in this run, round about
 * each other. Starts its own database and services, prints, and leaves nothing behind.
 * docs/benchmarks.md says what each figure means.
 */
import { constants, cpus, loadavg, totalmem } from 'node:os';
import path from 'node:path';
import { interruption } from '../support/interruption.js';
import { Mistake } from '../support/mistake.js';
import { Bench } from './bench.js';
import { type BenchOptions, readOptions } from './options.js';
import { profileScenario } from './profile.js';
import { Report } from './report.js';
import { closing } from './sections/closing.js';
import { http } from './sections/http.js';
import { lag } from './sections/lag.js';
import { large } from './sections/large.js';
import { latency } from './sections/latency.js';
import { memory } from './sections/memory.js';
import { reads } from './sections/reads.js';
import { requests } from './sections/requests.js';
import { type Section } from './sections/section.js';
import { webhooks } from './sections/webhooks.js';
import { thresholds } from './sections/thresholds.js';
import { connections, duplicates, formats, meters, sizes, subjects } from './sections/shapes.js';

const SECTIONS: readonly Section[] = [
  requests,
  http,
  latency,
  lag,
  connections,
  formats,
  duplicates,
  meters,
  subjects,
  sizes,
  large,
  reads,
  webhooks,
  thresholds,
  closing,
  // The last one, since it tells which of all services has used most memory.
  memory,
];
const GIGABYTE = 1_073_741_824;

/** A path is meant from where npm was called. */
const fromCaller = (file: string): string => path.resolve(process.env['INIT_CWD'] ?? '.', file);

async function runSections(bench: Bench, options: BenchOptions): Promise<void> {
  const { report } = bench;
  for (const section of SECTIONS.filter(({ name }) => options.sections.includes(name))) {
    await section.run(bench);
  }
  const missed = report.aims.flatMap(({ isMet, scenario }) =>
    isMet || scenario === null ? [] : [scenario],
  );
  const directory =
    options.profileDir === null
      ? path.join(bench.directory, 'profiles')
      : fromCaller(options.profileDir);
  for (const scenario of new Set(missed)) {
    await profileScenario(bench, scenario, directory);
  }
  if (report.aims.length > 0) {
    report.printAims();
  }
}

/** Answers the exit code: 0 also when aims are missed, since a busy machine misses them. */
async function run(): Promise<number> {
  const options = readOptions(
    process.argv.slice(2),
    SECTIONS.map(({ name }) => name),
    SECTIONS.filter(({ isSlow }) => isSlow === true).map(({ name }) => name),
  );
  const machine = {
    startedAt: new Date().toISOString(),
    cores: cpus().length,
    processor: cpus()[0]?.model ?? 'unknown',
    memoryGigabytes: Math.round(totalmem() / GIGABYTE),
    node: process.version,
    loadBefore: loadavg()[0] ?? 0,
    isQuick: options.isQuick,
  };
  const report = new Report(machine, (line) => process.stdout.write(`${line}\n`));
  const stopping = new AbortController();
  const interrupted = interruption('bench');
  void interrupted.then((signal) => {
    stopping.abort(signal);
  });
  // Nobody reads on: `npm run bench | head` must not go on for minutes.
  process.stdout.on('error', () => {
    stopping.abort('SIGPIPE');
  });
  report.say(
    `${machine.cores} cores (${machine.processor}), ${machine.memoryGigabytes} GB, Node ${machine.node}; ` +
      `load before ${machine.loadBefore.toFixed(1)}${options.isQuick ? '; quick, so noisy' : ''}`,
  );
  try {
    await Bench.run(report, options.isQuick, stopping.signal, async (bench) => {
      await runSections(bench, options);
      if (options.jsonFile !== null) {
        await report.writeJson(fromCaller(options.jsonFile));
      }
    });
    return 0;
  } catch (error) {
    if (!stopping.signal.aborted) {
      throw error;
    }
    const signal = stopping.signal.reason as keyof typeof constants.signals;
    process.stderr.write(`Interrupted by ${signal}.\n`);
    return 128 + constants.signals[signal];
  }
}

try {
  process.exitCode = await run();
} catch (error) {
  const words = error instanceof Mistake ? error.message : String((error as Error).stack);
  process.stderr.write(`${words}\n`);
  process.exitCode = 1;
} finally {
  process.exit();
}
