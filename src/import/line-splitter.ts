import { isUtf8 } from 'node:buffer';
import {
  LINE_TOO_LONG,
  type LineRefusal,
  type LogLine,
  MAX_LINE_BYTES,
  NOT_UTF8,
  type Splitter,
} from './log-line.js';

const LINE_END = 0x0a;
const BYTE_ORDER_MARK = '\uFEFF';

/** Cuts at line ends; blank lines are counted, but passed over as the service does it. */
export class LineSplitter implements Splitter {
  private open: Buffer[] = [];
  private openBytes = 0;
  private number = 0;

  /** The lines that end in this chunk. */
  push(chunk: Buffer): LogLine[] {
    const lines: LogLine[] = [];
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(LINE_END, start);
      if (end === -1) {
        break;
      }
      this.keep(chunk.subarray(start, end));
      this.finish(lines, true);
      start = end + 1;
    }
    this.keep(chunk.subarray(start));
    return lines;
  }

  /** The last line, when it has no end. */
  end(): LogLine[] {
    const lines: LogLine[] = [];
    if (this.openBytes > 0) {
      this.finish(lines, false);
    }
    return lines;
  }

  private keep(bytes: Buffer): void {
    if (bytes.length > 0) {
      if (this.openBytes + bytes.length <= MAX_LINE_BYTES) {
        this.open.push(bytes);
      }
      this.openBytes += bytes.length;
    }
  }

  private finish(lines: LogLine[], isEnded: boolean): void {
    const [first] = this.open;
    const bytes = this.open.length === 1 && first !== undefined ? first : Buffer.concat(this.open);
    const isTooLong = this.openBytes > MAX_LINE_BYTES;
    this.open = [];
    this.openBytes = 0;
    this.number += 1;
    if (isTooLong || !isUtf8(bytes)) {
      lines.push(this.refused(isTooLong ? LINE_TOO_LONG : NOT_UTF8, isEnded));
      return;
    }
    let text = bytes.toString('utf8');
    if (this.number === 1 && text.startsWith(BYTE_ORDER_MARK)) {
      text = text.slice(1);
    }
    if (text.endsWith('\r')) {
      text = text.slice(0, -1);
    }
    if (text.trim() !== '') {
      lines.push({ number: this.number, text, refusal: null, isEnded });
    }
  }

  private refused(refusal: LineRefusal, isEnded: boolean): LogLine {
    return { number: this.number, text: '', refusal, isEnded };
  }
}
