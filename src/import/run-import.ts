/* The command `meterline import`, from its arguments to its exit code. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { type EventRules } from '../events/usage-event.js';
import { StartError } from '../platform/start-error.js';
import { DrySink } from './dry-sink.js';
import { HELP, type ImportRequest, readArguments, STDIN } from './import-arguments.js';
import { ImportFault, wordsOf } from './import-fault.js';
import { importLog } from './import-log.js';
import { ImportLock } from './import-lock.js';
import { ImportState } from './import-state.js';
import { openLog } from './log-reader.js';
import { type Output, Progress } from './progress.js';
import { type Sink } from './sink.js';
import { SourceClient } from './source.client.js';
import { Tally } from './tally.js';

/** What the command finds around it. */
export interface ImportSurroundings {
  /** Where relative paths begin. */
  readonly directory: string;
  readonly url: string | undefined;
  readonly key: string | undefined;
  /** By which a dry run judges times. */
  readonly rules: () => EventRules;
  readonly out: Output;
  readonly err: Output;
  /** Aborted when the user wants no more of it. */
  readonly interruption: AbortSignal;
  /** A clock that only runs forwards. */
  readonly elapsedMs: () => number;
}

const INTERRUPTED =
  'Interrupted. What was acknowledged is stored; the same command goes on from there.';
const KEY = /^[\u0021-\u007E]+$/;
const [DONE, STOPPED, INCOMPLETE] = [0, 1, 2];

/**
 * Runs the command.
 *
 * @param args what stands behind `meterline import`
 * @returns the exit code
 */
export async function runImport(
  args: readonly string[],
  around: ImportSurroundings,
): Promise<number> {
  const progress = new Progress(around.err, around.elapsedMs);
  const tally = new Tally();
  try {
    const request = readArguments(args, around.url);
    if (request === null) {
      around.out.write(HELP);
      return DONE;
    }
    await new Import(request, around, { progress, tally }).run();
    progress.clear();
    print(around.out, tally.lines(request.isDry));
    return tally.isClean ? DONE : INCOMPLETE;
  } catch (error) {
    progress.clear();
    if (tally.total > 0) {
      print(around.out, ['Until it stopped:', ...tally.lines(false)]);
    }
    print(around.err, [around.interruption.aborted ? INTERRUPTED : messageOf(error)]);
    return STOPPED;
  }
}

function messageOf(error: unknown): string {
  return error instanceof ImportFault || error instanceof StartError
    ? error.message
    : String((error as Error).stack);
}

function print(output: Output, lines: readonly string[]): void {
  output.write(`${lines.join('\n')}\n`);
}

/** A log that is about to be read. */
interface LogFile {
  readonly file: string;
  /** In bytes; null for what has no size, such as a pipe. */
  readonly size: number | null;
  /** Null when nothing is to be remembered. */
  readonly state: ImportState | null;
  /** How many of its lines are known to the service. */
  readonly skipped: number;
}

class Import {
  private readonly stopping = new AbortController();
  private readonly progress: Progress;
  private readonly tally: Tally;

  constructor(
    private readonly request: ImportRequest,
    private readonly around: ImportSurroundings,
    { progress, tally }: { progress: Progress; tally: Tally },
  ) {
    this.progress = progress;
    this.tally = tally;
    around.interruption.addEventListener('abort', () => {
      this.stopping.abort();
    });
  }

  async run(): Promise<void> {
    const { files } = this.request;
    const sizes = new Map<string, number | null>();
    // Before anything is sent: a name that is wrong is found at once.
    for (const file of files) {
      sizes.set(file, await this.sizeOf(file));
    }
    const sink = await this.openSink();
    for (const file of files) {
      await this.importLocked(file, sizes.get(file) ?? null, sink);
    }
  }

