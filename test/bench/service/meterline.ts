/* The built service in a process of its own, on an empty database, as `npm start` runs it. */
import { type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Api } from '../../support/api.js';
import { NODE_FLAGS } from '../../support/node-flags.js';
import { startProgram, stopProgram } from '../../support/programs.js';
import { type FormatName, sourceFor } from '../events/formats.js';
import { benchMeters } from './meters.js';

const MAIN = fileURLToPath(new URL('../../../dist/src/main.js', import.meta.url));
const STORELESS = fileURLToPath(new URL('storeless.mjs', import.meta.url));
const KEY = 'mlk_admin_of_the_bench_0123456789abcdef';
const SETTLE_POLL_MS = 20;

export interface MeterlineOptions {
  readonly meters: number;
  /** Whether it stores what it takes; without it HTTP is all that is left. */
  readonly isStoring: boolean;
  /** Where it writes a CPU profile when it ends. */
  readonly profileDir: string | null;
  /** Settings besides those that it needs. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Received usage events by what became of them, since the start. */
export type Counted = Readonly<Record<'accepted' | 'duplicate' | 'conflict' | 'rejected', number>>;

export class Meterline {
  readonly key = KEY;

  private constructor(
    readonly url: string,
    readonly databaseUrl: string,
    private readonly process: ChildProcess,
    private readonly api: Api,
  ) {}

  /** Starts it on an empty database and creates the meters. */
  static async start(databaseUrl: string, options: MeterlineOptions): Promise<Meterline> {
    const { profileDir } = options;
    const profile = profileDir === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileDir}`];
    const { url, process: child } = await startProgram(
      'Meterline',
      [...NODE_FLAGS, ...profile, options.isStoring ? MAIN : STORELESS],
      { DATABASE_URL: databaseUrl, PORT: '0', METERLINE_ADMIN_KEY: KEY, ...options.env },
      (line) => (line['event'] === 'service.started' ? line['url'] : null),
    );
    const api = new Api(url, KEY);
    for (const meter of benchMeters(options.meters)) {
      await api.post('/api/v1/meters', meter);
    }
    return new Meterline(url, databaseUrl, child, api);
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  /** Makes sure that the source of this format is there, if it needs one. */
  async prepareSource(format: FormatName): Promise<void> {
    const source = sourceFor(format);
    if (source !== null) {
      await this.api.ensure(
        '/api/v1/sources',
        source.key,
        async () => await Promise.resolve(source),
      );
    }
  }

  /** Waits until every batch is folded, so that rounds do not borrow work from each other; answers the seconds. */
  async settle(): Promise<number> {
    const startedAt = performance.now();
    while ((await this.metric('meterline_pending_batches')) !== 0) {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_POLL_MS));
    }
    return (performance.now() - startedAt) / 1_000;
  }

  async counted(): Promise<Counted> {
    const text = await this.metrics();
    const of = (status: keyof Counted): number =>
      readMetric(text, `meterline_usage_events_total{status="${status}"}`);
    return {
      accepted: of('accepted'),
      duplicate: of('duplicate'),
      conflict: of('conflict'),
      rejected: of('rejected'),
    };
  }

  /** One figure of /metrics, by its name and labels; 0 when it is not there. */
  async metric(name: string): Promise<number> {
    return readMetric(await this.metrics(), name);
  }

  async stop(): Promise<void> {
    await stopProgram(this.process);
  }

  private async metrics(): Promise<string> {
    const response = await fetch(`${this.url}/metrics`);
    return await response.text();
  }
}

function readMetric(text: string, name: string): number {
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? 0);
}
