/* How much memory the embedded PostgreSQL keeps its pages in. */
import { totalmem } from 'node:os';

const MEGABYTE = 1_048_576;
/** PostgreSQL's own default. */
const LEAST_MB = 128;
/** As much as it changes between two checkpoints (`max_wal_size`): that is written when it stops, in seconds. */
const MOST_MB = 4_096;
/** PostgreSQL's manual says a quarter of a machine that it has for itself; here is the service, too. */
const SHARE = 8;

/** Megabytes for `shared_buffers` where this process and PostgreSQL may use so many bytes of memory together. */
export const pageMegabytes = (memoryBytes: number): number =>
  Math.min(Math.max(Math.floor(memoryBytes / SHARE / MEGABYTE), LEAST_MB), MOST_MB);

/** The bytes that this process may use: of the machine, or of the container that it is in. */
export function usableBytes(): number {
  // Where nothing limits it, 0, undefined, or more than there is.
  const limit = process.constrainedMemory();
  return Math.min(totalmem(), limit > 0 ? limit : Infinity);
}
