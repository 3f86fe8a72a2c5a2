/*
 * Aim: the embedded PostgreSQL runs once on one folder, and starts whatever the last end looked like.
 * Method: real servers in temporary folders; ends are made with signals and by hand.
 */
import { spawn } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import {
  openEmbeddedPostgres,
  type RunningPostgres,
} from '../../src/platform/database/embedded-postgres.js';
import { pageMegabytes, usableBytes } from '../../src/platform/database/page-memory.js';
import { guardPostgres } from '../../src/platform/database/postgres-guard.js';
import { silentLog } from '../support/config.js';
import { eventually } from '../support/service-process.js';

const SETTINGS = { fsync: 'off', shared_buffers: '16MB' };

describe('openEmbeddedPostgres', () => {
  let made: string;
  let dataDir: string;
  let opened: RunningPostgres[];

  beforeAll(async () => {
    made = await mkdtemp(path.join(tmpdir(), 'meterline-embedded-'));
    await (await openEmbeddedPostgres({ dataDir: made, settings: SETTINGS })).stop();
  });

  afterAll(async () => {
    await rm(made, { recursive: true, force: true });
  });

  beforeEach(async () => {
    dataDir = await mkdtemp(path.join(tmpdir(), 'meterline-embedded-'));
    opened = [];
  });

  afterEach(async () => {
    for (const postgres of opened) {
      await postgres.stop();
    }
    await rm(dataDir, { recursive: true, force: true });
  });

  /** For tests of what comes after the first start, which takes a second: on a copy of what one has made. */
  const startBefore = async (): Promise<void> => {
    await cp(made, dataDir, { recursive: true });
  };
  const open = async (): Promise<RunningPostgres> => {
    const postgres = await openEmbeddedPostgres({ dataDir, settings: SETTINGS });
    opened.push(postgres);
    return postgres;
  };
  const ask = async (url: string, sql: string): Promise<Record<string, unknown>[]> => {
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows;
    } finally {
      await client.end();
    }
  };
  const pidFile = (): string => path.join(dataDir, 'postgres', 'postmaster.pid');
  const pid = async (): Promise<number> =>
    Number((await readFile(pidFile(), 'utf8')).split('\n')[0]);
  const isAlive = (id: number): boolean => {
    try {
      return process.kill(id, 0);
    } catch {
      return false;
    }
  };
  /** Ends the server as a power cut would, and everything it started. */
  const crash = async (): Promise<number> => {
    const id = await pid();
    process.kill(id, 'SIGKILL');
    await eventually(async () => await Promise.resolve(!isAlive(id)));
    return id;
  };

  it('keeps its data over a stop, and leaves nothing running or half made', async () => {
    const first = await open();
    await ask(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    const id = await pid();
    await first.stop();
    expect(isAlive(id)).toBe(false);
    const second = await open();
    expect(await ask(second.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    expect((await readdir(dataDir)).toSorted()).toEqual([
      'postgres',
      'postgres-password',
      'postgres.log',
    ]);
  });

  it('runs as anybody, with durability on, its share of memory, and its secrets shut away', async () => {
    const postgres = await openEmbeddedPostgres({ dataDir });
    opened.push(postgres);
    const { url } = postgres;
    const settings = await ask(
      url,
      `SELECT name, setting FROM pg_settings
       WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'listen_addresses') ORDER BY name`,
    );
    expect(settings.map(({ setting }) => setting)).toEqual(['on', 'on', '127.0.0.1', 'on']);
    expect(
      await ask(url, `SELECT pg_size_bytes(current_setting('shared_buffers')) / 1048576 AS mb`),
    ).toEqual([{ mb: String(pageMegabytes(usableBytes())) }]);
    expect((await stat(path.join(dataDir, 'postgres-password'))).mode & 0o077).toBe(0);
    const anonymous = new URL(url);
    anonymous.password = 'wrong';
    await expect(ask(anonymous.href, 'SELECT 1')).rejects.toThrow(/password/);
  });

  it('adopts a server whose starter died, and stops it in the end', async () => {
    await startBefore();
    const first = await open();
    const id = await pid();
    const second = await open();
    expect(await pid()).toBe(id);
    expect(second.url).toBe(first.url);
    await second.stop();
    expect(isAlive(id)).toBe(false);
  });

  it('does not stop a server that another service still uses', async () => {
    await startBefore();
    const first = await open();
    const user = new Client({ connectionString: first.url, application_name: 'meterline' });
    await user.connect();
    await first.stop();
    expect(await user.query('SELECT 1')).toMatchObject({ rowCount: 1 });
    await user.end();
  });

  it('starts though the last one crashed and left its pid file', async () => {
    await startBefore();
    const first = await open();
    await ask(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    const dead = await crash();
    expect(await pid()).toBe(dead);
    const second = await open();
    expect(await ask(second.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    expect(await pid()).not.toBe(dead);
  });

  it.each([
    ['another program', 'sleep'],
    ['a program that has our folder in its arguments', 'postgres-like'],
  ])('starts though the pid of its pid file belongs to %s now', async (_, kind) => {
    await startBefore();
    const first = await open();
    await ask(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await crash();
    const wait = 'setTimeout(() => undefined, 600_000)';
    const extra = kind === 'sleep' ? [] : [path.join(dataDir, 'postgres')];
    const stranger = spawn(process.execPath, ['-e', wait, ...extra], { stdio: 'ignore' });
    try {
      const text = await readFile(pidFile(), 'utf8');
      await writeFile(pidFile(), text.replace(/^\d+/, String(stranger.pid)));
      const second = await open();
      expect(await ask(second.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
      expect(stranger.exitCode).toBeNull();
      await second.stop();
      expect(stranger.exitCode).toBeNull();
    } finally {
      stranger.kill('SIGKILL');
    }
  });

  it.each(['', 'nonsense\n'])('starts though its pid file holds %p', async (text) => {
    await startBefore();
    await (await open()).stop();
    await writeFile(pidFile(), text);
    const again = await open();
    expect(await ask(again.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('ends on one server, however many open one folder at once', async () => {
    const all = await Promise.all([open(), open(), open()]);
    expect(new Set(all.map(({ url }) => url)).size).toBe(1);
    const id = await pid();
    await Promise.all(all.map(async (postgres) => await postgres.stop()));
    expect(isAlive(id)).toBe(false);
    // And again on a folder that is there.
    const again = await Promise.all([open(), open(), open()]);
    expect(new Set(again.map(({ url }) => url)).size).toBe(1);
  });

  it('is given up by its guard when it has ended and does not start again', async () => {
    await startBefore();
    const postgres = await open();
    const guard = guardPostgres(postgres, silentLog, 1_000);
    await rm(path.join(dataDir, 'postgres', 'global', 'pg_control'));
    await crash();
    await expect(guard.lost).rejects.toThrow(
      /^The embedded PostgreSQL has ended and cannot be started again\. .*postgres\.log says why/,
    );
  });

  it('is started again at its address by its guard, until that is stopped', async () => {
    await startBefore();
    const postgres = await open();
    const guard = guardPostgres(postgres, silentLog);
    const dead = await crash();
    await eventually(async () => (await postgres.isRunning()) && (await pid()) !== dead);
    await eventually(async () => await ask(postgres.url, 'SELECT 1 AS one').catch(() => null));
    await guard.stop();
    await crash();
    await expect(guard.lost).resolves.toBeUndefined();
    expect(await postgres.isRunning()).toBe(false);
  });
});
