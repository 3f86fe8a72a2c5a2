/* How rows of an export are written, as CSV or NDJSON: pure. */
import { formatDecimal } from '../../kernel/decimal.js';
import { formatInstant } from '../../kernel/instant.js';
import { type LineFormat, toCell, toRecord } from '../../platform/http/line-format.js';
import { type ExportRow } from './export.service.js';

/** Writes what comes before the rows, and the rows. */
export interface ExportWriter {
  readonly head: string;
  write(rows: readonly ExportRow[]): string;
}

/** @param groupBy names of groups; in CSV a column each */
export function writerOf(
  format: LineFormat,
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
