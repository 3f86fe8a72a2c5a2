import { type MinorUnits } from '../kernel/money.js';

/**
 * One readable step on the way to the amount; all numbers are exact decimals in text. The `amount`s
 * before `round` add up to that of `round`; what a limit changes stands after it. The last
 * `amount_minor` is the amount of the line.
 */
export type RatingStep =
  | { readonly step: 'flat'; readonly amount: string }
  | {
      readonly step: 'included';
      readonly quantity: string;
      readonly included: string;
      /** What is left to charge for. */
      readonly charged_quantity: string;
      readonly amount: '0';
    }
  | {
      readonly step: 'per_unit';
      readonly quantity: string;
      readonly unit_price: string;
      readonly amount: string;
    }
  | {
      readonly step: 'tier';
      /** The tier holds what is more than `from`, up to `up_to`. */
      readonly from: string;
      readonly up_to: string | null;
      readonly quantity: string;
      readonly unit_price: string;
      readonly flat_amount: string;
      readonly amount: string;
    }
  | {
      readonly step: 'package';
      readonly quantity: string;
      readonly package_size: string;
      readonly packages: string;
      readonly package_price: string;
      readonly amount: string;
    }
  | {
      readonly step: 'percentage';
      readonly quantity: string;
      readonly percent: string;
      readonly amount: string;
    }
  | {
      readonly step: 'round';
      readonly rounding: 'half_up_away_from_zero';
      readonly amount: string;
      readonly currency: string;
      readonly amount_minor: string;
    }
  | {
      readonly step: 'minimum' | 'maximum';
      readonly limit: string;
      /** What it came to before: the line, or all other lines of the period. */
      readonly total: string;
      /** What has to be added to keep the limit; below zero where something is taken away. */
      readonly amount: string;
      readonly currency: string;
      /** Of the line, with this limit kept. */
      readonly amount_minor: string;
    };

export interface Rating {
  readonly amountMinor: MinorUnits;
  readonly steps: readonly RatingStep[];
}
