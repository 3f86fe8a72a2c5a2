import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import { openEmbeddedPostgres } from '../../src/platform/database/embedded-postgres.js';
import { binaries, launcher } from '../../src/platform/database/postgres-binaries.js';

/** A PostgreSQL of a test's own that can be stopped in the middle, and started again on its port. */
export interface RestartablePostgres {
  readonly url: string;
  /** SIGINT is a fast shutdown; SIGKILL is a crash. Answers when the postmaster is gone. */
  stop(signal: 'SIGINT' | 'SIGKILL'): Promise<void>;
  /** Answers when it takes connections again; at once when it was not stopped. */
  start(): Promise<void>;
  /** Stops it and removes its data. */
  remove(): Promise<void>;
}

/** A fast disk is not what is tested; what is committed still outlives a crash of the processes. */
const SETTINGS = ['-c', 'fsync=off', '-c', 'listen_addresses=127.0.0.1', '-c', 'timezone=UTC'];

export async function createRestartablePostgres(): Promise<RestartablePostgres> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'meterline-restart-'));
  const first = await openEmbeddedPostgres({ dataDir, settings: { fsync: 'off' } });
  const { url } = first;
  await first.stop();
  const launch = await launcher(await binaries(), dataDir);
  const data = path.join(dataDir, 'postgres');
  let child: ChildProcess | null = null;

  const start = async (): Promise<void> => {
    if (child !== null && child.exitCode === null && child.signalCode === null) {
      return;
    }
    const { port } = new URL(url);
    const args = ['-D', data, '-p', port, '-c', 'unix_socket_directories=', ...SETTINGS];
    const { command, args: all, options } = launch.command('postgres', args);
    for (;;) {
      child = spawn(command, all, { ...options, stdio: 'ignore' });
      if (await becomesReady(url, child)) {
        return;
      }
      // After a crash its children hold the shared memory for a moment longer.
    }
  };

  const stop = async (signal: 'SIGINT' | 'SIGKILL'): Promise<void> => {
    const running = child;
    if (running === null || running.exitCode !== null || running.signalCode !== null) {
      return;
    }
    const gone = new Promise((resolve) => running.once('exit', resolve));
    const pid = await readFile(path.join(data, 'postmaster.pid'), 'utf8');
    process.kill(Number(pid.split('\n')[0]), signal);
    await gone;
  };

  await start();
  return {
    url,
    stop,
    start,
    remove: async () => {
      await stop('SIGINT');
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function becomesReady(url: string, child: ChildProcess): Promise<boolean> {
  while (child.exitCode === null && child.signalCode === null) {
    const client = new Client({ connectionString: url });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return true;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    } finally {
      await client.end().catch(() => undefined);
    }
  }
  return false;
}
