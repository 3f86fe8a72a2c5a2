/*
 * Where tests keep files that they throw away: in memory where there is plenty of it. Each test makes
 * and removes some hundred files of PostgreSQL's, which on a disk takes the system more time than
 * all that PostgreSQL does with them: half of a whole run on ext4 without a journal.
 */
import { mkdtempSync, readdirSync, rmSync, statfsSync, statSync } from 'node:fs';
import { freemem } from 'node:os';

const MEMORY = '/dev/shm';
const PREFIX = 'meterline-test-';
/** A run has taken 1 GB at most. */
const ROOM = 4 * 2 ** 30;
const FREE_MEMORY = 8 * 2 ** 30;

/** What a run left that was killed; none takes as long. A PostgreSQL whose files are gone ends by itself. */
const STALE_MS = 6 * 3_600_000;

/** A directory of its own for a run, or null where there is too little memory for one. */
export function makeMemoryDisk() {
  if (!isRoomy()) {
    return null;
  }
  for (const name of readdirSync(MEMORY).filter((one) => one.startsWith(PREFIX))) {
    const found = statSync(`${MEMORY}/${name}`, { throwIfNoEntry: false });
    if (found !== undefined && Date.now() - found.mtimeMs > STALE_MS) {
      removeMemoryDisk(`${MEMORY}/${name}`);
    }
  }
  return mkdtempSync(`${MEMORY}/${PREFIX}`);
}

export function removeMemoryDisk(directory) {
  rmSync(directory, { recursive: true, force: true });
}

function isRoomy() {
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    // Of this container, when it has a limit; else 0, or more than there is.
    const limit = process.constrainedMemory() || Infinity;
    return bavail * bsize >= ROOM && Math.min(freemem(), limit) >= FREE_MEMORY;
  } catch {
    return false;
  }
}
