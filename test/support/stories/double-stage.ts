import { DateTime } from 'luxon';
import { Stripe } from 'stripe';
import { startBilling } from '../billing.js';
import { FakeClock } from '../fake-clock.js';
import { startStripeDouble } from '../stripe-double/stripe-double.js';
import { type Stage } from './stage.js';

const SECRET_KEY = 'sk_test_of_the_stories';

/** A month later, as Stripe counts it from an anchor. */
const months = (start: Date, count: number): Date =>
  DateTime.fromJSDate(start, { zone: 'utc' }).plus({ months: count }).toJSDate();

/** A stage on which the double stands for Stripe. */
export async function startDoubleStage(): Promise<Stage> {
  const now = '2026-11-17T10:20:30Z';
  const clock = new FakeClock(now);
  const double = await startStripeDouble({ clock: () => clock.now().getTime() });
  const env = {
    STRIPE_SECRET_KEY: SECRET_KEY,
    STRIPE_API_BASE: double.url,
    // The pace is for tests of the pace.
    STRIPE_CALLS_PER_SECOND: '10000',
    STRIPE_ENDPOINT_CALLS_PER_SECOND: '10000',
  };
  const billing = await startBilling(now, { env, clock });
  const sdk = new Stripe(SECRET_KEY, { ...double.address, maxNetworkRetries: 0 });
  const renewals: { id: string; start: Date; count: number }[] = [];
  return {
    billing,
    sdk,
    clock,
    payer: async () => {
      const { id } = await sdk.customers.create({
        payment_method: 'pm_card_visa',
        invoice_settings: { default_payment_method: 'pm_card_visa' },
      });
      const customer = await billing.customer({ stripeCustomerId: id });
      return { customer, stripeCustomerId: id };
    },
    subscribeAtStripe: async ({ stripeCustomerId: customer }, feeMinor) => {
      const start = clock.now();
      const terms = { customer, currency: 'usd', amount: feeMinor, start, end: months(start, 1) };
      const { id } = await double.subscribe(terms);
      renewals.push({ id, start, count: 1 });
      return id;
    },
    meter: async () => {
      const eventName = 'story_requests';
      const meter = await sdk.billing.meters.create({
        display_name: eventName,
        event_name: eventName,
        default_aggregation: { formula: 'sum' },
      });
      return { eventName, id: meter.id };
    },
    goTo: async (instant) => {
      clock.set(instant);
      for (const renewal of renewals) {
        if (months(renewal.start, renewal.count) <= instant) {
          renewal.count += 1;
          await double.renew(renewal.id, months(renewal.start, renewal.count));
        }
      }
      await double.finalizeDue();
      for (const { head } of double.state().invoices) {
        if (head.status === 'open') {
          await double.advance(head.id);
        }
      }
    },
    beforePoll: async () => {
      await Promise.resolve();
    },
    eventually: async (check) => {
      await check();
    },
    close: async () => {
      await double.close();
      await billing.close();
    },
  };
}
