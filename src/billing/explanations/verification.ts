/* What a line item was, held against what it comes to when it is computed again: pure. */
import { isDeepStrictEqual } from 'node:util';
import { type Decimal, decimal } from '../../kernel/decimal.js';
import { type RatingStep } from '../../pricing/rating-step.js';
import { type LineItem, quantityOf } from '../ledger/line-item.js';
import { type CountedLine } from './counted-line.js';

const NOTHING = decimal('0');

/** What a line item comes to. */
export interface Outcome {
  /** Null but for usage. */
  readonly quantity: Decimal | null;
  readonly amountMinor: bigint;
}

/** A period's price, computed again as a whole. */
export interface Recomputed extends Outcome {
  readonly currency: string;
  readonly steps: readonly RatingStep[];
}

/** Why nothing can be said: events are gone, or the price makes no line in its period any more. */
export type Unverifiable =
  | { readonly code: 'events_dropped'; readonly months: readonly string[] }
  | { readonly code: 'not_rated' };

export type Verdict =
  | {
      readonly outcome: 'agrees' | 'differs';
      readonly recomputed: Outcome;
      readonly steps: readonly RatingStep[];
      /** Whether the steps that are stored are those that lead to the amount. */
      readonly doStepsAgree: boolean;
    }
  | { readonly outcome: 'unverifiable'; readonly reason: Unverifiable };

export interface Verification extends CountedLine {
  /** What an adjustment is the difference to: all that was billed or dismissed before; null unless it is one. */
  readonly before: Outcome | null;
  readonly verdict: Verdict;
}

export function storedOf({ charge, amountMinor }: LineItem): Outcome {
  return { quantity: quantityOf(charge), amountMinor };
}

/** What several line items, and lines of late usage, come to together. */
export function totalOf(outcomes: readonly Outcome[]): Outcome {
  const quantities = outcomes.map(({ quantity }) => quantity);
  const isUsage = quantities.some((quantity) => quantity !== null);
  return {
    quantity: isUsage
      ? quantities.reduce<Decimal>((sum, quantity) => sum.plus(quantity ?? NOTHING), NOTHING)
      : null,
    amountMinor: outcomes.reduce((sum, { amountMinor }) => sum + amountMinor, 0n),
  };
}

/**
 * Whether a line item is what it comes to: to the cent, to the last digit of its quantity.
 *
 * @param before what an adjustment is the difference to; null: all of it was billed at once
 */
export function verdictOf(
  item: LineItem,
  recomputed: Recomputed,
  before: Outcome | null,
): Extract<Verdict, { recomputed: Outcome }> {
  const stored = storedOf(item);
  const due: Outcome = {
    quantity: differenceOf(recomputed.quantity, before),
    amountMinor: recomputed.amountMinor - (before?.amountMinor ?? 0n),
  };
  const isSameQuantity =
    due.quantity === null || stored.quantity === null
      ? due.quantity === stored.quantity
      : due.quantity.eq(stored.quantity);
  const agrees =
    isSameQuantity &&
    due.amountMinor === stored.amountMinor &&
    recomputed.currency === item.currency;
  return {
    outcome: agrees ? 'agrees' : 'differs',
    recomputed: due,
    steps: recomputed.steps,
    doStepsAgree: isDeepStrictEqual(recomputed.steps, item.steps),
  };
}

function differenceOf(quantity: Decimal | null, before: Outcome | null): Decimal | null {
  return quantity === null || before === null
    ? quantity
    : quantity.minus(before.quantity ?? NOTHING);
}
