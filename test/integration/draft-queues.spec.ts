/*
 * Aim: what waits for drafts of a Stripe subscription neither fails under a key of another account, nor
 * stops where it is more than an invoice holds.
 * Method: the whole application, a second process with a key of another account, and a double for each.
 */
import { DraftQueueService } from '../../src/billing/drafts/draft-queue.service.js';
import { type Difference } from '../../src/billing/reconciliation/difference.js';
import { ReconcilingService } from '../../src/billing/reconciliation/reconciling.service.js';
import { type Reconciliation } from '../../src/billing/reconciliation/reconciliation.js';
import { ReconciliationsService } from '../../src/billing/reconciliation/reconciliations.service.js';
import { RetryService } from '../../src/billing/sync/retry.service.js';
import { SubscriptionsService } from '../../src/billing/subscriptions/subscriptions.service.js';
import { flat } from '../support/billing.js';
import { DraftBilling, type OnDraft } from '../support/draft-billing.js';
import { startStripeDouble, type StripeDouble } from '../support/stripe-double/stripe-double.js';

const DAY_MS = 86_400_000;
const MANY = 620;

describe('what waits for drafts', () => {
  let drafts: DraftBilling;
  let other: StripeDouble;

  beforeAll(async () => {
    drafts = await DraftBilling.start();
    other = await startStripeDouble({ clock: () => drafts.clock.now().getTime() });
  });

  beforeEach(async () => {
    await drafts.beginMonth();
  });

  afterAll(async () => {
    await other.close();
    await drafts.close();
  });

  async function onInvoices(on: OnDraft): Promise<number[]> {
    const rows = await drafts.billing.rows(
      `SELECT count(*)::integer AS count FROM line_items WHERE subscription_id = $1 GROUP BY invoice_id`,
      [on.subscription.id],
    );
    return rows.map(({ count }) => Number(count)).toSorted((a, b) => a - b);
  }

  /** Compares what was made from a moment on until now. */
  const reconcile = async (
    start: Date,
  ): Promise<{ run: Reconciliation; differences: readonly Difference[] }> => {
    drafts.clock.advance(1_000);
    const service = drafts.billing.get(ReconciliationsService);
    const { id } = await service.request({ start, end: drafts.clock.now() }, 'key_of_the_tests');
    while ((await service.get(id)).state === 'running') {
      if ((await drafts.billing.get(ReconcilingService).stepOnce()) === 0) {
        drafts.clock.advance(301_000);
      }
    }
    const all = { limit: 100, after: null };
    const found = await service.listDifferences(id, { class: null, state: null }, all);
    return { run: await service.get(id), differences: found.items };
  };

  const overloaded = async (): Promise<OnDraft> => {
    const fees = Array.from({ length: MANY }, (_, index) => flat('0.01', `fee-${index}`));
    const on = await drafts.subscribe();
    const plan = await drafts.billing.plan(fees, { graceSeconds: 0 });
    const billing = { ...on.subscription.billing };
    await drafts.billing.get(SubscriptionsService).cancel(on.subscription.id, { when: 'now' });
    const startsAt = drafts.clock.now();
    const subscription = await drafts.billing.subscribe(on.customer, plan, { startsAt, billing });
    return { ...on, subscription };
  };

  it('keeps in whose account a subscription was seen, and waits for a key of that one', async () => {
    const on = await drafts.subscribe();
    await drafts.work(1);
    // Seen while it waited for its first draft.
    const seen = await drafts.billing.plan([flat('1.00')], { graceSeconds: 0, interval: 'day' });
    const startsAt = drafts.clock.now();
    const { billing } = on.subscription;
    await drafts.billing.subscribe(on.customer, seen, { startsAt, billing });
    drafts.clock.advance(DAY_MS);
    await drafts.work(1);
    expect(
      await drafts.billing.rows(
        'SELECT stripe_account_id FROM draft_queues WHERE stripe_subscription_id = $1',
        [on.stripeSubscriptionId],
      ),
    ).toEqual([{ stripe_account_id: drafts.double.state().id }]);
    const stranger = await drafts.process({ STRIPE_API_BASE: other.url });
    const draft = await drafts.renew(on);
    await drafts.work(3, stranger.worker);
    await stranger.close();
    expect(new Set((await drafts.lines(on)).map(({ state }) => state))).toEqual(
      new Set(['pending']),
    );
    drafts.clock.advance(2 * 3_600_000);
    await drafts.work();
    expect(Object.keys(await drafts.atStripe(on))).toEqual([draft]);
  });

  it('waits for a key of its own account, also when the subscription was never seen', async () => {
    // Stripe could not be asked when it was created here, and nothing was billed to the customer yet.
    const on = await drafts.subscribe();
    const draft = await drafts.renew(on);
    const stranger = await drafts.process({ STRIPE_API_BASE: other.url });
    await drafts.work(3, stranger.worker);
    await stranger.close();
    expect((await drafts.lines(on)).map(({ state, failure }) => [state, failure])).toEqual([
      ['pending', null],
      ['pending', null],
    ]);
    drafts.clock.advance(3_600_000);
    await drafts.work();
    expect(await drafts.atStripe(on)).toEqual({ [draft]: [0, 500] });
  });

  it('fails what no draft will carry, since the customer is there and the subscription is not', async () => {
    const on = await drafts.subscribe();
    await drafts.billing.rows(
      `WITH queue AS (UPDATE draft_queues SET stripe_subscription_id = 'sub_mistyped'
         WHERE stripe_subscription_id = $1)
       UPDATE subscriptions SET stripe_subscription_id = 'sub_mistyped' WHERE id = $2`,
      [on.stripeSubscriptionId, on.subscription.id],
    );
    await drafts.renew(on);
    await drafts.work(1);
    expect((await drafts.lines(on)).map(({ failure }) => failure)).toEqual([
      expect.stringContaining('no such subscription'),
      expect.stringContaining('no such subscription'),
    ]);
  });

  it('is in a reconciliation: in flight while it waits, and missing once it has failed', async () => {
    const from = drafts.clock.now();
    const on = await drafts.subscribe();
    // The period closes, and Stripe has made no draft.
    drafts.clock.set(drafts.month(1));
    await drafts.work(1);
    const waits = await reconcile(from);
    expect(waits.run).toMatchObject({ state: 'completed', differenceCount: 0 });
    expect(waits.run.totals.get('usd')).toMatchObject({ inFlightMinor: 500n, inFlightCount: 2 });
    await drafts.double.cancelSubscription(on.stripeSubscriptionId);
    await drafts.billing.get(DraftQueueService).wake(on.stripeSubscriptionId);
    await drafts.work(1);
    const failed = await reconcile(from);
    expect(failed.run.totals.get('usd')).toMatchObject({
      ...{ ledgerMinor: 500n, stripeMinor: 0n, inFlightCount: 0 },
    });
    expect(failed.run).toMatchObject({ state: 'completed', differenceCount: 2 });
    const ids = (await drafts.lines(on)).map(({ id }) => id);
    expect(failed.differences).toMatchObject(
      ids.toSorted().map((id) => ({ class: 'missing', repair: 'by_hand', lineItemId: id })),
    );
    await drafts.billing.get(RetryService).retry(ids[0] ?? '');
    await drafts.work(1);
    expect((await reconcile(from)).run).toMatchObject({ state: 'completed', differenceCount: 0 });
  });

  it('bills all that a subscription leaves at its end, on as many invoices as hold it', async () => {
    const on = await overloaded();
    await drafts.double.cancelSubscription(on.stripeSubscriptionId);
    await drafts.billing.get(SubscriptionsService).cancel(on.subscription.id, {
      when: new Date(drafts.clock.now().getTime() + DAY_MS),
      bill: 'at_once',
    });
    drafts.clock.advance(2 * DAY_MS);
    await drafts.work(8);
    const lines = await drafts.lines(on);
    expect(new Set(lines.map(({ state }) => state))).toEqual(new Set(['finalized']));
    expect(await onInvoices(on)).toEqual([206, 207, 207]);
  });

  it('bills all that no draft will carry by one retry', async () => {
    const on = await overloaded();
    await drafts.double.cancelSubscription(on.stripeSubscriptionId);
    drafts.clock.set(drafts.month(1));
    await drafts.work(5);
    const failed = await drafts.lines(on);
    expect(new Set(failed.map(({ state }) => state))).toEqual(new Set(['failed']));
    const last = failed.map(({ id }) => id).toSorted((a, b) => (a < b ? 1 : -1))[0] ?? '';
    const retried = await drafts.billing.get(RetryService).retry(last);
    expect(retried.lineItemIds).toHaveLength(MANY);
    await drafts.work(8);
    const lines = await drafts.lines(on);
    expect(new Set(lines.map(({ state }) => state))).toEqual(new Set(['finalized']));
  });
});
