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

/** Everything that was billed, is to be billed or was waived for one price of a period. */
export interface BilledLine {
  /** The line item that was written first. */
  readonly lineItemId: string;
  /** Whether it is a fee, which no usage changes. */
  readonly isFee: boolean;
  /** Of that line item. */
  readonly description: string;
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
 * The differences of a period, in the order of its lines; then what was billed and makes no line any more,
 * since all of the period turned out to be paused: nothing of it is owed. Fees are left out, since no usage
 * changes them; so is what the period billed no line for.
 *
 * @param billed by the id of the price
 * @param label what descriptions begin with
 */
export function differences(
  rated: readonly RatedAnew[],
  billed: ReadonlyMap<string, BilledLine>,
  label = 'Adjustment',
): Difference[] {
  const found = rated.flatMap(({ price, charge, amountMinor, steps, description }) => {
    const before = billed.get(price.id);
    if (before === undefined || charge.kind === 'flat') {
      return [];
    }
    const quantity = charge.kind === 'usage' ? charge.quantity.minus(before.quantity ?? '0') : null;
    return {
      lineItemId: before.lineItemId,
      priceId: price.id,
      quantity,
      amountMinor: amountMinor - before.amountMinor,
      steps,
      description: `${label}: ${description}`,
    };
  });
  return [...found, ...givenBack(rated, billed, label)].filter(
    ({ amountMinor, quantity }) => amountMinor !== 0n || quantity?.eq(0) === false,
  );
}

function givenBack(
  rated: readonly RatedAnew[],
  billed: ReadonlyMap<string, BilledLine>,
  label: string,
): Difference[] {
  const rates = new Set(rated.map(({ price }) => price.id));
  return [...billed].flatMap(([priceId, before]) =>
    before.isFee || rates.has(priceId)
      ? []
      : {
          lineItemId: before.lineItemId,
          priceId,
          quantity: before.quantity?.times('-1') ?? null,
          amountMinor: -before.amountMinor,
          steps: [],
          description: `${label}: ${before.description}`,
        },
  );
}

/** What several differences come to. */
export function totalOf(found: readonly Pick<Difference, 'amountMinor'>[]): bigint {
  return found.reduce((sum, { amountMinor }) => sum + amountMinor, 0n);
}
