/*
 * The PostgreSQL of the bench and its directory, kept by a program of its own: however the bench ends,
 * killed as well, this one stops the server and removes what it wrote.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openEmbeddedPostgres } from '../../../src/platform/database/embedded-postgres.js';
import { findPostmaster } from '../../../src/platform/database/postmaster.js';

/** What it says when it is ready. */
export interface BenchPostgres {
  readonly url: string;
  readonly pid: number;
  readonly directory: string;
}

/** A signal alone keeps no program waiting for it, and when the bench is killed nothing else is left. */
const KEEP_ALIVE_MS = 60_000;

const stopped = new Promise<void>((resolve) => {
  setInterval(() => undefined, KEEP_ALIVE_MS);
  process.once('SIGTERM', () => {
    resolve();
  });
});
const directory = await mkdtemp(path.join(tmpdir(), 'meterline-bench-'));
try {
  const postgres = await openEmbeddedPostgres({ dataDir: directory });
  const postmaster = await findPostmaster(path.join(directory, 'postgres'));
  const ready: BenchPostgres = { url: postgres.url, pid: postmaster?.pid ?? 0, directory };
  process.stdout.write(`${JSON.stringify({ ready: JSON.stringify(ready) })}\n`);
  await stopped;
  await postgres.stop();
} finally {
  await rm(directory, { recursive: true, force: true });
}
process.exit();
