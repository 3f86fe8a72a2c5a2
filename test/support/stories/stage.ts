import { type Stripe } from 'stripe';
import { StreamRunsService } from '../../../src/billing/meter-events/stream-runs.service.js';
import { PlacingService } from '../../../src/billing/drafts/placing.service.js';
import { InvoiceEventsService } from '../../../src/billing/invoices/invoice-events.service.js';
import { PushService } from '../../../src/billing/sync/push.service.js';
import { type Customer } from '../../../src/customers/customer.js';
import { EventPollService } from '../../../src/stripe/event-poll.service.js';
import { type TestBilling } from '../billing.js';
import { type FakeClock } from '../fake-clock.js';

export const SECOND_MS = 1_000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;

/** A customer here and at Stripe, who pays there by card. */
export interface Payer {
  readonly customer: Customer;
  readonly stripeCustomerId: string;
}

/**
 * Where a story is played: the whole application and Stripe's sandbox, or the double in its place, both on a
 * clock that only the story moves. No webhook ever comes, so whatever Stripe does is found by the poll.
 */
export interface Stage {
  readonly billing: TestBilling;
  readonly sdk: Stripe;
  readonly clock: FakeClock;
  payer(): Promise<Payer>;
  /** A subscription at Stripe with a monthly fee, from now on; answers its id. */
  subscribeAtStripe(payer: Payer, feeMinor: number): Promise<string>;
  /** An active meter at Stripe that sums up; answers its event name and id. */
  meter(): Promise<{ readonly eventName: string; readonly id: string }>;
  /** Both clocks go on, and Stripe does what is due until then. */
  goTo(instant: Date): Promise<void>;
  /** Where Stripe takes its time, the poll looks back as far as the story goes. */
  beforePoll(): Promise<void>;
  /** Repeats a check, and work before it, until it holds; throws what it threw last. */
  eventually(check: () => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

/** Everything that workers do, until nothing is left to do now. */
export async function work(stage: Stage): Promise<void> {
  const { billing, clock } = stage;
  await billing.closeAllDue();
  await stage.beforePoll();
  // The poll is due each minute.
  clock.advance(MINUTE_MS);
  let count: number;
  do {
    count = (await billing.get(EventPollService).pollOnce()) ? 1 : 0;
    count += await billing.get(InvoiceEventsService).processOnce();
    count += await billing.get(PlacingService).placeOnce();
    count += await billing.get(PushService).pushOnce();
    count += await billing.get(StreamRunsService).runOnce();
  } while (count > 0);
}
