/* From the bytes of a log, compressed or not, to its records, in constant memory. */
import { createReadStream } from 'node:fs';
import { addAbortSignal, pipeline, Readable, type Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import { ArraySplitter } from './array-splitter.js';
import { ImportFault, wordsOf } from './import-fault.js';
import { LineSplitter } from './line-splitter.js';
import { type LogLine, type Splitter } from './log-line.js';

const CHUNK_BYTES = 262_144;
const MAGIC_BYTES = 4;
/** As much white space may stand before a JSON array. */
const MAX_BLANK_BYTES = 65_536;
const ARRAY_START = '[';

const UNSUPPORTED: readonly (readonly [magic: string, name: string])[] = [
  ['fd377a58', 'xz'],
  ['425a68', 'bzip2'],
  ['504b0304', 'zip'],
];

/** A log that is being read. */
export interface OpenLog {
  /** Its records, some at a time. */
  readonly lines: AsyncIterable<readonly LogLine[]>;
  /** How many of its bytes were read, as they are stored. */
  bytesRead(): number;
}

/**
 * Opens a log.
 *
 * @param file where it is; null for the standard input
 * @param signal ends the reading, also while nothing comes
 */
export function openLog(file: string | null, signal: AbortSignal): OpenLog {
  const raw: AsyncIterable<Buffer> = addAbortSignal(
    signal,
    file === null ? process.stdin : createReadStream(file, { highWaterMark: CHUNK_BYTES }),
  );
  let count = 0;
  const counted = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of raw) {
      count += chunk.length;
      yield chunk;
    }
  };
  return { lines: readLines(counted(), file ?? '-'), bytesRead: () => count };
}

async function* readLines(
  bytes: AsyncGenerator<Buffer>,
  name: string,
): AsyncGenerator<readonly LogLine[]> {
  let splitter: Splitter | null = null;
  let head: Buffer = Buffer.alloc(0);
  for await (const chunk of decompressed(bytes, name)) {
    if (splitter !== null) {
      yield splitter.push(chunk);
      continue;
    }
    head = Buffer.concat([head, chunk]);
    assertText(head, name);
    splitter = splitterFor(head);
    if (splitter !== null) {
      yield splitter.push(head);
    }
  }
  if (splitter !== null) {
    yield splitter.end();
  }
}

/** Before anything is sent: each of its lines would be kept as a record that was refused. */
function assertText(head: Buffer, name: string): void {
  if (head.includes(0)) {
    throw new ImportFault(
      `${name} is no text: it holds NUL bytes, as programs, texts in UTF-16 and logs that were cut while they were written do. Make it text first, such as with iconv or tr -d '\\000'.`,
    );
  }
}

/** By the first character; null while there is none. */
function splitterFor(head: Buffer): Splitter | null {
  const start = head.toString('utf8', 0, MAX_BLANK_BYTES).trimStart().slice(0, 1);
  if (start === '' && head.length < MAX_BLANK_BYTES) {
    return null;
  }
  return start === ARRAY_START ? new ArraySplitter() : new LineSplitter();
}

async function* decompressed(bytes: AsyncGenerator<Buffer>, name: string): AsyncGenerator<Buffer> {
  let head: Buffer = Buffer.alloc(0);
  while (head.length < MAGIC_BYTES) {
    const next = await bytes.next();
    if (next.done === true) {
      break;
    }
    head = Buffer.concat([head, next.value]);
  }
  const whole = async function* (): AsyncGenerator<Buffer> {
    yield head;
    yield* bytes;
  };
  const decompressor = decompressorFor(head.subarray(0, MAGIC_BYTES).toString('hex'), name);
  if (decompressor === null) {
    yield* whole();
    return;
  }
  // What fails is thrown where its output is read.
  pipeline(Readable.from(whole()), decompressor, () => undefined);
  try {
    yield* decompressor as AsyncIterable<Buffer>;
  } catch (error) {
    throw new ImportFault(`${name} cannot be decompressed: ${wordsOf(error)}.`, { cause: error });
  }
}

function decompressorFor(magic: string, name: string): Transform | null {
  const options = { chunkSize: CHUNK_BYTES };
  if (magic.startsWith('1f8b')) {
    return zlib.createGunzip(options);
  }
  if (magic === '28b52ffd') {
    const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Transform };
    if (createZstdDecompress === undefined) {
      throw new ImportFault(
        `${name} is compressed with zstd, which this Node cannot read (22.15 and later can). Use: zstd -dc FILE | meterline import - …`,
      );
    }
    return createZstdDecompress();
  }
  const unsupported = UNSUPPORTED.find(([start]) => magic.startsWith(start));
  if (unsupported !== undefined) {
    throw new ImportFault(
      `${name} is compressed with ${unsupported[1]}, which is not supported. Decompress it into: meterline import - …`,
    );
  }
  // Brotli has no magic.
  return name.endsWith('.br') ? zlib.createBrotliDecompress(options) : null;
}
