/*
 * Keeps two imports from the same log at once: neither would count anything twice, but each would
 * write over what the other remembers. Who dies leaves its lock, which the next one takes over.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { ImportFault, wordsOf } from './import-fault.js';

interface Holder {
  readonly pid: number;
  readonly host: string;
}

export class ImportLock {
  private constructor(private readonly file: string) {}

  /**
   * Takes the lock.
   *
   * @param file that says who has it
   * @param log the log that it is for, in words for people
   * @throws ImportFault when another import has it
   */
  static async take(file: string, log: string): Promise<ImportLock> {
    const me: Holder = { pid: process.pid, host: hostname() };
    if (!(await create(file, me))) {
      const holder = await readHolder(file);
      if (holder !== null && isAlive(holder, me)) {
        throw new ImportFault(
          `${log} is being imported already, by process ${holder.pid} on ${holder.host}. If that is not so, remove ${file}.`,
        );
      }
      await rm(file, { force: true });
      // Somebody else may have been faster; then both go on, which counts nothing twice.
      await create(file, me);
    }
    return new ImportLock(file);
  }

  async release(): Promise<void> {
    await rm(this.file, { force: true });
  }
}

/** False when it is there. */
async function create(file: string, holder: Holder): Promise<boolean> {
  try {
    await writeFile(file, `${JSON.stringify(holder)}\n`, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      return false;
    }
    throw new ImportFault(
      `How far the import is cannot be written beside ${file}: ${wordsOf(error)}. Name a directory by --state-dir.`,
      { cause: error },
    );
  }
}

/** Null when it is gone, or was not written to its end. */
async function readHolder(file: string): Promise<Holder | null> {
  try {
    const holder = JSON.parse(await readFile(file, 'utf8')) as Holder;
    return Number.isSafeInteger(holder.pid) ? holder : null;
  } catch {
    return null;
  }
}

/** Of another host nothing can be known. In a container every process may have the same number as its predecessor. */
function isAlive(holder: Holder, me: Holder): boolean {
  if (holder.host !== me.host) {
    return true;
  }
  if (holder.pid === me.pid) {
    return false;
  }
  try {
    process.kill(holder.pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
