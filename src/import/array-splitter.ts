import { isUtf8 } from 'node:buffer';
import { ImportFault } from './import-fault.js';
import {
  LINE_TOO_LONG,
  type LogLine,
  MAX_LINE_BYTES,
  NOT_UTF8,
  type Splitter,
} from './log-line.js';

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const OPENING: ReadonlySet<number> = new Set([0x5b, 0x7b]);
const CLOSING: ReadonlySet<number> = new Set([0x5d, 0x7d]);
const SPACE: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);

/**
 * Cuts a JSON array into its elements without parsing them: what an element is worth, its reader
 * says. Line ends between the members of an element become spaces.
 */
export class ArraySplitter implements Splitter {
  private depth = 0;
  private isInText = false;
  private isEscaped = false;
  private isClosed = false;
  private open: Buffer[] = [];
  private openBytes = 0;
  private number = 0;

  /**
   * The elements that end in this chunk.
   *
   * @throws ImportFault when something follows the array
   */
  push(chunk: Buffer): LogLine[] {
    const lines: LogLine[] = [];
    let start = 0;
    for (let index = 0; index < chunk.length; index += 1) {
      const byte = chunk[index] ?? 0;
      if (this.isInText) {
        this.readText(byte);
      } else if (byte === QUOTE) {
        this.isInText = true;
      } else if (OPENING.has(byte)) {
        this.depth += 1;
        start = this.depth === 1 ? index + 1 : start;
      } else if (CLOSING.has(byte)) {
        this.depth -= 1;
      }
      if (this.isClosed ? !SPACE.has(byte) : this.depth === 0 && CLOSING.has(byte)) {
        this.close(chunk.subarray(start, index), lines);
      } else if (this.depth === 1 && byte === COMMA && !this.isInText) {
        this.keep(chunk.subarray(start, index));
        this.finish(lines);
        start = index + 1;
      }
    }
    if (!this.isClosed && this.depth > 0) {
      this.keep(chunk.subarray(start));
    }
    return lines;
  }

  /**
   * Nothing: the last element ends with the array.
   *
   * @throws ImportFault when the array does not end
   */
  end(): LogLine[] {
    if (!this.isClosed) {
      throw new ImportFault(`The JSON array breaks off after element ${this.number}.`);
    }
    return [];
  }

  private readText(byte: number): void {
    if (this.isEscaped) {
      this.isEscaped = false;
    } else if (byte === BACKSLASH) {
      this.isEscaped = true;
    } else if (byte === QUOTE) {
      this.isInText = false;
    }
  }

  private close(rest: Buffer, lines: LogLine[]): void {
    if (this.isClosed) {
      throw new ImportFault('Something follows the JSON array: only one array is read.');
    }
    this.keep(rest);
    this.finish(lines);
    this.isClosed = true;
  }

  private keep(bytes: Buffer): void {
    if (this.openBytes + bytes.length <= MAX_LINE_BYTES) {
      this.open.push(bytes);
    }
    this.openBytes += bytes.length;
  }

  private finish(lines: LogLine[]): void {
    const bytes = Buffer.concat(this.open);
    const isTooLong = this.openBytes > MAX_LINE_BYTES;
    this.open = [];
    this.openBytes = 0;
    const text = bytes
      .toString('utf8')
      .replaceAll(/[\r\n]+/g, ' ')
      .trim();
    if (text === '' && !isTooLong) {
      return;
    }
    this.number += 1;
    const unreadable = isUtf8(bytes) ? null : NOT_UTF8;
    const refusal = isTooLong ? LINE_TOO_LONG : unreadable;
    lines.push({
      number: this.number,
      text: refusal === null ? text : '',
      refusal,
      isEnded: true,
    });
  }
}
