/* Answers that are lines of any number, as CSV or NDJSON, and which of them a client likes. Pure. */

export const LINE_FORMATS = ['csv', 'ndjson'] as const;

export type LineFormat = (typeof LINE_FORMATS)[number];

export const CONTENT_TYPES: Readonly<Record<LineFormat, string>> = {
  csv: 'text/csv; charset=utf-8; header=present',
  ndjson: 'application/x-ndjson',
};

const NAMES: Readonly<Record<string, LineFormat>> = {
  'text/csv': 'csv',
  'application/x-ndjson': 'ndjson',
  'application/ndjson': 'ndjson',
};

/** What an Accept header likes best of the formats there are (RFC 9110, 12.5.1); NDJSON when it names none. */
export function preferredFormat(accept: string): LineFormat {
  const liked = accept.split(',').flatMap((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? '1';
    const format = NAMES[type];
    return format === undefined || !(Number(quality) > 0)
      ? []
      : [{ format, quality: Number(quality) }];
  });
  return liked.toSorted((left, right) => right.quality - left.quality)[0]?.format ?? 'ndjson';
}

/** Cells that are written already, as one record of RFC 4180. */
export function toRecord(cells: readonly string[]): string {
  return `${cells.join(',')}\r\n`;
}

/** What makes a spreadsheet take a cell for a formula, wide forms too (OWASP, "CSV Injection"). */
const BEGINS_FORMULA = /^[=+\-@\t\r\n＝＋－＠']/;

/**
 * A text as a cell: nothing is empty, and the empty text is quoted. What a spreadsheet would run gets
 * an apostrophe before it, and so does what begins with one, so that a reader can take it away again.
 * Numbers need none of it, and are written as they are.
 */
export function toCell(text: string | null): string {
  if (text === null) {
    return '';
  }
  const harmless = BEGINS_FORMULA.test(text) ? `'${text}` : text;
  return harmless === '' || /[",\r\n]/.test(harmless)
    ? `"${harmless.replaceAll('"', '""')}"`
    : harmless;
}
