/*
 * A real PostgreSQL of our own, from binaries that come with npm: for a first try, tests, and small
 * installations. Durability is PostgreSQL's own. It is a process of its own that outlives a killed
 * service; the next start adopts it. It must never run twice on one data directory, and a stale pid
 * file must never keep it from starting.
 */
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { constants, existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { StartError } from '../start-error.js';
import { pageMegabytes, usableBytes } from './page-memory.js';
import { binaries, type Launcher, launcher } from './postgres-binaries.js';
import { findPostmaster, isAlive, isOurs, type Postmaster } from './postmaster.js';

const run = promisify(execFile);

const USER = 'meterline';
const DATABASE = 'meterline';
/** Recovery after a crash replays at most `max_wal_size`; that has taken seconds, never minutes. */
const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 60_000;
const POLL_MS = 50;
const LINGER_MS = 1_000;
const MAX_STARTS = 5;

/** What differs from PostgreSQL's defaults; nothing here weakens durability. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  // Fewer checkpoints under load; costs disk and recovery time only.
  max_wal_size: '4GB',
  // Usage of every customer by day groups tens of thousands of rows; with 4 MB it sorted them on disk.
  work_mem: '32MB',
  timezone: 'UTC',
};

export interface EmbeddedOptions {
  /** Where data, password and log live; made when missing. */
  readonly dataDir: string;
  /** Settings of PostgreSQL over ours; tests switch fsync off, nobody else does. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface RunningPostgres {
  readonly url: string;
  /** Whether the server is still there; it is no part of this process and may end alone. */
  isRunning(): Promise<boolean>;
  /**
   * Starts the server again at the same address, after it has ended.
   *
   * @throws StartError when it does not start, or not there
   */
  restart(): Promise<void>;
  /** Stops the server, unless another process still uses it. Call after closing all connections. */
  stop(): Promise<void>;
}

interface Cluster {
  readonly launch: Launcher;
  readonly data: string;
  readonly log: string;
  readonly password: string;
  readonly settings: Readonly<Record<string, string>>;
}

/**
 * Starts the server of this data directory, or adopts the one that still runs there.
 *
 * @throws Error that says what to do when no binaries exist for this machine or it may not run here
 */
export async function openEmbeddedPostgres(options: EmbeddedOptions): Promise<RunningPostgres> {
  const root = path.resolve(options.dataDir);
  await fs.mkdir(root, { recursive: true, mode: 0o700 });
  const launch = await launcher(await binaries(), root);
  const password = await readPassword(path.join(root, 'postgres-password'));
  const cluster: Cluster = {
    launch,
    data: path.join(root, 'postgres'),
    log: path.join(root, 'postgres.log'),
    password,
    settings: {
      ...SETTINGS,
      shared_buffers: `${pageMegabytes(usableBytes())}MB`,
      ...options.settings,
    },
  };
  await initialise(cluster);
  let postmaster = await startOrAdopt(cluster);
  try {
    await createDatabase(urlOf(postmaster, password, 'postgres'));
  } catch (error) {
    await stopUnlessUsed(cluster, postmaster);
    throw error;
  }
  const { port } = postmaster;
  return {
    url: urlOf(postmaster, password, DATABASE),
    isRunning: async () => await isOurs(postmaster.pid, cluster.data),
    restart: async () => {
      // Everybody's connections go to this port.
      postmaster = await startOrAdopt(cluster, port);
      if (postmaster.port !== port) {
        throw new StartError('Another process has started PostgreSQL on another port.');
      }
    },
    stop: async () => {
      await stopUnlessUsed(cluster, postmaster);
    },
  };
}

function urlOf(postmaster: Postmaster, password: string, database: string): string {
  return `postgres://${USER}:${password}@127.0.0.1:${postmaster.port}/${database}`;
}

async function readPassword(file: string): Promise<string> {
  try {
    // 'wx' fails when the file exists: of two starting processes one decides.
    await fs.writeFile(file, randomBytes(24).toString('hex'), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw error;
    }
  }
  const password = await fs.readFile(file, 'utf8');
  return password.trim();
}

/** Makes the cluster beside its place and moves it there, so that a killed initdb leaves nothing half made. */
async function initialise(cluster: Cluster): Promise<void> {
  if (existsSync(path.join(cluster.data, 'PG_VERSION'))) {
    return;
  }
  const fresh = `${cluster.data}.${randomBytes(6).toString('hex')}`;
  const passwordFile = `${fresh}.password`;
  await fs.writeFile(passwordFile, `${cluster.password}\n`, { mode: 0o600 });
  await cluster.launch.own(passwordFile);
  await fs.mkdir(fresh, { mode: 0o700 });
  await cluster.launch.own(fresh);
  try {
    const { command, args, options } = cluster.launch.command('initdb', [
      `--pgdata=${fresh}`,
      `--username=${USER}`,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale-provider=builtin',
      '--locale=C.UTF-8',
      '--no-instructions',
    ]);
    await run(command, args, options);
    await fs.rename(fresh, cluster.data);
  } catch (error) {
    if (!existsSync(path.join(cluster.data, 'PG_VERSION'))) {
      const { stderr = '' } = error as { stderr?: string };
      const reason = stderr.trim() || String(error);
      throw new StartError(`PostgreSQL could not make its data directory. ${reason}`, {
        cause: error,
      });
    }
  } finally {
    await fs.rm(passwordFile, { force: true });
    await fs.rm(fresh, { recursive: true, force: true });
  }
}

