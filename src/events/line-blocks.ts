/*
 * Cuts a stream of lines into blocks that each end at a line's end, so that a body of any length is
 * read in constant memory. Of a line that is too long a part is dropped; it is refused alone.
 */

/** A usage event has at most half as much; what is longer is no event, and is not kept in memory. */
export const MAX_LINE_BYTES = 262_144;
/** Enough for a flush to be worth its while, little enough for several in memory at once. */
const BLOCK_BYTES = 262_144;
const LINE_END = 0x0a;

/** Whole lines, in order; the last of all may lack its line end. */
export async function* blocksOf(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let lines: Buffer[] = [];
  let lineBytes = 0;
  let open: Buffer[] = [];
  let openBytes = 0;
  for await (const chunk of stream) {
    const end = chunk.lastIndexOf(LINE_END) + 1;
    if (end > 0) {
      lines.push(...open, chunk.subarray(0, end));
      lineBytes += openBytes + end;
      open = [];
      openBytes = 0;
    }
    if (openBytes <= MAX_LINE_BYTES) {
      open.push(chunk.subarray(end));
      openBytes += chunk.length - end;
    }
    if (lineBytes >= BLOCK_BYTES) {
      yield Buffer.concat(lines);
      lines = [];
      lineBytes = 0;
    }
  }
  if (lineBytes + openBytes > 0) {
    yield Buffer.concat([...lines, ...open]);
  }
}
