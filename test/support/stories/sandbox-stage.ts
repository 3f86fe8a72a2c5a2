import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Stripe } from 'stripe';
import { startBilling } from '../billing.js';
import { FakeClock } from '../fake-clock.js';
import { keyFault } from './sandbox-key.js';
import { SECOND_MS, type Stage } from './stage.js';

/** Sums of meters come some minutes late, and a month of a test clock takes up to a minute. */
const PATIENCE_MS = 600 * SECOND_MS;
const PAUSE_MS = 5 * SECOND_MS;

/**
 * A stage in Stripe's sandbox, on a test clock of its own that is deleted with all that hangs on it.
 *
 * @param at another address of Stripe's API, which is the double's, and when the story begins there; without
 *   it Stripe itself, and now
 */
export async function startSandboxStage(
  key: string,
  at?: { readonly apiBase: URL; readonly start: string },
): Promise<Stage> {
  const fault = keyFault(key);
  if (fault !== null) {
    throw new Error(fault);
  }
  const address =
    at === undefined
      ? {}
      : { host: at.apiBase.hostname, port: at.apiBase.port, protocol: 'http' as const };
  const sdk = new Stripe(key, { maxNetworkRetries: 3, timeout: 30 * SECOND_MS, ...address });
  // Whole seconds, as Stripe's clocks have them.
  const begin = at === undefined ? Date.now() : Date.parse(at.start);
  const start = new Date(Math.floor(begin / SECOND_MS) * SECOND_MS);
  const { testClocks } = sdk.testHelpers;
  const testClock = await testClocks.create({
    frozen_time: start.getTime() / SECOND_MS,
    name: 'Meterline stories',
  });
  const clock = new FakeClock(start.toISOString());
  const env = {
    STRIPE_SECRET_KEY: key,
    ...(at !== undefined && { STRIPE_API_BASE: at.apiBase.href }),
  };
  const billing = await startBilling(start.toISOString(), { env, clock });
  const meters: string[] = [];
  return {
    billing,
    sdk,
    clock,
    payer: async () => {
      const { id } = await sdk.customers.create({
        name: 'A payer of the stories',
        payment_method: 'pm_card_visa',
        invoice_settings: { default_payment_method: 'pm_card_visa' },
        test_clock: testClock.id,
      });
      const customer = await billing.customer({ stripeCustomerId: id });
      return { customer, stripeCustomerId: id };
    },
    subscribeAtStripe: async ({ stripeCustomerId: customer }, feeMinor) => {
      const price = await sdk.prices.create({
        currency: 'usd',
        unit_amount: feeMinor,
        recurring: { interval: 'month' },
        product_data: { name: 'A fee of the stories' },
      });
      return (await sdk.subscriptions.create({ customer, items: [{ price: price.id }] })).id;
    },
    meter: async () => {
      const eventName = `meterline_story_${randomBytes(6).toString('hex')}`;
      const meter = await sdk.billing.meters.create({
        display_name: eventName,
        event_name: eventName,
        default_aggregation: { formula: 'sum' },
      });
      meters.push(meter.id);
      return { eventName, id: meter.id };
    },
    goTo: async (instant) => {
      await testClocks.advance(testClock.id, {
        frozen_time: Math.ceil(instant.getTime() / SECOND_MS),
      });
      await eventually(async () => {
        const { status } = await testClocks.retrieve(testClock.id);
        expect(status).toBe('ready');
      });
      clock.set(instant);
    },
    beforePoll: async () => {
      // An event may be dated by the real clock or by the test clock: all since the start is looked through.
      await billing.rows(
        `UPDATE provider_event_polls SET polled_from = $1::timestamptz - interval '10 minutes'
         WHERE provider = 'stripe' AND after_event_id IS NULL`,
        [start],
      );
    },
    eventually,
    close: async () => {
      await billing.close();
      for (const meter of meters) {
        await sdk.billing.meters.deactivate(meter);
      }
      await testClocks.del(testClock.id);
    },
  };
}

async function eventually(check: () => Promise<void>): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      if (performance.now() > until) {
        throw error;
      }
      await sleep(PAUSE_MS);
    }
  }
}
