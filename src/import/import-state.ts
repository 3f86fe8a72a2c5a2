/*
 * What a file beside the log remembers of an import: how many of its lines are acknowledged. It is
 * replaced as a whole, never changed, so that a process may die at any moment; a state that is behind
 * only makes lines be sent twice, which counts once.
 */
import { hash } from 'node:crypto';
import { open, readFile, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ImportFault, wordsOf } from './import-fault.js';

const VERSION = 1;
const START_BYTES = 65_536;

/** Where an import goes: acknowledged by one service and source says nothing of another. */
export interface Destination {
  readonly url: string;
  readonly source: string;
}

/** A log is the same while it starts as it did and has not become shorter. */
interface Identity {
  readonly size: number;
  readonly startBytes: number;
  readonly startHash: string;
}

interface Stored extends Identity, Destination {
  readonly version: number;
  readonly lines: number;
}

export class ImportState {
  private last: Promise<void> = Promise.resolve();
  private saved = -1;

  private constructor(
    /** Where it is kept. */
    readonly file: string,
    private readonly destination: Destination,
    private readonly identity: Identity,
    /** How many lines an earlier run has sent. */
    readonly lines: number,
  ) {}

  /**
   * The state of a log.
   *
   * @param directory where states are kept; null for beside the log
   * @throws ImportFault when the log cannot be read
   */
  static async open(
    log: string,
    directory: string | null,
    destination: Destination,
  ): Promise<ImportState> {
    const suffix = `.${destination.source}.meterline-import`;
    const place = hash('sha256', path.resolve(log), 'hex').slice(0, 12);
    const file =
      directory === null
        ? `${log}${suffix}`
        : path.join(directory, `${path.basename(log)}.${place}${suffix}`);
    const stored = await readStored(file);
    const identity = await identify(log, START_BYTES);
    const lines = stored !== null && (await isOf(stored, log, destination)) ? stored.lines : 0;
    return new ImportState(file, destination, identity, lines);
  }

  /**
   * Remembers that all lines up to this one are acknowledged.
   *
   * @throws ImportFault when it cannot be written
   */
  async save(lines: number): Promise<void> {
    if (lines === this.saved) {
      return;
    }
    this.saved = lines;
    const stored: Stored = { version: VERSION, ...this.destination, ...this.identity, lines };
    this.last = this.writeAfter(this.last, JSON.stringify(stored));
    await this.last;
  }

  private async writeAfter(earlier: Promise<void>, text: string): Promise<void> {
    await earlier;
    await this.write(text);
  }

  private async write(text: string): Promise<void> {
    const fresh = `${this.file}.tmp`;
    try {
      await writeFile(fresh, `${text}\n`);
      await rename(fresh, this.file);
    } catch (error) {
      throw new ImportFault(
        `How far the import is cannot be written to ${this.file}: ${wordsOf(error)}. Name a directory by --state-dir.`,
        { cause: error },
      );
    }
  }
}

async function identify(log: string, startBytes: number): Promise<Identity> {
  try {
    const { size } = await stat(log);
    const handle = await open(log);
    try {
      const buffer = Buffer.alloc(Math.min(size, startBytes));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
      const startHash = hash('sha256', buffer.subarray(0, bytesRead), 'hex');
      return { size, startBytes: bytesRead, startHash };
    } finally {
      await handle.close();
    }
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const why = isMissing ? 'it does not exist' : wordsOf(error);
    throw new ImportFault(`${log} cannot be read: ${why}.`, { cause: error });
  }
}

/** Null when there is none, or it is of another version or broken: then the import starts anew. */
async function readStored(file: string): Promise<Stored | null> {
  try {
    const stored = JSON.parse(await readFile(file, 'utf8')) as Stored;
    return stored.version === VERSION && Number.isSafeInteger(stored.lines) ? stored : null;
  } catch {
    return null;
  }
}

async function isOf(stored: Stored, log: string, destination: Destination): Promise<boolean> {
  const { size, startHash } = await identify(log, stored.startBytes);
  return (
    stored.url === destination.url &&
    stored.source === destination.source &&
    stored.startHash === startHash &&
    stored.size <= size
  );
}
