/*
 * Aim: a log is read by what it holds, compressed or not.
 * Method: real files of each kind, read to their end.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as zlib from 'node:zlib';
import { openLog } from '../../../src/import/log-reader.js';

const LINES = Array.from({ length: 50_000 }, (_, index) => `line ${index}`);
const TEXT = Buffer.from(`${LINES.join('\n')}\n`);
const { zstdCompressSync } = zlib as { zstdCompressSync?: (bytes: Buffer) => Buffer };
/** An empty frame. */
const ZSTD = Buffer.from('28b52ffd2000010000', 'hex');

describe('openLog', () => {
  let directory: string;

  const read = async (name: string, bytes: Buffer): Promise<string[]> => {
    const file = path.join(directory, name);
    await writeFile(file, bytes);
    const log = openLog(file, new AbortController().signal);
    const texts: string[] = [];
    for await (const lines of log.lines) {
      texts.push(...lines.map(({ text }) => text));
    }
    expect(log.bytesRead()).toBe(bytes.length);
    return texts;
  };

  beforeAll(async () => {
    directory = await mkdtemp(path.join(tmpdir(), 'meterline-log-'));
  });

  afterAll(async () => {
    await rm(directory, { recursive: true });
  });

  it('reads plain and compressed logs, also of several members', async () => {
    const middle = TEXT.length / 2;
    const parts = [TEXT.subarray(0, middle), TEXT.subarray(middle)];
    expect(await read('a', TEXT)).toEqual(LINES);
    expect(await read('a.1', zlib.gzipSync(TEXT))).toEqual(LINES);
    const members = Buffer.concat(parts.map((part) => zlib.gzipSync(part)));
    expect(await read('a.gz', members)).toEqual(LINES);
    expect(await read('a.br', zlib.brotliCompressSync(TEXT))).toEqual(LINES);
  });

  it('reads zstd where Node does, and says so elsewhere', async () => {
    if (zstdCompressSync === undefined) {
      await expect(read('a.zst', ZSTD)).rejects.toThrow('zstd, which this Node cannot read');
    } else {
      expect(await read('a.zst', zstdCompressSync(TEXT))).toEqual(LINES);
    }
  });

  it('reads what holds next to nothing', async () => {
    expect(await read('empty', Buffer.alloc(0))).toEqual([]);
    expect(await read('blank', Buffer.from(' \n\n'))).toEqual([]);
    expect(await read('short', Buffer.from('a'))).toEqual(['a']);
    expect(await read('array', Buffer.from('\uFEFF\n [1,2]'))).toEqual(['1', '2']);
  });
});
