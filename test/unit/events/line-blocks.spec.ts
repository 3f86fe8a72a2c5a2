import fc from 'fast-check';
import { blocksOf, MAX_LINE_BYTES } from '../../../src/events/line-blocks.js';

async function blocks(chunks: readonly Buffer[]): Promise<Buffer[]> {
  const stream = async function* (): AsyncGenerator<Buffer> {
    yield* await Promise.resolve(chunks);
  };
  const read: Buffer[] = [];
  for await (const block of blocksOf(stream())) {
    read.push(block);
  }
  return read;
}

/** Cuts the text anywhere. */
function cut(text: string, places: readonly number[]): Buffer[] {
  const bytes = Buffer.from(text);
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length];
  return ends
    .toSorted((left, right) => left - right)
    .map((end, index, sorted) => bytes.subarray(sorted[index - 1] ?? 0, end));
}

describe('blocksOf', () => {
  it('gives every byte of short lines, in blocks that end at line ends, however it is cut', async () => {
    const line = fc.string({ unit: 'binary', maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(fc.array(line), fc.array(fc.nat()), async (lines, places) => {
        const text = lines.join('\n');
        const read = await blocks(cut(text, places));
        expect(Buffer.concat(read).toString()).toBe(text);
        for (const block of read.slice(0, -1)) {
          expect(block.at(-1)).toBe(0x0a);
        }
      }),
    );
  });

  it('gives several blocks of many lines', async () => {
    const text = `${'x'.repeat(99)}\n`.repeat(10_000);
    const read = await blocks(cut(text, [100_000, 300_000, 700_000]));
    expect(read.length).toBeGreaterThan(1);
    expect(Buffer.concat(read).toString()).toBe(text);
  });

  it('keeps of a line without end no more than it may have, and the lines after it whole', async () => {
    const chunk = Buffer.alloc(65_536, 'x');
    const long = Array.from({ length: 1_000 }, () => chunk);
    const read = Buffer.concat(await blocks([...long, Buffer.from('\n{}\n'), Buffer.from('[]')]));
    expect(read.length).toBeLessThan(MAX_LINE_BYTES + 2 * chunk.length);
    const [first = '', ...rest] = read.toString().split('\n');
    expect(first.length).toBeGreaterThan(MAX_LINE_BYTES);
    expect(rest).toEqual(['{}', '[]']);
  });
});
