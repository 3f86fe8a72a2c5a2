/*
 * What all sections stand on: one PostgreSQL, the load generator, and services, each on a database
 * that is dropped with it.
 */
import { fileURLToPath } from 'node:url';
import { startProgram, stopPrograms } from '../support/programs.js';
import { type EventSet, type EventShape } from './events/usage-events.js';
import { LoadGenerator } from './load/load-generator.js';
import { type Report } from './report.js';
import { createDatabase, dropDatabase } from './service/database.js';
import { Meterline, type MeterlineOptions } from './service/meterline.js';
import { type BenchPostgres } from './service/postgres.js';
import { residentBytes } from './service/proc.js';

const POSTGRES = fileURLToPath(new URL('service/postgres.ts', import.meta.url));
const ROUNDS = 3;
const QUICK_ROUNDS = 1;
/** A quick run has a fifth of the events; the figures are noisy, what they come from is the same. */
const QUICK_DIVISOR = 5;

export interface Peak {
  readonly bytes: number;
  /** What was measured when a service used most memory. */
  readonly during: string;
}

export class Bench {
  /** The most memory that any service used so far; null where nobody tells. */
  peak: Peak | null = null;
  private serial = 0;

  private constructor(
    readonly report: Report,
    readonly isQuick: boolean,
    readonly load: LoadGenerator,
    readonly postgresUrl: string,
    readonly postgresPid: number,
    /** For files that nobody needs afterwards. */
    readonly directory: string,
  ) {}

  /** Opens everything, runs the body, and closes everything, also when the signal aborts it. */
  static async run(
    report: Report,
    isQuick: boolean,
    stopped: AbortSignal,
    body: (bench: Bench) => Promise<void>,
  ): Promise<void> {
    try {
      const { url: ready } = await startProgram(
        'PostgreSQL',
        ['--import', 'tsx', POSTGRES],
        process.env['TMPDIR'] === undefined ? {} : { TMPDIR: process.env['TMPDIR'] },
        (line) => line['ready'],
      );
      const { url, pid, directory } = JSON.parse(ready) as BenchPostgres;
      const load = await LoadGenerator.start();
      stopped.throwIfAborted();
      const bench = new Bench(report, isQuick, load, url, pid, directory);
      await Promise.race([body(bench), rejected(stopped)]);
    } finally {
      await stopPrograms();
    }
  }

  get rounds(): number {
    return this.isQuick ? QUICK_ROUNDS : ROUNDS;
  }

  /** So many events, or fewer of them in a quick run. */
  scaled(count: number): number {
    return this.isQuick ? Math.ceil(count / QUICK_DIVISOR) : count;
  }

  /** What is under way, for who watches; on the other stream, so that results can be kept alone. */
  say(line: string): void {
    process.stderr.write(`  ${new Date().toISOString().slice(11, 19)}  ${line}\n`);
  }

  /** Events that nobody has sent before. */
  newSet(shape: EventShape, count: number): EventSet {
    this.serial += 1;
    const endMs = Date.now();
    return { shape, run: `${endMs.toString(36)}${this.serial}`, count, endMs };
  }

  /** Starts a service on a database of its own, and ends both after the body. */
  async withService(
    options: Partial<MeterlineOptions>,
    body: (service: Meterline) => Promise<void>,
  ): Promise<void> {
    this.serial += 1;
    const name = `bench_${this.serial}`;
    const databaseUrl = await createDatabase(this.postgresUrl, name);
    const service = await Meterline.start(databaseUrl, {
      meters: 3,
      isStoring: true,
      profileDir: null,
      env: {},
      ...options,
    });
    await body(service);
    await service.stop();
    await dropDatabase(this.postgresUrl, name);
  }

  /** Takes down how much memory a service has used at most. */
  async notePeak(service: Meterline, during: string): Promise<void> {
    const resident = await residentBytes(service.pid);
    if (resident !== null && resident.peak > (this.peak?.bytes ?? 0)) {
      this.peak = { bytes: resident.peak, during };
    }
  }
}

async function rejected(signal: AbortSignal): Promise<never> {
  return await new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      reject(signal.reason as Error);
    });
  });
}
