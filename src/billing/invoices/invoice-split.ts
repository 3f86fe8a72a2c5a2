/*
 * Which line items go on which invoice when there are more than one invoice of Stripe's holds. The same
 * line items are always split the same way. Pure.
 */

/** What of a line item decides where it goes. */
export interface Carried {
  readonly amountMinor: bigint;
}

/**
 * Splits line items over as few invoices as hold them, at most `max` on each. What is charged stays in
 * order and is spread evenly; what is credited goes where the most is charged, so that no customer
 * pays one invoice in full for the credit that stands on another one.
 *
 * @returns the line items of each invoice, in the order in which they came; none for none
 */
export function splitForInvoices<Item extends Carried>(
  items: readonly Item[],
  max: number,
): Item[][] {
  const count = Math.ceil(items.length / max);
  if (count <= 1) {
    return items.length === 0 ? [] : [[...items]];
  }
  const charged = items.filter(({ amountMinor }) => amountMinor >= 0n);
  const size = Math.ceil(charged.length / count);
  const parts = Array.from({ length: count }, (_, part) => {
    const chosen = charged.slice(part * size, (part + 1) * size);
    return { chosen: new Set(chosen), totalMinor: sum(chosen) };
  });
  const credited = items
    .filter(({ amountMinor }) => amountMinor < 0n)
    .toSorted((a, b) => compare(a.amountMinor, b.amountMinor));
  for (const item of credited) {
    const [richest] = parts
      .filter(({ chosen }) => chosen.size < max)
      .toSorted((a, b) => compare(b.totalMinor, a.totalMinor));
    if (richest === undefined) {
      throw new Error(`${count} invoices of ${max} do not hold ${items.length} line items`);
    }
    richest.chosen.add(item);
    richest.totalMinor += item.amountMinor;
  }
  return parts
    .map(({ chosen }) => items.filter((item) => chosen.has(item)))
    .filter((part) => part.length > 0);
}

function sum(items: readonly Carried[]): bigint {
  return items.reduce((total, { amountMinor }) => total + amountMinor, 0n);
}

function compare(a: bigint, b: bigint): number {
  if (a === b) {
    return 0;
  }
  return a < b ? -1 : 1;
}
