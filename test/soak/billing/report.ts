/* What a soak of billing came to, as lines. */
import { type BillingSoakResult } from './billing-soak.js';

/** Each figure with its name; differences are listed at the end. */
export function billingLines({
  tally,
  world,
  platform,
  subscribers,
  verdict,
}: BillingSoakResult): [name: string, value: string | number][] {
  return [
    ['subscriptions', listed(subscribers)],
    ['kills', listed(tally.kills)],
    ['faults of Stripe', listed(world.faults)],
    ['idempotency keys forgotten', world.keysForgotten],
    ["Stripe's drafts finalized too soon or not", world.draftsFinalized],
    ['line items', verdict.lineItems],
    ['  of them told to the platform', platform.taken.size],
    ['  told to it again', platform.repeats],
    ["units that Stripe's meters count", String(verdict.metered)],
    ['  of them adjustments', verdict.adjustments],
    ['  of them carried over to a later invoice', verdict.carriedOver],
    ['billed, in minor units', String(verdict.totalMinor)],
    ['differences', verdict.differences.length],
  ];
}

/** Counts by name. */
export function listed(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .toSorted(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, count]) => `${name}: ${count.toLocaleString('en')}`)
    .join(', ');
}
