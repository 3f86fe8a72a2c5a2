/* What a meter would have counted, beside what another one has: pure. */
import { type Decimal, decimal } from '../../kernel/decimal.js';
import { type QuarantineReason } from '../quarantined-value.js';
import { type UsageRow } from '../usage-row.js';

/** Quantities of the same usage; of nothing it is 0, as nothing is billed. */
export interface Comparison {
  readonly quantity: Decimal;
  /** What the other meter has counted; null when there is no other. */
  readonly comparedQuantity: Decimal | null;
}

export interface CustomerComparison extends Comparison {
  readonly customerId: string;
}

/** A value that the meter could not read, of an event that counts. */
export interface BadValue {
  readonly source: string;
  readonly eventId: string;
  readonly subject: string;
  readonly time: Date;
  readonly reason: QuarantineReason;
  /** JSON text; null when the event has none. */
  readonly value: string | null;
}

const ZERO = decimal('0');

/** How much more the meter would have counted than the other one; null when there is no other. */
export function differenceOf({ quantity, comparedQuantity }: Comparison): Decimal | null {
  return comparedQuantity === null ? null : quantity.minus(comparedQuantity);
}

/**
 * The customers of either answer; the largest difference, up or down, first, without another meter
 * the largest quantity, and of equal ones the older customer.
 *
 * @param compared the answer of the other meter; null when there is none
 */
export function compareCustomers(
  rows: readonly UsageRow[],
  compared: readonly UsageRow[] | null,
): CustomerComparison[] {
  const quantities = byCustomer(rows);
  const others = compared === null ? null : byCustomer(compared);
  const ids = [...new Set([...quantities.keys(), ...(others?.keys() ?? [])])];
  const weighed = ids.map((customerId) => {
    const comparison: CustomerComparison = {
      customerId,
      quantity: quantities.get(customerId) ?? ZERO,
      comparedQuantity: others === null ? null : (others.get(customerId) ?? ZERO),
    };
    return { comparison, weight: (differenceOf(comparison) ?? comparison.quantity).abs() };
  });
  return weighed
    .toSorted(
      (left, right) =>
        right.weight.cmp(left.weight) ||
        (left.comparison.customerId < right.comparison.customerId ? -1 : 1),
    )
    .map(({ comparison }) => comparison);
}

/** The sums; of nothing 0. */
export function totalOf(
  rows: readonly UsageRow[],
  compared: readonly UsageRow[] | null,
): Comparison {
  return { quantity: sum(rows), comparedQuantity: compared === null ? null : sum(compared) };
}

function sum(rows: readonly UsageRow[]): Decimal {
  return rows.reduce((total, { quantity }) => total.plus(quantity), ZERO);
}

function byCustomer(rows: readonly UsageRow[]): ReadonlyMap<string, Decimal> {
  return new Map(rows.map(({ customerId, quantity }) => [customerId ?? '', quantity]));
}
