/** One record of a log as its text: a line, or an element of a JSON array. */
export interface LogLine {
  /** Its place in the log, from 1. */
  readonly number: number;
  /** On one line, without its end. */
  readonly text: string;
  /** Why it cannot be sent at all; null when it can. */
  readonly refusal: LineRefusal | null;
  /** False for a last line without an end, which may yet grow. */
  readonly isEnded: boolean;
}

export interface LineRefusal {
  readonly code: string;
  readonly detail: string;
}

/** Cuts the bytes of a log into records; `end` answers what is left, at the end of the log. */
export interface Splitter {
  push(chunk: Buffer): LogLine[];
  end(): LogLine[];
}

/** Far beyond any line that becomes an event; a longer one is refused, and not kept in memory. */
export const MAX_LINE_BYTES = 1_048_576;

export const LINE_TOO_LONG: LineRefusal = {
  code: 'line_too_long',
  detail: `The line has more than ${MAX_LINE_BYTES} bytes.`,
};
export const NOT_UTF8: LineRefusal = { code: 'invalid_utf8', detail: 'The line is not UTF-8.' };
