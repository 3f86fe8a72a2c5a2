/* The command `meterline import`, from its arguments to its exit code. */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { type EventRules } from '../events/usage-event.js';
import { StartError } from '../platform/start-error.js';
import { DrySink } from './dry-sink.js';
import { HELP, type ImportRequest, readArguments, STDIN } from './import-arguments.js';
import { ImportFault, wordsOf } from './import-fault.js';
import { importLog } from './import-log.js';
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
  /** A clock that only runs forwards. */
  readonly elapsedMs: () => number;
}

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
    print(around.err, [
      error instanceof ImportFault || error instanceof StartError
        ? error.message
        : String((error as Error).stack),
    ]);
    return STOPPED;
  }
}

function print(output: Output, lines: readonly string[]): void {
  output.write(`${lines.join('\n')}\n`);
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
      await this.importFile(file, sizes.get(file) ?? null, sink);
    }
  }

  private async importFile(file: string, size: number | null, sink: Sink): Promise<void> {
    const { request, progress, tally } = this;
    const { isDry, isFromStart, inFlight } = request;
    const state = size === null ? null : await this.openState(file);
    const skipped = isFromStart ? 0 : (state?.lines ?? 0);
    const log = openLog(size === null && file === STDIN ? null : this.resolve(file));
    tally.earlier += skipped;
    progress.begin();
    if (!isDry) {
      // Before the first request, so that a place that cannot be written is known.
      await state?.save(skipped);
    }
    await importLog(log, {
      name: file,
      sink,
      tally,
      inFlight,
      skipped,
      acknowledge: async (line) => {
        if (!isDry) {
          await state?.save(line);
        }
      },
      advance: (lines) => {
        progress.show({ name: file, lines, bytes: log.bytesRead(), size });
      },
      abort: () => {
        this.stopping.abort();
      },
    });
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