  /** Only a file is remembered, so only a file needs to be locked. */
  private async importLocked(file: string, size: number | null, sink: Sink): Promise<void> {
    const state = size === null ? null : await this.openState(file);
    if (state === null || this.request.isDry) {
      await this.importFile({ file, size, state: null, skipped: this.skippedOf(state) }, sink);
      return;
    }
    const lock = await ImportLock.take(`${state.file}.lock`, file);
    try {
      // What another import has done until it let go of the lock.
      const fresh = await this.openState(file);
      await this.importFile({ file, size, state: fresh, skipped: this.skippedOf(fresh) }, sink);
    } finally {
      await lock.release();
    }
  }

  private skippedOf(state: ImportState | null): number {
    return this.request.isFromStart ? 0 : (state?.lines ?? 0);
  }

  private async importFile({ file, size, state, skipped }: LogFile, sink: Sink): Promise<void> {
    const { progress, tally, stopping } = this;
    const { isDry, inFlight } = this.request;
    const log = openLog(
      size === null && file === STDIN ? null : this.resolve(file),
      stopping.signal,
    );
    tally.earlier += skipped;
    progress.begin();
    // Before the first request, so that a place that cannot be written is known.
    await state?.save(skipped);
    await importLog(log, {
      name: file,
      sink,
      tally,
      inFlight,
      skipped,
      stopsAtOtherFormat: !isDry,
      acknowledge: async (line) => {
        await state?.save(line);
      },
      advance: (lines) => {
        progress.show({ name: file, lines, bytes: log.bytesRead(), size });
      },
      abort: () => {
        stopping.abort();
      },
    });
    if (size === 0) {
      progress.say(`${file} is empty.`);
    }
    if (log.bytesRead() < (size ?? 0)) {
      throw new ImportFault(
        `${file} became shorter while it was read: its end may be missing. What rotates it should move it, and not cut it.`,
      );
    }
  }

  private async openState(file: string): Promise<ImportState> {
    const { stateDir, url, source } = this.request;
    const directory = stateDir === null ? null : this.resolve(stateDir);
    return await ImportState.open(this.resolve(file), directory, { url, source });
  }

  private async openSink(): Promise<Sink> {
    const { url, source, retryForMs, isDry } = this.request;
    const client = new SourceClient(
      { url, source, key: await this.readKey() },
      {
        retryForMs,
        signal: this.stopping.signal,
        onWait: (why, delayMs) => {
          this.progress.say(`${why}; trying again in ${Math.ceil(delayMs / 1_000)} s`);
        },
      },
    );
    return isDry ? new DrySink(await client.describe(), this.around.rules()) : client;
  }

  private async readKey(): Promise<string> {
    const { keyFile } = this.request;
    const text =
      keyFile === null ? this.around.key : await readText(this.resolve(keyFile), 'The key file');
    const key = text?.trim() ?? '';
    if (key === '') {
      throw new ImportFault('Give an API key: in METERLINE_API_KEY, or in a file by --key-file.');
    }
    if (!KEY.test(key)) {
      throw new ImportFault('The API key holds characters that no key has.');
    }
    return key;
  }

  /** Null for what is no file of a size, such as a pipe. */
  private async sizeOf(file: string): Promise<number | null> {
    if (file === STDIN) {
      return null;
    }
    try {
      const found = await stat(this.resolve(file));
      if (found.isDirectory()) {
        throw new ImportFault(`${file} is a directory; name the files in it.`);
      }
      return found.isFile() ? found.size : null;
    } catch (error) {
      throw unreadable(file, error);
    }
  }

  private resolve(file: string): string {
    return path.resolve(this.around.directory, file);
  }
}

async function readText(file: string, what: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw unreadable(`${what} ${file}`, error);
  }
}

function unreadable(what: string, error: unknown): ImportFault {
  if (error instanceof ImportFault) {
    return error;
  }
  const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
  const why = isMissing ? 'it does not exist' : wordsOf(error);
  return new ImportFault(`${what} cannot be read: ${why}.`, { cause: error });
}
