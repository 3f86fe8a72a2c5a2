/* How rows of an export are written, as CSV or NDJSON: pure. */
import { formatDecimal } from '../../kernel/decimal.js';
import { formatInstant } from '../../kernel/instant.js';
import { type ExportRow } from './export.service.js';

export const EXPORT_FORMATS = ['csv', 'ndjson'] as const;

export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export const CONTENT_TYPES: Readonly<Record<ExportFormat, string>> = {
  csv: 'text/csv; charset=utf-8; header=present',
  ndjson: 'application/x-ndjson',
};

const NAMES: Readonly<Record<string, ExportFormat>> = {
  'text/csv': 'csv',
  'application/x-ndjson': 'ndjson',
  'application/ndjson': 'ndjson',
};

/** What an Accept header likes best of the formats there are (RFC 9110, 12.5.1); NDJSON when it names none. */
export function preferredFormat(accept: string): ExportFormat {
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

/** Writes what comes before the rows, and the rows. */
export interface ExportWriter {
  readonly head: string;
  write(rows: readonly ExportRow[]): string;
}

/** @param groupBy names of groups; in CSV a column each */
export function writerOf(
  format: ExportFormat,
  groupBy: readonly string[],
  timeZone: string,
): ExportWriter {
  switch (format) {
    case 'csv':
      return {
        head: toRecord([
          'meter',
          'customer',
          'subject',
          'window_start',
          'window_end',
          ...groupBy.map((key) => `group_${key}`),
          'quantity',
          'unit',
        ]),
        write: (rows) => rows.map((row) => toRecord(cellsOf(row, groupBy, timeZone))).join(''),
      };
    case 'ndjson':
      return {
        head: '',
        write: (rows) => rows.map((row) => `${JSON.stringify(toObject(row, timeZone))}\n`).join(''),
      };
  }
}

function toObject(row: ExportRow, timeZone: string): object {
  return {
    meter: row.meter.key,
    customer: row.customer,
    subject: row.subject,
    window_start: formatInstant(row.bucket.start, timeZone),
    window_end: formatInstant(row.bucket.end, timeZone),
    group: row.group,
    quantity: formatDecimal(row.quantity),
    unit: row.meter.unit,
  };
}

function cellsOf(row: ExportRow, groupBy: readonly string[], timeZone: string): string[] {
  return [
    ...[row.meter.key, row.customer, row.subject].map(toCell),
    formatInstant(row.bucket.start, timeZone),
    formatInstant(row.bucket.end, timeZone),
    ...groupBy.map((key) => toCell(row.group[key] ?? null)),
    formatDecimal(row.quantity),
    toCell(row.meter.unit),
  ];
}

/** RFC 4180. */
function toRecord(cells: readonly string[]): string {
  return `${cells.join(',')}\r\n`;
}

/** What makes a spreadsheet take a cell for a formula, wide forms too (OWASP, "CSV Injection"). */
const BEGINS_FORMULA = /^[=+\-@\t\r\n＝＋－＠']/;

/**
 * A text as a cell: nothing is empty, and the empty text is quoted. What a spreadsheet would run gets
 * an apostrophe before it, and so does what begins with one, so that a reader can take it away again.
 */
function toCell(text: string | null): string {
  if (text === null) {
    return '';
  }
  const harmless = BEGINS_FORMULA.test(text) ? `'${text}` : text;
  return harmless === '' || /[",\r\n]/.test(harmless)
    ? `"${harmless.replaceAll('"', '""')}"`
    : harmless;
}
