/* What the command line of `meterline import` says, and its help. Pure. */
import { parseArgs } from 'node:util';
import { ImportFault } from './import-fault.js';

const DEFAULT_URL = 'http://127.0.0.1:3000';
const DEFAULT_IN_FLIGHT = '4';
const DEFAULT_RETRY_SECONDS = '600';
const MAX_IN_FLIGHT = 32;
const SOURCE = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

export const STDIN = '-';

export const HELP = `Usage: meterline import FILE… --source KEY [options]

Imports logs into a source, over the HTTP API of a Meterline service.

FILE is a log in the format of the source: one record on each line, or one JSON array of records.
It may be compressed with gzip, brotli (by its name, .br) or zstd (Node 22.15 and later); '-' is
the standard input. Not supported: a JSON object over several lines, other archives, directories.

  -s, --source KEY     the source (POST /api/v1/sources makes one)
  -u, --url URL        the service; else METERLINE_URL, else ${DEFAULT_URL}
      --key-file FILE  holds the API key, a token of the source for example; else METERLINE_API_KEY
      --dry-run        reads all of it and says what would become of it; stores nothing. Needs a key
                       with the scope 'read', and knows of no duplicates. Ages are judged by
                       INGEST_MAX_AGE_SECONDS and INGEST_MAX_AHEAD_SECONDS, as if it were the service
      --from-start     sends also what was acknowledged in an earlier run
                       (when a mapping was mended, or the service has lost its data)
      --state-dir DIR  where to remember how far an import is; else beside the file
      --in-flight N    requests at once, 1 to ${MAX_IN_FLIGHT}; ${DEFAULT_IN_FLIGHT} when left out
      --retry-for S    how many seconds one request is sent again while the service is away or
                       answers 429 or 5xx; ${DEFAULT_RETRY_SECONDS} when left out
  -h, --help           this

An import may be interrupted at any moment, also by Ctrl-C: it says what it has done, and the same
command goes on where it was. Beside FILE, FILE.KEY.meterline-import remembers how many lines are
acknowledged, until FILE no longer starts as it did. Lines that were added since are sent by the next run. Nothing is remembered of the
standard input.

Sending records again, also with --from-start, counts nothing twice. A record without an id is known
by what it says and by how many equal ones stand before it in its file, so that equal lines of one
file all count, however often it is imported; equal lines of two files are taken for one. Equal
means equal in every character, within 100000 different lines of each other.

Exit codes: 0  every record is stored, was stored before, or is ignored by the mapping of the source
            1  the import stopped, or could not begin; the message says why
            2  it came to its end, but records were rejected or are in conflict
`;

/** What an import is asked to do. */
export interface ImportRequest {
  readonly files: readonly string[];
  readonly source: string;
  readonly url: string;
  readonly keyFile: string | null;
  readonly stateDir: string | null;
  readonly isFromStart: boolean;
  readonly isDry: boolean;
  readonly inFlight: number;
  readonly retryForMs: number;
}

const OPTIONS = {
  source: { type: 'string', short: 's' },
  url: { type: 'string', short: 'u' },
  'key-file': { type: 'string' },
  'state-dir': { type: 'string' },
  'from-start': { type: 'boolean', default: false },
  'dry-run': { type: 'boolean', default: false },
  'in-flight': { type: 'string', default: DEFAULT_IN_FLIGHT },
  'retry-for': { type: 'string', default: DEFAULT_RETRY_SECONDS },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/**
 * Reads the arguments behind `meterline import`.
 *
 * @param defaultUrl the service when no option names one
 * @returns null when help is asked for
 * @throws ImportFault when they make no sense
 */
export function readArguments(
  args: readonly string[],
  defaultUrl: string | undefined,
): ImportRequest | null {
  const { values, positionals } = parse(args);
  if (values.help) {
    return null;
  }
  if (positionals.length === 0) {
    throw wrong('Name at least one file, or - for the standard input.');
  }
  if (positionals.filter((file) => file === STDIN).length > 1) {
    throw wrong('The standard input can be read once only.');
  }
  const { source } = values;
  if (source === undefined || !SOURCE.test(source)) {
    throw wrong('Name the source by its key: --source KEY.');
  }
  return {
    files: positionals,
    source,
    url: readUrl(values.url ?? defaultUrl ?? DEFAULT_URL),
    keyFile: values['key-file'] ?? null,
    stateDir: values['state-dir'] ?? null,
    isFromStart: values['from-start'],
    isDry: values['dry-run'],
    inFlight: whole('--in-flight', values['in-flight'], 1, MAX_IN_FLIGHT),
    retryForMs: whole('--retry-for', values['retry-for'], 0, 31_536_000) * 1_000,
  };
}

function parse(args: readonly string[]): ReturnType<typeof parseTyped> {
  try {
    return parseTyped(args);
  } catch (error) {
    throw wrong((error as Error).message);
  }
}

// oxlint-disable-next-line typescript/explicit-function-return-type -- parseArgs derives it
function parseTyped(args: readonly string[]) {
  return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true, strict: true });
}

function readUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const isUsable =
    url !== null && /^https?:$/.test(url.protocol) && url.username + url.password === '';
  if (!isUsable) {
    throw wrong('The URL of the service must be http:// or https://, without user and password.');
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

function whole(name: string, text: string, least: number, most: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= least && value <= most)) {
    throw wrong(`${name} must be a whole number from ${least} to ${most}.`);
  }
  return value;
}

function wrong(what: string): ImportFault {
  return new ImportFault(`${what}\nSee: meterline import --help`);
}
