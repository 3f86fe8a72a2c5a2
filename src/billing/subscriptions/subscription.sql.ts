/* How what several statements read of subscriptions is written in its table. */
import { type OpenInterval } from '../../kernel/interval.js';
import { type Anchor } from '../periods/cadence.js';
import { type Billing } from './subscription.js';

/** The bounds of a pause as JSON has them; null: not resumed yet. */
export type PauseTuple = readonly [start: string, end: string | null];

/** A column of a table `subscription`, for `pausesOf`. */
export const PAUSES = `(SELECT coalesce(json_agg(json_build_array(lower(pause), upper(pause)) ORDER BY pause), '[]')
    FROM unnest(subscription.pauses) AS pause) AS pauses`;

export function pausesOf(tuples: readonly PauseTuple[]): OpenInterval[] {
  return tuples.map(([start, end]) => ({
    start: new Date(start),
    end: end === null ? null : new Date(end),
  }));
}

export function anchorOf(row: {
  readonly anchor: Anchor['kind'];
  readonly anchor_at: Date | null;
}): Anchor {
  return row.anchor_at === null ? { kind: 'calendar' } : { kind: 'anniversary', at: row.anchor_at };
}

export function billingOf(row: {
  readonly provider: Billing['provider'];
  readonly finalize: boolean;
  readonly stripe_subscription_id: string | null;
}): Billing {
  return row.provider === 'stripe'
    ? {
        provider: 'stripe',
        finalize: row.finalize,
        ...(row.stripe_subscription_id !== null && {
          stripeSubscription: row.stripe_subscription_id,
        }),
      }
    : { provider: 'none' };
}
