/*
 * A reconciliation as a file: sums by currency, then every difference, one line each. Pure. A difference
 * between two currencies has a line in each, so that a column of numbers adds up in a spreadsheet.
 */
import { type LineFormat, toCell, toRecord } from '../../platform/http/line-format.js';
import { type Difference } from './difference.js';
import { type Reconciliation } from './reconciliation.js';
import { showTotals } from './reconciliation-message.js';
import { shown } from './totals.js';

const COLUMNS = [
  'record',
  'currency',
  'ledger',
  'stripe',
  'gap',
  'count',
  'class',
  'difference',
  'line_item',
  'invoice',
  'stripe_id',
  'stripe_invoice_id',
  'repair',
  'state',
  'detail',
  'outcome',
] as const;

/** Numbers, which a spreadsheet is to take for such. */
const NUMBERS: ReadonlySet<string> = new Set(['ledger', 'stripe', 'gap', 'count']);

export type ReportLine = Readonly<Record<(typeof COLUMNS)[number], string | number | null>>;

const EMPTY = Object.fromEntries(COLUMNS.map((name) => [name, null])) as ReportLine;

/** The lines before the differences: for each currency what both sides bill, what is on its way, what is not ours. */
export function totalLines(reconciliation: Reconciliation): ReportLine[] {
  return showTotals(reconciliation).flatMap((sums) => [
    {
      ...EMPTY,
      record: 'total',
      currency: sums.currency,
      ledger: sums.ledger,
      stripe: sums.stripe,
      gap: sums.gap,
    },
    {
      ...EMPTY,
      record: 'in_flight',
      currency: sums.currency,
      ledger: sums.in_flight,
      count: sums.in_flight_count,
    },
    {
      ...EMPTY,
      record: 'not_ours',
      currency: sums.currency,
      stripe: sums.not_ours,
      count: sums.not_ours_count,
    },
  ]);
}

/** The lines of one difference: one for each currency of it; one without amounts when there is no money in it. */
export function differenceLines(difference: Difference): ReportLine[] {
  const { ours, theirs } = difference;
  const rest = {
    ...EMPTY,
    record: 'difference',
    class: difference.class,
    difference: difference.id,
    line_item: difference.lineItemId,
    invoice: difference.invoiceId,
    stripe_id: difference.stripeId,
    stripe_invoice_id: difference.stripeInvoiceId,
    repair: difference.repair,
    state: difference.state,
    detail: difference.detail,
    outcome: difference.outcome,
  };
  const currencies = [...new Set([ours, theirs].flatMap((money) => money?.currency ?? []))];
  if (currencies.length === 0) {
    return [rest];
  }
  return currencies.map((currency) => {
    const billed = ours?.currency === currency ? ours.amountMinor : null;
    const asked = theirs?.currency === currency ? theirs.amountMinor : null;
    return {
      ...rest,
      currency,
      ledger: billed === null ? null : shown(billed, currency),
      stripe: asked === null ? null : shown(asked, currency),
      gap: shown((asked ?? 0n) - (billed ?? 0n), currency),
    };
  });
}

/** What stands before the lines. */
export function headOf(format: LineFormat): string {
  return format === 'csv' ? toRecord(COLUMNS) : '';
}

/** Lines as text. */
export function writeLines(format: LineFormat, lines: readonly ReportLine[]): string {
  return lines
    .map((line) => (format === 'csv' ? toCsv(line) : `${JSON.stringify(line)}\n`))
    .join('');
}

function toCsv(line: ReportLine): string {
  return toRecord(
    COLUMNS.map((name) => {
      const value = line[name];
      return NUMBERS.has(name)
        ? String(value ?? '')
        : toCell(value === null ? null : String(value));
    }),
  );
}
