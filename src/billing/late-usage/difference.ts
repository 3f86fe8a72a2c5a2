/*
 * What a closed period would have billed more or less, had it known what came since: the period is
 * rated anew as a whole, and from each line is taken what was billed for it so far. So tiers, minima
 * and limits of the invoice come out as if nothing had been late, and all that is ever billed of a
 * price adds up to its last rating. Pure.
 */
import { type Decimal } from '../../kernel/decimal.js';
import { type MinorUnits } from '../../kernel/money.js';
import { type Price } from '../../pricing/plan.js';
import { type RatingStep } from '../../pricing/rating-step.js';
import { type PeriodCharge } from '../ledger/line-item.js';

/** Everything that was billed, is to be billed or was waived for one price of a closed period. */
export interface BilledLine {
  /** The line item that was written when the period closed. */
  readonly lineItemId: string;
  readonly amountMinor: bigint;
  /** Null but for usage. */
  readonly quantity: Decimal | null;
}

/** How a line of a closed period differs from what was billed for it; never nothing at all. */
export interface Difference {
  readonly lineItemId: string;
  readonly priceId: string;
  /** Null but for usage. */
  readonly quantity: Decimal | null;
  readonly amountMinor: bigint;
  /** Of the whole amount, as rated anew. */
  readonly steps: readonly RatingStep[];
  readonly description: string;
}

/** A line as a period is rated. */
interface RatedAnew {
  readonly price: Pick<Price, 'id'>;
  readonly charge: PeriodCharge;
  readonly amountMinor: MinorUnits;
  readonly steps: readonly RatingStep[];
  readonly description: string;
}

/**
 * The differences of a period, in the order of its lines. Fees are left out, since no usage changes
 * them; so is what the period billed no line for.
 *
 * @param billed by the id of the price
 * @param label what descriptions begin with
 */
export function differences(
  rated: readonly RatedAnew[],
  billed: ReadonlyMap<string, BilledLine>,
  label = 'Adjustment',
): Difference[] {
  return rated.flatMap(({ price, charge, amountMinor, steps, description }) => {
    const before = billed.get(price.id);
    if (before === undefined || charge.kind === 'flat') {
      return [];
    }
    const amount = amountMinor - before.amountMinor;
    const quantity = charge.kind === 'usage' ? charge.quantity.minus(before.quantity ?? '0') : null;
    return amount === 0n && (quantity === null || quantity.eq(0))
      ? []
      : [
          {
            lineItemId: before.lineItemId,
            priceId: price.id,
            quantity,
            amountMinor: amount,
            steps,
            description: `${label}: ${description}`,
          },
        ];
  });
}

/** What several differences come to. */
export function totalOf(found: readonly Pick<Difference, 'amountMinor'>[]): bigint {
  return found.reduce((sum, { amountMinor }) => sum + amountMinor, 0n);
}