async function startOrAdopt(cluster: Cluster, port?: number): Promise<Postmaster> {
  for (let attempt = 1; attempt <= MAX_STARTS; attempt += 1) {
    const running = await findPostmaster(cluster.data);
    if (running !== null && (await isReady(cluster, running))) {
      return running;
    }
    // Another process may start it at the same moment; PostgreSQL lets only one of them.
    await start(cluster, port ?? (await freePort()));
  }
  throw new StartError(`PostgreSQL does not start; ${cluster.log} says why.`);
}

async function isReady(cluster: Cluster, postmaster: Postmaster): Promise<boolean> {
  const url = urlOf(postmaster, cluster.password, 'postgres');
  for (let waited = 0; waited < START_TIMEOUT_MS; waited += POLL_MS) {
    if (!isAlive(postmaster.pid)) {
      return false;
    }
    if (postmaster.port > 0 && (await answers(url))) {
      return true;
    }
    await sleep(POLL_MS);
  }
  throw new StartError(
    `PostgreSQL (process ${postmaster.pid}) does not answer; ${cluster.log} may say why.`,
  );
}

async function answers(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return true;
  } catch {
    // Starting up, shutting down, or not listening yet: the caller asks again.
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function start(cluster: Cluster, port: number): Promise<void> {
  const settings = Object.entries(cluster.settings).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ]);
  const launched = cluster.launch.command('postgres', [
    '-D',
    cluster.data,
    '-p',
    String(port),
    ...settings,
  ]);
  const log = await fs.open(
    cluster.log,
    constants.O_APPEND | constants.O_CREAT | constants.O_WRONLY,
  );
  try {
    // Detached: Ctrl-C in a terminal reaches the service only, which drains before it stops this.
    const child = spawn(launched.command, launched.args, {
      ...launched.options,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    child.unref();
    await started(cluster, child.pid ?? 0);
  } finally {
    await log.close();
  }
}

/** Waits until the new server has written its pid file, or is gone again. */
async function started(cluster: Cluster, pid: number): Promise<void> {
  for (let waited = 0; waited < START_TIMEOUT_MS; waited += POLL_MS) {
    const text = await fs
      .readFile(path.join(cluster.data, 'postmaster.pid'), 'utf8')
      .catch(() => '');
    if (Number(text.split('\n')[0]) === pid && Number(text.split('\n')[3]) > 0) {
      return;
    }
    if (!isAlive(pid)) {
      return;
    }
    await sleep(POLL_MS);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') {
    throw new Error('No free port on 127.0.0.1');
  }
  return address.port;
}

async function createDatabase(maintenanceUrl: string): Promise<void> {
  const client = new Client({ connectionString: maintenanceUrl });
  await client.connect();
  try {
    const found = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
    if (found.rowCount === 0) {
      await client.query(`CREATE DATABASE ${DATABASE}`);
    }
  } catch (error) {
    // 23505 and 42P04: another replica made it in this very moment.
    const code = error instanceof Error && 'code' in error ? error.code : '';
    if (code !== '23505' && code !== '42P04') {
      throw error;
    }
  } finally {
    await client.end();
  }
}

async function stopUnlessUsed(cluster: Cluster, postmaster: Postmaster): Promise<void> {
  // Connections that were just closed are listed until their processes have ended, which takes a busy machine a while.
  for (let waited = 0; await isUsed(urlOf(postmaster, cluster.password, 'postgres'));) {
    if (waited >= LINGER_MS) {
      return;
    }
    await sleep(POLL_MS);
    waited += POLL_MS;
  }
  if (isAlive(postmaster.pid)) {
    process.kill(postmaster.pid, 'SIGINT');
  }
  for (let waited = 0; waited < STOP_TIMEOUT_MS && isAlive(postmaster.pid); waited += POLL_MS) {
    await sleep(POLL_MS);
  }
}

async function isUsed(maintenanceUrl: string): Promise<boolean> {
  const client = new Client({ connectionString: maintenanceUrl });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const others = await client.query(
      `SELECT FROM pg_stat_activity
       WHERE datname = $1 AND pid <> pg_backend_pid() AND application_name = 'meterline'`,
      [DATABASE],
    );
    return (others.rowCount ?? 0) > 0;
  } catch {
    // It is gone or going already: nobody uses it.
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}
