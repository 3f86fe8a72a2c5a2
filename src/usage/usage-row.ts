/* A row of an answer, as it comes from a statement and as callers have it. Pure. */
import { type Decimal, decimal, quotient, trimDecimal } from '../kernel/decimal.js';
import { type Meter } from '../meters/meter.js';
import { MICROS_PER_HOUR } from './levels.sql.js';

/** Digits after the point of an average, and of a level over time: what numeric(38, 12) has. */
const QUOTIENT_SCALE = 12;

export interface UsageRow<Quantity = Decimal> {
  readonly customerId: string | null;
  /** Null unless the question is by subject. */
  readonly subject: string | null;
  /** Place in the question's buckets. */
  readonly bucket: number;
  /** Values of the question's `groupBy`, in its order. */
  readonly groups: readonly (string | null)[];
  readonly quantity: Quantity;
}

/** The same with its quantity as it is shown: in plain notation, without trailing zeros. */
export type UsageLine = UsageRow<string>;

/** As a statement answers it. */
export interface Row {
  readonly customer_id: string | null;
  readonly subject: string | null;
  readonly bucket: string;
  readonly groups: readonly (string | null)[];
  /** Null of a count. */
  readonly value: string | null;
  /** How many events, of a count and of what is divided by it. */
  readonly divisor: string | null;
}

/** A row with its quantity, which an average and a level come to by the one division there is. */
export function toLine(meter: Meter, row: Row): UsageLine {
  return {
    customerId: row.customer_id,
    subject: row.subject,
    bucket: Number(row.bucket) - 1,
    groups: row.groups,
    quantity: quantityOf(meter, row),
  };
}

/** The same with its quantity as a number. */
export function fromRow(meter: Meter, row: Row): UsageRow {
  return fromLine(toLine(meter, row));
}

export const fromLine = (line: UsageLine): UsageRow => ({
  ...line,
  quantity: decimal(line.quantity),
});

function quantityOf({ aggregation }: Meter, { value, divisor }: Row): string {
  switch (aggregation.kind) {
    case 'count':
      return divisor ?? '0';
    case 'avg':
      return quotient(value ?? '0', BigInt(divisor ?? '1'), QUOTIENT_SCALE);
    case 'time_weighted_sum':
      return quotient(value ?? '0', MICROS_PER_HOUR, QUOTIENT_SCALE);
    case 'sum':
    case 'min':
    case 'max':
    case 'latest':
    case 'unique_count':
    case 'percentile':
      return trimDecimal(value ?? '0');
  }
}
