/* The elements of a JSON array as bytes, for bodies that cannot be parsed as a whole. Pure. */

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const OPENING: ReadonlySet<number | undefined> = new Set([0x5b, 0x7b]);
const CLOSING: ReadonlySet<number | undefined> = new Set([0x5d, 0x7d]);
const ARRAY = /^\s*\[/;
const BLANK = /^\s*$/;

/**
 * Cuts an array into its elements without parsing them; null when the body is none, or not to its end.
 * All that structures JSON is ASCII, so it does not matter of which encoding the rest is.
 */
export function elementsOf(body: Buffer): Buffer[] | null {
  if (!ARRAY.test(body.toString('latin1', 0, 64))) {
    return null;
  }
  const elements: Buffer[] = [];
  let depth = 0;
  let start = 0;
  let isText = false;
  for (let index = 0; index < body.length; index += 1) {
    const byte = body[index];
    if (isText) {
      index += byte === BACKSLASH ? 1 : 0;
      isText = byte !== QUOTE;
    } else if (byte === QUOTE) {
      isText = true;
    } else if (OPENING.has(byte)) {
      depth += 1;
      start = depth === 1 ? index + 1 : start;
    } else if (byte === COMMA && depth === 1) {
      elements.push(body.subarray(start, index));
      start = index + 1;
    } else if (CLOSING.has(byte)) {
      depth -= 1;
      if (depth === 0) {
        const last = body.subarray(start, index);
        const isEnd = BLANK.test(body.toString('latin1', index + 1));
        const isEmpty = elements.length === 0 && BLANK.test(last.toString('latin1'));
        return isEnd ? [...elements, ...(isEmpty ? [] : [last])] : null;
      }
    }
  }
  return null;
}
