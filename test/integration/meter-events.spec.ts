/*
 * Aim: Stripe's meters count the whole part of what was used, each unit once, in the right period.
 * Method: the application against the double of Stripe on one clock; what Stripe counts is read from the double.
 */
import { MeterLinksService } from '../../src/billing/meter-events/meter-links.service.js';
import { SettlingService } from '../../src/billing/meter-events/settling.service.js';
import { PlanChangesService } from '../../src/billing/subscriptions/plan-changes.service.js';
import { CustomersService } from '../../src/customers/customers.service.js';
import { ProviderEventsReader } from '../../src/stripe/provider-events.reader.js';
import { Fuse } from '../support/mortal.js';
import { MeterSending, type Sender } from '../support/meter-sending.js';
import { perUnit } from '../support/billing.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const EVENTS = '/v1/billing/meter_events$';
const ADJUSTMENTS = '/v1/billing/meter_event_adjustments$';

describe('meter events', () => {
  let sending: MeterSending;

  beforeAll(async () => {
    sending = await MeterSending.start();
  });

  afterAll(async () => {
    await sending.close();
  });

  beforeEach(async () => {
    sending.double.clearFaults();
    // Of the tests before, nothing is left to do.
    await sending.billing.rows('UPDATE meter_event_streams SET next_attempt_at = NULL');
    await sending.billing.rows(
      `UPDATE subscriptions SET sends_meter_events = false, ends_at = starts_at`,
    );
    await sending.billing.rows(`DELETE FROM billing_periods WHERE state = 'open'`);
    sending.clock.set(sending.month(1));
  });

  /** What endpoints were told of the failure of an event. */
  async function told(meterEvent: string): Promise<unknown[]> {
    const rows = await sending.billing.rows(
      `SELECT body::jsonb -> 'data' AS data FROM webhook_messages
       WHERE type = 'meter_event.failed' AND body::jsonb -> 'data' ->> 'meter_event' = $1`,
      [meterEvent],
    );
    return rows.map(({ data }) => data);
  }

  /** A customer of whom something was sent already. */
  async function sent(...values: string[]): Promise<Sender> {
    const sender = await sending.subscribe();
    await sending.use(sender, ...values);
    await sending.work(0);
    return sender;
  }

  it('sends the whole part of what is used, and the rest when it has become whole', async () => {
    const sender = await sent('1.4', '1.3');
    expect(sending.atStripe(sender)).toEqual([2]);
    await sending.use(sender, '0.2');
    await sending.work(1);
    expect(sending.atStripe(sender)).toEqual([2]);
    await sending.use(sender, '0.1');
    await sending.work(1);
    expect(sending.atStripe(sender)).toEqual([2, 1]);
    await sending.work(3);
    expect(sending.atStripe(sender)).toEqual([2, 1]);
    expect(await sending.shown(sender)).toEqual([
      { quantity: '3', sent: '3', difference: '0', state: 'open' },
    ]);
  });

  it('tells Stripe the time, within the period, each minute once', async () => {
    const sender = await sending.subscribe();
    const end = sending.month(1);
    sending.clock.set(new Date(end.getTime() - 30_000));
    for (let count = 0; count < 3; count += 1) {
      await sending.use(sender, '1');
      await sending.billing.rows('UPDATE meter_event_streams SET next_attempt_at = $1', [
        sending.clock.now(),
      ]);
      await sending.work(0);
    }
    const times = sending.double
      .state()
      .meterEvents.slice(-3)
      .map(({ timestamp }) => (end.getTime() - timestamp * 1_000) / 1_000);
    expect(times).toEqual([60, 120, 180]);
  });

  it('sends what came within the grace to its period, and the fraction with the next', async () => {
    const sender = await sent('10.5');
    const start = sending.month(0);
    const end = sending.month(1);
    sending.clock.set(new Date(end.getTime() + 300_000));
    await sending.useAt(sender, new Date(end.getTime() - 1_000), '2.2');
    await sending.useAt(sender, end, '0.4');
    await sending.work(1);
    expect(await sending.shown(sender)).toEqual([
      { quantity: '12.7', sent: '12', difference: '0.7', state: 'closed' },
      { quantity: '0.4', sent: '1', difference: '0.1', state: 'open' },
    ]);
    expect(await sending.summary(sender, start, end)).toBe(12);
    expect(await sending.summary(sender, end, sending.month(1))).toBe(1);
  });

  it('sends what comes later than the grace with the next period', async () => {
    const sender = await sent('10');
    const end = sending.month(1);
    await sending.workAt(new Date(end.getTime() + 2 * HOUR_MS));
    await sending.useAt(sender, new Date(end.getTime() - DAY_MS), '5');
    await sending.use(sender, '1');
    // Closed periods are measured once a day.
    await sending.work(26);
    expect(await sending.shown(sender)).toEqual([
      { quantity: '15', sent: '10', difference: '5', state: 'closed' },
      { quantity: '1', sent: '6', difference: '0', state: 'open' },
    ]);
    expect(await sending.summary(sender, sending.month(-1), end)).toBe(10);
  });

  it('takes back what was voided while Stripe allows it, and sends the rest anew', async () => {
    const sender = await sent('100');
    await sending.use(sender, '7');
    await sending.work(1);
    await sending.use(sender, '20');
    await sending.work(1);
    await sending.voidUsage(sender, '7');
    await sending.work(1);
    expect(sending.sumAtStripe(sender)).toBe(120);
    expect((await sending.events(sender)).map(({ state, value }) => `${value} ${state}`)).toEqual([
      '100 accepted',
      '7 cancelled',
      '20 accepted',
    ]);
    await sending.voidUsage(sender, '20');
    await sending.use(sender, '19');
    await sending.work(1);
    expect(sending.atStripe(sender)).toEqual([100, 19]);
  });

  it('lets later usage make up for what Stripe takes back no longer', async () => {
    const sender = await sent('100');
    sending.clock.advance(DAY_MS);
    await sending.voidUsage(sender, '100');
    await sending.use(sender, '30');
    await sending.work(1);
    expect(sending.atStripe(sender)).toEqual([100]);
    expect(await sending.shown(sender)).toMatchObject([{ quantity: '30', difference: '-70' }]);
    await sending.use(sender, '71.5');
    await sending.work(1);
    expect(sending.atStripe(sender)).toEqual([100, 1]);
  });

  it('carries what Stripe has too much into the next period', async () => {
    const sender = await sent('100');
    sending.clock.advance(DAY_MS);
    await sending.voidUsage(sender, '100');
    await sending.workAt(new Date(sending.month(1).getTime() + HOUR_MS));
    await sending.use(sender, '130');
    await sending.work(2);
    expect(await sending.shown(sender)).toEqual([
      { quantity: '0', sent: '100', difference: '-100', state: 'closed' },
      { quantity: '130', sent: '30', difference: '0', state: 'open' },
    ]);
  });

  it('sends nothing of a pause, and takes nothing of what follows an end', async () => {
    const sender = await sent('5');
    await sending.billing.rows(
      `UPDATE subscriptions SET pauses = tstzmultirange(tstzrange($2, NULL)) WHERE id = $1`,
      [sender.subscription.id, new Date(sending.clock.now().getTime() + 1)],
    );
    sending.clock.advance(HOUR_MS);
    await sending.use(sender, '50');
    await sending.work(2);
    expect(sending.atStripe(sender)).toEqual([5]);
  });

  it('goes on where a change of plan cuts the period', async () => {
    const sender = await sent('5.5');
    sending.clock.advance(DAY_MS);
    await sending.use(sender, '4.5');
    const plan = await sending.billing.plan([perUnit('1')], { graceSeconds: 600 });
    sending.clock.advance(HOUR_MS);
    await sending.billing
      .get(PlanChangesService)
      .change(sender.subscription.id, { plan: plan.plan.id, version: null, at: 'now' });
    await sending.use(sender, '2.6');
    await sending.work(2);
    expect(await sending.shown(sender)).toEqual([
      { quantity: '10', sent: '10', difference: '0', state: 'closed' },
      { quantity: '2.6', sent: '2', difference: '0.6', state: 'open' },
    ]);
  });

  it('takes everything back when the period was taken back', async () => {
    const sender = await sent('5');
    await sending.billing.rows(`DELETE FROM billing_periods WHERE subscription_id = $1`, [
      sender.subscription.id,
    ]);
    await sending.work(1);
    expect(sending.atStripe(sender)).toEqual([]);
  });

  it('is sent once however often no answer comes', async () => {
    const faults = [
      { kind: 'drop_before' },
      { kind: 'commit_then_drop' },
      { kind: 'error_500_after_commit' },
      { kind: 'error_500_before', stored: true },
      { kind: 'error_429', reason: 'endpoint-rate' },
      { kind: 'html_503' },
      { kind: 'slow', delayMs: 900, when: 'after' },
    ] as const;
    const impatient = await sending.mortalWorker(new Fuse(Infinity), { STRIPE_TIMEOUT_MS: '400' });
    for (const fault of faults) {
      const sender = await sending.subscribe();
      sending.double.orderFault({ method: 'POST', path: EVENTS, ...fault });
      await sending.use(sender, '40');
      await sending.work(0, fault.kind === 'slow' ? impatient.worker : sending.worker);
      await sending.work(3);
      expect({ fault, values: sending.atStripe(sender) }).toEqual({ fault, values: [40] });
      expect(await sending.events(sender)).toMatchObject([{ state: 'accepted', value: '40' }]);
    }
    await impatient.close();
  });

  it('looks, when Stripe may have forgotten the identifier, and sends what is not there', async () => {
    for (const [kind, states] of [
      ['commit_then_drop', ['accepted']],
      ['drop_before', ['absent', 'accepted']],
    ] as const) {
      const sender = await sending.subscribe();
      // The SDK itself sends once more when a connection was closed on it.
      sending.double.orderFault({ method: 'POST', path: EVENTS, kind, times: 2 });
      await sending.use(sender, '40');
      await sending.work(0);
      await sending.double.expireIdempotencyKeys();
      sending.clock.advance(25 * HOUR_MS);
      await sending.work(1);
      expect(sending.atStripe(sender)).toEqual([40]);
      expect((await sending.events(sender)).map(({ state }) => state)).toEqual(states);
    }
  });

  it('waits for a person when the sum of the minute fits neither', async () => {
    const sender = await sending.subscribe();
    sending.double.orderFault({ method: 'POST', path: EVENTS, kind: 'drop_before', times: 2 });
    await sending.use(sender, '40');
    await sending.work(0);
    // Somebody else sends to the same meter.
    await sending.sdk.billing.meterEvents.create({
      event_name: 'api_requests',
      payload: { stripe_customer_id: sender.stripeCustomerId, value: '3' },
      timestamp: Math.floor(sending.clock.now().getTime() / 1_000),
    });
    sending.clock.advance(25 * HOUR_MS);
    await sending.work(2);
    const [event] = await sending.events(sender);
    expect(event).toMatchObject({ state: 'failed' });
    expect(await told(event?.id ?? '')).toMatchObject([{ failure_code: 'unclear', value: '40' }]);
    const [stream] = await sending.streams(sender);
    expect(stream?.sums.failedCount).toBe(1);
    await sending.use(sender, '1');
    await sending.work(2);
    expect(sending.atStripe(sender)).toEqual([3]);
    await sending.billing.get(SettlingService).settle(event?.id ?? '', false);
    await sending.work(1);
    expect(sending.atStripe(sender)).toEqual([3, 41]);
  });

  it('cancels once however often no answer comes', async () => {
    const faults = [
      { kind: 'drop_before' },
      { kind: 'commit_then_drop' },
      { kind: 'error_500_after_commit' },
      { kind: 'error_429', reason: 'endpoint-rate' },
    ] as const;
    for (const fault of faults) {
      const sender = await sent('40');
      sending.double.orderFault({ method: 'POST', path: ADJUSTMENTS, ...fault });
      await sending.voidUsage(sender, '40');
      await sending.work(8);
      expect({ fault, values: sending.atStripe(sender) }).toEqual({ fault, values: [] });
      expect(await sending.events(sender)).toMatchObject([{ state: 'cancelled' }]);
      await sending.billing.rows(`UPDATE meter_event_streams SET next_attempt_at = NULL`);
    }
  });

  it('keeps what Stripe refuses to cancel, and does not ask again', async () => {
    const sender = await sent('40');
    sending.double.orderFault({ method: 'POST', path: ADJUSTMENTS, kind: 'drop_before', times: 2 });
    await sending.voidUsage(sender, '40');
    await sending.work(1);
    // Stripe is asked again when its day is over.
    sending.clock.advance(23 * HOUR_MS);
    await sending.work(3);
    expect(sending.atStripe(sender)).toEqual([40]);
    expect(await sending.events(sender)).toMatchObject([{ state: 'accepted' }]);
    expect(await sending.shown(sender)).toMatchObject([{ quantity: '0', difference: '-40' }]);
  });

  describe('what Stripe finds out afterwards', () => {
    it('waits for a person, who has it sent anew once it is mended', async () => {
      const sender = await sending.subscribe();
      await sending.billing.rows(`UPDATE customers SET stripe_customer_id = $2 WHERE id = $1`, [
        sender.customer.id,
        'cus_ThatIsNotThere',
      ]);
      await sending.use(sender, '40');
      await sending.work(0);
      expect(await sending.events(sender)).toMatchObject([{ state: 'accepted' }]);
      const reports = await sending.double.reportMeterErrors();
      expect(reports).toHaveLength(1);
      await sending.deliver(reports);
      // Twice, as Stripe may.
      await sending.deliver(reports);
      expect(await sending.worker.reports.processOnce()).toBe(1);
      const [event] = await sending.events(sender);
      expect(event?.state).toBe('failed');
      const [row] = await sending.billing.rows(
        `SELECT failure_code FROM meter_events WHERE id = $1`,
        [event?.id],
      );
      expect(row).toEqual({ failure_code: 'meter_event_customer_not_found' });
      expect(await told(event?.id ?? '')).toMatchObject([
        {
          customer: sender.customer.key,
          subscription: sender.subscription.id,
          meter: 'used',
          value: '40',
          stripe_customer_id: 'cus_ThatIsNotThere',
          failure_code: 'meter_event_customer_not_found',
        },
      ]);
      await sending.billing.rows(`UPDATE customers SET stripe_customer_id = $2 WHERE id = $1`, [
        sender.customer.id,
        sender.stripeCustomerId,
      ]);
      await sending.work(2);
      expect(sending.atStripe(sender)).toEqual([]);
      await sending.billing.get(SettlingService).settle(event?.id ?? '', false);
      await sending.billing.rows(
        `UPDATE meter_event_streams SET stripe_customer_id = NULL WHERE customer_id = $1`,
        [sender.customer.id],
      );
      await sending.work(1);
      expect(sending.atStripe(sender)).toEqual([40]);
      await expect(
        sending.billing.get(SettlingService).settle(event?.id ?? '', true),
      ).rejects.toMatchObject({ code: 'not_to_settle' });
    });

    it('is looked for by its sum, where the report names samples only', async () => {
      const meter = await sending.meterAtStripe('archived_soon');
      await sending.billing.rows(`UPDATE stripe_meters SET event_name = 'archived_soon',
        stripe_meter_id = NULL, customer_payload_key = NULL, value_payload_key = NULL`);
      const one = await sent('1');
      const two = await sent('1');
      await sending.sdk.billing.meters.deactivate(meter);
      await sending.use(one, '10');
      await sending.use(two, '20');
      await sending.work(1);
      await sending.deliver(await sending.double.reportMeterErrors(1));
      await sending.worker.reports.processOnce();
      sending.clock.advance(HOUR_MS);
      await sending.work(1);
      const states = [...(await sending.events(one)), ...(await sending.events(two))];
      expect(states.map(({ state }) => state).toSorted()).toEqual([
        'accepted',
        'accepted',
        'accepted',
        'failed',
      ]);
      const checks = [...(await sending.streams(one)), ...(await sending.streams(two))].map(
        ({ stream }) => stream.check && Number(stream.check.expected.minus(stream.check.atStripe)),
      );
      // That of the sample waits for a person; the other one shows what Stripe has too little.
      expect(checks.filter((difference) => difference === 10 || difference === 20)).toHaveLength(1);
      await sending.billing.rows(`UPDATE stripe_meters SET event_name = 'api_requests',
        stripe_meter_id = NULL, customer_payload_key = NULL, value_payload_key = NULL`);
    });

    it('is kept from who works off invoices', async () => {
      const { items } = await sending.billing.get(ProviderEventsReader).list(null, 10, null);
      expect(items.map(({ state }) => state)).toEqual(items.map(() => 'processed'));
    });
  });

  it('compares what Stripe sums up, once a day and after the end', async () => {
    const sender = await sent('12');
    await sending.work(26);
    const [stream] = await sending.streams(sender);
    expect(stream?.stream.check?.atStripe.toString()).toBe('12');
    expect(stream?.stream.check?.expected.toString()).toBe('12');
    await sending.sdk.billing.meterEvents.create({
      event_name: 'api_requests',
      payload: { stripe_customer_id: sender.stripeCustomerId, value: '3' },
    });
    await sending.workAt(new Date(sending.month(1).getTime() + HOUR_MS));
    await sending.work(2);
    const [closed] = await sending.streams(sender);
    expect(closed?.stream.state).toBe('closed');
    expect(closed?.stream.check?.atStripe.toString()).toBe('15');
    expect(closed?.stream.check?.expected.toString()).toBe('12');
    // What differs is compared once more each day, for as long as Stripe takes anything.
    await sending.workAt(new Date(sending.month(1).getTime() + 7 * DAY_MS));
    await sending.work(2);
    const [last] = await sending.streams(sender);
    expect(last?.stream.nextAttemptAt).toBeNull();
  });

  it('waits for a meter at Stripe that is there and sums up', async () => {
    await sending.billing.rows(`UPDATE stripe_meters SET event_name = 'of_later',
      stripe_meter_id = NULL, customer_payload_key = NULL, value_payload_key = NULL`);
    const sender = await sent('12');
    const [waiting] = await sending.streams(sender);
    expect(waiting?.stream.waitsFor).toContain("no active meter with the event name 'of_later'");
    const counting = await sending.meterAtStripe('of_later', 'count');
    await sending.work(1);
    expect((await sending.streams(sender))[0]?.stream.waitsFor).toContain("'count'");
    await sending.sdk.billing.meters.deactivate(counting);
    await sending.meterAtStripe('of_later');
    await sending.work(2);
    expect(sending.atStripe(sender)).toEqual([12]);
    await sending.billing.rows(`UPDATE stripe_meters SET event_name = 'api_requests',
      stripe_meter_id = NULL, customer_payload_key = NULL, value_payload_key = NULL`);
  });

  it('waits for a key of the account in which the meter is', async () => {
    const sender = await sent('1');
    await sending.billing.rows(`UPDATE stripe_meters SET stripe_account_id = 'acct_of_others'`);
    await sending.use(sender, '2');
    await sending.work(1);
    expect(sending.atStripe(sender)).toEqual([1]);
    expect((await sending.streams(sender))[0]?.stream.waitsFor).toContain('acct_of_others');
    await sending.billing.rows(`UPDATE stripe_meters SET stripe_account_id = NULL`);
    await sending.work(2);
    expect(sending.atStripe(sender)).toEqual([1, 2]);
  });

  it('sends the rest with the next period when the customer became another at Stripe', async () => {
    const sender = await sent('10');
    const other = (await sending.sdk.customers.create({})).id;
    await sending.billing
      .get(CustomersService)
      .update(sender.customer.id, { stripeCustomerId: other });
    await sending.use(sender, '5');
    await sending.work(2);
    expect(sending.atStripe(sender)).toEqual([10]);
    await sending.workAt(new Date(sending.month(1).getTime() + HOUR_MS));
    await sending.work(1);
    expect(sending.atStripe({ ...sender, stripeCustomerId: other })).toEqual([5]);
  });

  it('is left to one of many processes', async () => {
    const senders = await Promise.all([sending.subscribe(), sending.subscribe()]);
    for (const sender of senders) {
      await sending.use(sender, '9');
    }
    await Promise.all(Array.from({ length: 4 }, async () => await sending.worker.runs.runOnce()));
    await sending.work(1);
    expect(senders.map((sender) => sending.atStripe(sender))).toEqual([[9], [9]]);
  });

  it('is refused to a second subscription of the customer, and to whom Stripe does not know', async () => {
    const { customer } = await sending.subscribe();
    const plan = await sending.billing.plan([perUnit('1')]);
    const billing = { provider: 'none', sendsMeterEvents: true } as const;
    await expect(sending.billing.subscribe(customer, plan, { billing })).rejects.toMatchObject({
      code: 'meter_events_overlap',
    });
    const unknown = await sending.billing.customer();
    await expect(sending.billing.subscribe(unknown, plan, { billing })).rejects.toMatchObject({
      errors: [{ code: 'no_stripe_customer' }],
    });
  });

  it('charges no invoice of ours, and keeps the line items', async () => {
    const sender = await sent('10');
    await sending.workAt(new Date(sending.month(1).getTime() + HOUR_MS));
    const items = await sending.billing.rows(
      `SELECT amount_minor::integer AS amount, state, invoice_id FROM line_items WHERE subscription_id = $1`,
      [sender.subscription.id],
    );
    expect(items).toEqual([{ amount: 10, state: 'pending', invoice_id: null }]);
  });

  it('is no longer sent once the meter is not', async () => {
    const sender = await sent('1');
    const links = sending.billing.get(MeterLinksService);
    await links.delete('used');
    await sending.use(sender, '2');
    await sending.work(1);
    expect(sending.atStripe(sender)).toEqual([1]);
    await expect(links.delete('used')).rejects.toMatchObject({ kind: 'not_found' });
    await links.create('used', 'api_requests');
    await expect(links.create('used', 'api_requests')).rejects.toMatchObject({
      code: 'stripe_meter_taken',
    });
    await sending.work(2);
    expect(sending.sumAtStripe(sender)).toBe(3);
  });
});
