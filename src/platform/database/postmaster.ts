/*
 * Which process is the PostgreSQL of a data directory. A pid file alone proves nothing: after a
 * crash its number may belong to any program.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);

const HALF_WRITTEN_MS = 500;

export interface Postmaster {
  readonly pid: number;
  readonly port: number;
}

/** The server of this directory, which may be starting or stopping; null when none runs. */
export async function findPostmaster(data: string): Promise<Postmaster | null> {
  const pidFile = path.join(data, 'postmaster.pid');
  let text = await readIfThere(pidFile);
  if (text !== null && !isPid(text)) {
    // PostgreSQL fills the file at once; one that stays empty is what a power cut left of it.
    await sleep(HALF_WRITTEN_MS);
    text = await readIfThere(pidFile);
  }
  if (text === null) {
    return null;
  }
  const [pid, , , port] = text.split('\n').map(Number);
  if (pid === undefined || !isPid(text) || !(await isOurs(pid, data))) {
    // After a crash the number may belong to another program, which PostgreSQL cannot tell.
    await fs.rm(pidFile, { force: true });
    return null;
  }
  return { pid, port: port ?? 0 };
}

async function readIfThere(file: string): Promise<string | null> {
  return await fs.readFile(file, 'utf8').catch(() => null);
}

function isPid(text: string): boolean {
  return /^[1-9]\d{0,9}\n/.test(text);
}

/** Whether the process is a PostgreSQL that works in this directory. */
export async function isOurs(pid: number, data: string): Promise<boolean> {
  if (!isAlive(pid)) {
    return false;
  }
  if (!existsSync('/proc/self/cmdline')) {
    const shown = await run('ps', ['-p', String(pid), '-o', 'command=']).catch(() => ({
      stdout: '',
    }));
    return shown.stdout.includes(`postgres -D ${data} `);
  }
  const commandLine = await fs.readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  // It changes to its data directory before it writes the pid file.
  const folder = await fs.readlink(`/proc/${pid}/cwd`).catch(() => '');
  return commandLine.includes('postgres') && folder === (await fs.realpath(data));
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
