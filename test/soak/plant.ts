/* What is killed: a PostgreSQL and two replicas of the service on it, and the ways to kill them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { migrate } from '../../src/platform/database/data-source.js';
import {
  createRestartablePostgres,
  type RestartablePostgres,
} from '../support/restartable-postgres.js';
import { startService, type TestService } from '../support/service-process.js';
import { type Random } from './random.js';
import { type Tally } from './tally.js';

const REPLICAS = 2;
/**
 * Little patience and little room, so that senders are refused, too: a database that is away for
 * longer than that must be told of with 503.
 */
const SETTINGS = { INGEST_MAX_WAIT_MS: '1500', INGEST_MAX_QUEUE_BYTES: '4194304' };
const LONGEST_PAUSE_MS = 2_500;
const RECOVERY_TIMEOUT_MS = 120_000;

/**
 * `service` and `services`: kill -9 of one or all replicas. `postgres`: of PostgreSQL. `backend`: of
 * one of its processes, after which it recovers by itself. `both`: of everything, at slightly
 * different moments. `stop` and `restart` are the orderly ways to end one replica and PostgreSQL.
 */
export const KILLS = [
  'service',
  'services',
  'postgres',
  'backend',
  'both',
  'stop',
  'restart',
] as const;
export type Kill = (typeof KILLS)[number];

export class Plant {
  private replicas: TestService[] = [];

  private constructor(
    private readonly postgres: RestartablePostgres,
    private readonly tally: Tally,
    private readonly random: Random,
    private readonly settings: Readonly<Record<string, string>>,
  ) {}

  /** @param settings of the replicas, besides those of every soak */
  static async start(
    tally: Tally,
    random: Random,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<Plant> {
    const plant = new Plant(await createRestartablePostgres(), tally, random, settings);
    await migrate(plant.databaseUrl);
    await plant.startReplicas(Array.from({ length: REPLICAS }, (_, index) => index));
    return plant;
  }

  get databaseUrl(): string {
    return this.postgres.url;
  }

  /** All replicas, also those that are dead just now. */
  urls(): readonly string[] {
    return this.replicas.map(({ url }) => url);
  }

  get services(): readonly TestService[] {
    return this.replicas;
  }

  /** Kills, starts again what does not start by itself, and answers how long nothing was acknowledged there, ms. */
  async strike(kill: Kill): Promise<number> {
    const { tally } = this;
    tally.kills.set(kill, (tally.kills.get(kill) ?? 0) + 1);
    const killedAt = performance.now();
    const urls = await this.run(kill);
    const recovered = tally.success(killedAt, urls).then(() => true);
    const isRecovered = await Promise.race([
      recovered,
      sleep(RECOVERY_TIMEOUT_MS, false, { ref: false }),
    ]);
    if (!isRecovered) {
      tally.fault(`Nothing was acknowledged for ${RECOVERY_TIMEOUT_MS} ms after ${kill}`);
    }
    const recoveryMs = performance.now() - killedAt;
    tally.recoveriesMs.push(recoveryMs);
    return recoveryMs;
  }

  /** Ends everything and removes its data. */
  async remove(): Promise<void> {
    await Promise.all(this.replicas.map(async (replica) => await replica.kill('SIGKILL')));
    await this.postgres.remove();
  }

  /** Answers where the next success counts; null: anywhere. */
  private async run(kill: Kill): Promise<readonly string[] | null> {
    const { random, postgres } = this;
    const one = random.whole(0, REPLICAS);
    const all = Array.from({ length: REPLICAS }, (_, index) => index);
    switch (kill) {
      case 'service':
        await this.kill(one, 'SIGKILL');
        return await this.startReplicas([one]);
      case 'services':
        await Promise.all(all.map(async (index) => await this.kill(index, 'SIGKILL')));
        return await this.startReplicas(all);
      case 'stop':
        await this.kill(one, 'SIGTERM');
        return await this.startReplicas([one]);
      case 'postgres':
      case 'restart':
        await postgres.stop(kill === 'postgres' ? 'SIGKILL' : 'SIGINT');
        await sleep(random.whole(0, LONGEST_PAUSE_MS));
        await postgres.start();
        return null;
      case 'backend':
        await this.killBackend();
        return null;
      case 'both': {
        const offsets = [...all, REPLICAS].map(() => random.whole(0, 150));
        await Promise.all([
          sleep(offsets.pop()).then(async () => {
            await postgres.stop('SIGKILL');
          }),
          ...all.map(async (index) => {
            await sleep(offsets[index]);
            await this.kill(index, 'SIGKILL');
          }),
        ]);
        await postgres.start();
        return await this.startReplicas(all);
      }
    }
  }

  private async kill(index: number, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const replica = this.replicas[index]!;
    if (replica.process.exitCode !== null || replica.process.signalCode !== null) {
      this.tally.fault(`A replica had ended by itself: ${replica.process.exitCode}`);
      return;
    }
    const code = await replica.kill(signal);
    if (signal === 'SIGTERM' && code !== 0) {
      this.tally.fault(`A replica ended with ${code} on SIGTERM`);
    }
  }

  private async startReplicas(indexes: readonly number[]): Promise<readonly string[]> {
    const started = await Promise.all(
      indexes.map(async (index) => {
        const replica = await startService(this.databaseUrl, { ...SETTINGS, ...this.settings });
        this.replicas[index] = replica;
        return replica.url;
      }),
    );
    return started;
  }

  /** One process of PostgreSQL's that works for the service. */
  private async killBackend(): Promise<void> {
    const client = new Client({ connectionString: this.databaseUrl });
    client.on('error', () => undefined);
    await client.connect();
    const { rows } = await client.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE application_name = 'meterline' ORDER BY pid`,
    );
    process.kill(this.random.pick(rows).pid, 'SIGKILL');
    await client.end().catch(() => undefined);
  }
}
