/* Sums by currency, on both sides. Pure: minor units as bigint, and never one currency added to another. */
import { formatAmount, isCurrency } from '../../kernel/money.js';
import { type Money } from './difference.js';

/** Minor units by currency. */
export type Sums = ReadonlyMap<string, bigint>;

/** What a reconciliation comes to in one currency. */
export interface Totals {
  /** What the ledger bills, and what Stripe does; what is in flight counts in neither. */
  readonly ledgerMinor: bigint;
  readonly stripeMinor: bigint;
  /** Line items that were still to be sent. */
  readonly inFlightMinor: bigint;
  readonly inFlightCount: number;
  /** Items at Stripe that are none of ours. */
  readonly notOursMinor: bigint;
  readonly notOursCount: number;
}

export type TotalsByCurrency = ReadonlyMap<string, Totals>;

const NOTHING: Totals = {
  ledgerMinor: 0n,
  stripeMinor: 0n,
  inFlightMinor: 0n,
  inFlightCount: 0,
  notOursMinor: 0n,
  notOursCount: 0,
};

/** Adds an amount to the sum of its currency; nothing is added for null. */
export function addTo(sums: Map<string, bigint>, money: Money | null): void {
  if (money !== null) {
    sums.set(money.currency, (sums.get(money.currency) ?? 0n) + money.amountMinor);
  }
}

/** The totals with something added to those of one currency. */
export function plus(
  totals: TotalsByCurrency,
  currency: string,
  more: Partial<Totals>,
): TotalsByCurrency {
  const before = totals.get(currency) ?? NOTHING;
  const after: Totals = {
    ledgerMinor: before.ledgerMinor + (more.ledgerMinor ?? 0n),
    stripeMinor: before.stripeMinor + (more.stripeMinor ?? 0n),
    inFlightMinor: before.inFlightMinor + (more.inFlightMinor ?? 0n),
    inFlightCount: before.inFlightCount + (more.inFlightCount ?? 0),
    notOursMinor: before.notOursMinor + (more.notOursMinor ?? 0n),
    notOursCount: before.notOursCount + (more.notOursCount ?? 0),
  };
  return new Map(totals).set(currency, after);
}

/** The totals with what was compared added to both sides. */
export function plusCompared(
  totals: TotalsByCurrency,
  { ledger, stripe }: { readonly ledger: Sums; readonly stripe: Sums },
): TotalsByCurrency {
  const currencies = new Set([...ledger.keys(), ...stripe.keys()]);
  return [...currencies].reduce<TotalsByCurrency>(
    (sum, currency) =>
      plus(sum, currency, {
        ledgerMinor: ledger.get(currency) ?? 0n,
        stripeMinor: stripe.get(currency) ?? 0n,
      }),
    totals,
  );
}

/** The totals with line items that were still to be sent. */
export function plusInFlight(totals: TotalsByCurrency, lines: readonly Money[]): TotalsByCurrency {
  return lines.reduce<TotalsByCurrency>(
    (sum, { currency, amountMinor }) =>
      plus(sum, currency, { inFlightMinor: amountMinor, inFlightCount: 1 }),
    totals,
  );
}

/** By how much Stripe bills more than the ledger, by currency; what is level is left out. */
export function gapsOf(totals: TotalsByCurrency): Sums {
  return new Map(
    [...totals]
      .map(
        ([currency, { ledgerMinor, stripeMinor }]) =>
          [currency, stripeMinor - ledgerMinor] as const,
      )
      .filter(([, gap]) => gap !== 0n),
  );
}

/** What differences explain, by currency: theirs less ours; what comes to nothing is left out. */
export function explainedBy(
  differences: readonly { readonly ours: Money | null; readonly theirs: Money | null }[],
): Sums {
  const sums = new Map<string, bigint>();
  for (const { ours, theirs } of differences) {
    addTo(sums, theirs);
    addTo(sums, ours === null ? null : { ...ours, amountMinor: -ours.amountMinor });
  }
  return new Map([...sums].filter(([, sum]) => sum !== 0n));
}

/** Whether two sums by currency are the same. */
export function areEqual(left: Sums, right: Sums): boolean {
  return (
    left.size === right.size && [...left].every(([currency, sum]) => right.get(currency) === sum)
  );
}

/** As people write it; in a currency that is not known here (of items that are not ours) in minor units. */
export function shown(amountMinor: bigint, currency: string): string {
  return isCurrency(currency) ? formatAmount(amountMinor, currency) : amountMinor.toString();
}
