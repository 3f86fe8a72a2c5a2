/* The event with which a level was reached, among the last ones: pure. */
import { type Decimal } from '../../kernel/decimal.js';
import { type Contribution } from '../../usage/changes/contribution.js';

export interface FoundCrossing {
  readonly contribution: Contribution;
  /** The quantity without the event, and with it. */
  readonly before: Decimal;
  readonly after: Decimal;
}

/**
 * Goes back from the quantity that there is now, in the order in which events came, to the last one before
 * which the level was not reached: with it the level was reached for good.
 *
 * @param contributions the last events, all of them up to now, in their order
 * @param isReached whether a quantity has reached the level
 * @returns null when the level was reached before the first of them
 */
export function findCrossing(
  contributions: readonly Contribution[],
  quantity: Decimal,
  isReached: (quantity: Decimal) => boolean,
): FoundCrossing | null {
  let after = quantity;
  for (const contribution of contributions.toReversed()) {
    const before = after.minus(contribution.value);
    if (!isReached(before)) {
      return { contribution, before, after };
    }
    after = before;
  }
  return null;
}
