/*
 * Aim: every type of event that Stripe tells of billing has its effect, or is kept as seen and calls nobody; and
 * what the poll asks for is what has an effect.
 * Method: one row for each type. Something happens at Stripe of which nothing was told; then one event of the
 * type comes, as a snapshot or as a thin one, and it is looked at what it brought about.
 */
import { FOLLOWED_TYPES, METER_REPORT_TYPES } from '../../src/stripe/provider-event.js';
import { Syncing, type Worker } from '../support/syncing.js';

/** Makes our invoice follow Stripe's as it is now. */
const FOLLOWING = [
  'invoice.created',
  'invoice.updated',
  'invoice.finalized',
  'invoice.finalization_failed',
  'invoice.paid',
  'invoice.payment_succeeded',
  'invoice.payment_failed',
  'invoice.payment_action_required',
  'invoice.payment_attempt_required',
  'invoice.overdue',
  'invoice.will_be_due',
  'invoice.sent',
  'invoice.overpaid',
  'invoice.voided',
  'invoice.marked_uncollectible',
  'invoice.deleted',
] as const;

/** Has the drafts of a subscription looked for. */
const WAKING = ['customer.subscription.deleted'] as const;

/** Kept as seen: a reconciliation, the push or a person finds out what they tell. */
const SEEN = [
  'invoice.upcoming',
  'invoice_payment.paid',
  'invoiceitem.created',
  'invoiceitem.deleted',
  'credit_note.created',
  'credit_note.updated',
  'credit_note.voided',
  'charge.refunded',
  'charge.dispute.created',
  'charge.dispute.closed',
  'refund.created',
  'refund.updated',
  'refund.failed',
  'customer.created',
  'customer.updated',
  'customer.deleted',
  'customer.subscription.created',
  'customer.subscription.updated',
  'customer.subscription.paused',
  'customer.subscription.resumed',
  'customer.subscription.trial_will_end',
  'customer.subscription.pending_update_applied',
  'customer.subscription.pending_update_expired',
  'subscription_schedule.updated',
  'price.updated',
  'product.updated',
  'billing.alert.triggered',
  'billing.meter.updated',
  'billing.credit_grant.created',
  'test_helpers.test_clock.ready',
  'of.a.type.that.is.new',
] as const;

/** Thin only, and about no object of the API v1. */
const SEEN_THIN = [
  'v2.core.event_destination.ping',
  'v2.core.health.event_generation_failure.resolved',
] as const;

describe('an event of Stripe’s', () => {
  let syncing: Syncing;
  let worker: Worker;
  let serial = 0;

  beforeAll(async () => {
    syncing = await Syncing.start();
    worker = syncing.worker();
  });

  afterAll(async () => {
    await syncing.close();
  });

  const snapshot = (type: string, object: object): { id: string } => ({
    id: `evt_${(serial += 1)}`,
    ...{ object: 'event', type, livemode: false },
    ...{ created: Math.floor(syncing.clock.now().getTime() / 1_000), data: { object } },
  });
  const thin = (type: string, related: object | null): { id: string } => ({
    id: `evt_${(serial += 1)}`,
    ...{ object: 'v2.core.event', type, livemode: false },
    ...{ created: syncing.clock.now().toISOString(), related_object: related },
  });
  /** Hears an event twice, works off what there is, and answers what became of it. */
  const hear = async (event: { id: string }): Promise<string | undefined> => {
    await syncing.deliver(worker, [event, event]);
    syncing.double.clearRequests();
    await syncing.processAll(worker, 1);
    const rows = await syncing.db.database.query<{ state: string }>(
      'SELECT state FROM provider_events WHERE id = $1',
      [event.id],
    );
    expect(rows).toHaveLength(1);
    return rows[0]?.state;
  };
  /** An invoice that was paid by hand, of which nothing was told. */
  const paid = async (): Promise<{ invoiceId: string; stripeId: string }> => {
    const { invoiceId, stripeCustomerId } = await syncing.seed({ amounts: [4538] });
    await syncing.pushAll(worker, 1);
    const [at] = await syncing.atStripe(stripeCustomerId);
    const stripeId = at?.invoice.id ?? '';
    await syncing.sdk.invoices.pay(stripeId, { paid_out_of_band: true });
    return { invoiceId, stripeId };
  };

  it.each(FOLLOWING)('of type %s makes our invoice follow', async (type) => {
    const { invoiceId, stripeId } = await paid();
    expect(await hear(snapshot(type, { id: stripeId, object: 'invoice' }))).toBe('processed');
    expect(await syncing.stored(invoiceId)).toMatchObject({ state: 'paid', lineItems: ['paid'] });
  });

  it.each(FOLLOWING)('of type v1.%s does the same', async (type) => {
    const { invoiceId, stripeId } = await paid();
    expect(await hear(thin(`v1.${type}`, { id: stripeId, type: 'invoice' }))).toBe('processed');
    expect(await syncing.stored(invoiceId)).toMatchObject({ state: 'paid', lineItems: ['paid'] });
  });

  it.each(WAKING)('of type %s has drafts looked for', async (type) => {
    const [{ customer_id: customer } = { customer_id: '' }] = await syncing.db.database.query<{
      customer_id: string;
    }>('SELECT customer_id FROM invoices LIMIT 1');
    await syncing.db.database.query(
      `INSERT INTO draft_queues (stripe_subscription_id, customer_id, attempt_count, created_at)
       VALUES ('sub_followed', $1, 0, now())`,
      [customer],
    );
    const about = { id: 'sub_followed', object: 'subscription' };
    expect(await hear(snapshot(type, about))).toBe('processed');
    const queues = await syncing.db.database.query<{ next_look_at: Date | null }>(
      'SELECT next_look_at FROM draft_queues',
    );
    expect(queues[0]?.next_look_at).not.toBeNull();
    expect(await hear(snapshot(type, { ...about, id: 'sub_of_others' }))).toBe('ignored');
  });

  it.each(METER_REPORT_TYPES)('of type %s is kept for who sends meter events', async (type) => {
    const event = thin(type, { id: 'mtr_1', type: 'billing.meter' });
    expect(await hear(event)).toBe('pending');
    expect((await worker.events.claim(10, 'meter_reports')).map(({ id }) => id)).toContain(
      event.id,
    );
  });

  it.each(SEEN)('of type %s is kept as seen, and calls nobody', async (type) => {
    const about = { id: type === 'invoice.upcoming' ? undefined : 'x_1', object: 'x' };
    expect(await hear(snapshot(type, about))).toBe('ignored');
    expect(await hear(thin(`v1.${type}`, null))).toBe('ignored');
    expect(syncing.double.requests()).toEqual([]);
  });

  it.each(SEEN_THIN)('of type %s is kept as seen, and calls nobody', async (type) => {
    expect(await hear(thin(type, null))).toBe('ignored');
    expect(syncing.double.requests()).toEqual([]);
  });

  it('is polled for if it has an effect, each type once, and as many as Stripe takes', () => {
    expect([...FOLLOWED_TYPES].toSorted()).toEqual([...FOLLOWING, ...WAKING].toSorted());
    expect(new Set(FOLLOWED_TYPES).size).toBe(FOLLOWED_TYPES.length);
    expect(FOLLOWED_TYPES.length).toBeLessThanOrEqual(20);
  });
});
