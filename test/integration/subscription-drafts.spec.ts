/*
 * Aim: what a period costs goes on the draft that Stripe made for its time, once, or on the next one.
 * Method: the whole application and a double of Stripe that renews subscriptions, on one clock.
 */
import { EventPollService } from '../../src/stripe/event-poll.service.js';
import { LinksService } from '../../src/billing/customer-links/links.service.js';
import { RetryService } from '../../src/billing/sync/retry.service.js';
import { SubscriptionsService } from '../../src/billing/subscriptions/subscriptions.service.js';
import { flat } from '../support/billing.js';
import { DraftBilling, type OnDraft } from '../support/draft-billing.js';

const HOUR_MS = 3_600_000;

describe('billing by the drafts of a Stripe subscription', () => {
  let drafts: DraftBilling;

  beforeAll(async () => {
    drafts = await DraftBilling.start();
  });

  beforeEach(async () => {
    await drafts.beginMonth();
  });

  afterAll(async () => {
    await drafts.close();
  });

  /** A month with 300 of usage, at 0.01 each, beside the fee of 5.00. */
  async function aMonth(options: { graceSeconds?: number } = {}): Promise<OnDraft> {
    const on = await drafts.subscribe({}, options);
    await drafts.billing.use(on.customer.key, drafts.clock.now().toISOString(), ['300']);
    return on;
  }

  async function states(on: OnDraft): Promise<string[]> {
    return (await drafts.lines(on)).map((line) => line.state);
  }

  it('puts line items on the draft of the renewal, and leaves it to Stripe to finalize', async () => {
    const on = await aMonth();
    const draft = await drafts.renew(on);
    await drafts.deliver(drafts.eventsOf(draft));
    await drafts.work();
    expect(await drafts.atStripe(on)).toEqual({ [draft]: [300, 500] });
    // Nobody had asked Stripe for anything before.
    expect(
      await drafts.billing.rows('SELECT stripe_account_id FROM invoices WHERE customer_id = $1', [
        on.customer.id,
      ]),
    ).toEqual([{ stripe_account_id: drafts.double.state().id }]);
    expect(await states(on)).toEqual(['on_invoice', 'on_invoice']);
    expect(await drafts.sdk.invoices.retrieve(draft)).toMatchObject({
      status: 'draft',
      total: 2_800,
    });
    drafts.clock.advance(HOUR_MS);
    expect(await drafts.double.finalizeDue()).toEqual([draft]);
    await drafts.deliver(drafts.eventsOf(draft));
    await drafts.work();
    expect(await drafts.lines(on)).toMatchObject([
      { state: 'finalized', stripe_invoice_id: draft, carried_over: null },
      { state: 'finalized', stripe_invoice_id: draft, carried_over: null },
    ]);
    const asked = drafts.double.requests().map(({ method, path }) => `${method} ${path}`);
    expect(asked.filter((one) => /finalize|DELETE|POST \/v1\/invoices$/.test(one))).toEqual([]);
    expect((await drafts.messages(on)).map(({ type }) => type)).toEqual([
      'billing_period.closed',
      'invoice.finalized',
    ]);
  });

  it('finds the draft by itself when no event came, whichever is there first', async () => {
    const on = await aMonth();
    const draft = await drafts.renew(on);
    await drafts.work();
    expect(await drafts.atStripe(on)).toEqual({ [draft]: [300, 500] });
    // The period closes before Stripe makes the draft; the poll of the event list tells of it.
    drafts.clock.set(drafts.month(1));
    await drafts.work();
    expect((await states(on)).slice(2)).toEqual(['pending', 'pending']);
    const late = await drafts.double.renew(on.stripeSubscriptionId, drafts.month(1));
    drafts.clock.advance(61_000);
    while (await drafts.billing.get(EventPollService).pollOnce()) {
      // Page after page.
    }
    await drafts.work();
    expect(await drafts.atStripe(on)).toEqual({ [draft]: [300, 500], [late]: [0, 500] });
  });

  it('notes a draft that comes before the period has closed, warns, and fills it when it does', async () => {
    const on = await aMonth({ graceSeconds: 2_400 });
    const draft = await drafts.renew(on);
    await drafts.deliver(drafts.eventsOf(draft));
    await drafts.work(35);
    expect(await drafts.atStripe(on)).toEqual({});
    const warnings = await drafts.messages(on);
    expect(warnings).toMatchObject([
      {
        type: 'invoice.window_closing',
        data: {
          stripe_invoice_id: draft,
          stripe_subscription: on.stripeSubscriptionId,
          attach_by: new Date(drafts.month(0).getTime() + HOUR_MS).toISOString(),
          line_items: [],
          billing_periods: [expect.stringMatching(/^bp_/)],
        },
      },
    ]);
    await drafts.work(10);
    expect(await drafts.atStripe(on)).toEqual({ [draft]: [300, 500] });
    expect((await drafts.messages(on)).map(({ type }) => type)).toEqual([
      'invoice.window_closing',
      'billing_period.closed',
    ]);
  });

  it('does not warn when all is on the draft at half of its time', async () => {
    const on = await aMonth();
    const draft = await drafts.renew(on);
    await drafts.deliver(drafts.eventsOf(draft));
    await drafts.work(40);
    expect((await drafts.messages(on)).map(({ type }) => type)).toEqual(['billing_period.closed']);
  });

  it('carries what missed its draft over to the next one, and says why', async () => {
    const on = await aMonth({ graceSeconds: 7_200 });
    const missed = await drafts.renew(on);
    await drafts.deliver(drafts.eventsOf(missed));
    drafts.clock.advance(HOUR_MS);
    await drafts.double.finalizeDue();
    await drafts.work(90);
    expect(await drafts.lines(on)).toMatchObject([
      { state: 'pending', stripe_invoice_id: null, carried_over: expect.stringContaining(missed) },
      { state: 'pending', stripe_invoice_id: null, carried_over: expect.stringContaining(missed) },
    ]);
    const next = await drafts.renew(on);
    await drafts.work();
    expect(await drafts.atStripe(on)).toEqual({ [next]: [300, 500] });
    expect(await drafts.lines(on)).toMatchObject([
      {
        state: 'on_invoice',
        stripe_invoice_id: next,
        carried_over: expect.stringContaining(missed),
      },
      { state: 'on_invoice', stripe_invoice_id: next },
    ]);
  });

  it('carries items over that Stripe refuses since the draft was finalized under them', async () => {
    const on = await aMonth();
    const first = await drafts.renew(on);
    // Refused once together; then the first goes alone, and the second is held up.
    drafts.double.orderFault({
      method: 'POST',
      path: '/add_lines$',
      kind: 'error_500_before',
      stored: true,
    });
    drafts.double.orderFault({
      method: 'POST',
      path: '^/v1/invoiceitems$',
      kind: 'error_429',
      skip: 1,
      times: 9,
    });
    await drafts.billing.closeAllDue();
    await drafts.worker.placing.placeOnce();
    for (let minute = 0; minute < 3; minute += 1) {
      await drafts.worker.push.pushOnce();
      drafts.clock.advance(30_000);
    }
    drafts.double.clearFaults();
    drafts.clock.advance(HOUR_MS);
    await drafts.double.finalizeDue();
    await drafts.work();
    const lines = await drafts.lines(on);
    expect(lines.map((line) => [line.state, line.stripe_invoice_id])).toEqual(
      expect.arrayContaining([
        ['finalized', first],
        ['pending', null],
      ]),
    );
    const next = await drafts.renew(on);
    await drafts.work();
    const at = await drafts.atStripe(on);
    expect([...(at[first] ?? []), ...(at[next] ?? [])].toSorted((a, b) => a - b)).toEqual([
      0, 300, 500, 500,
    ]);
    expect(new Set(drafts.timesAtStripe().values())).toEqual(new Set([1]));
  });

  it.each([
    ['had taken', 'error_500_after_commit', 'on_invoice', 2],
    ['had not taken', 'drop_before', 'pending', 0],
  ] as const)(
    'finds out what Stripe %s of items that went together before it finalized, though nobody heard of it',
    async (_, kind, state, count) => {
      const on = await aMonth();
      const draft = await drafts.renew(on);
      drafts.double.orderFault({ method: 'POST', path: '/add_lines$', kind, times: 2 });
      await drafts.billing.closeAllDue();
      await drafts.worker.placing.placeOnce();
      await drafts.worker.push.pushOnce();
      drafts.clock.advance(HOUR_MS);
      await drafts.double.finalizeDue();
      await drafts.work(20);
      const at = await drafts.atStripe(on);
      expect(at[draft] ?? []).toHaveLength(count);
      const carrier = count === 0 ? null : draft;
      expect((await drafts.lines(on)).map((line) => [line.state, line.stripe_invoice_id])).toEqual([
        [state, carrier],
        [state, carrier],
      ]);
      expect(new Set(drafts.timesAtStripe().values())).toEqual(new Set([1]));
    },
  );

  it('takes the draft whose period ends first when there are two', async () => {
    const on = await aMonth();
    const november = await drafts.renew(on);
    // No webhook is answered, so Stripe leaves the first one open for days; a threshold makes another.
    await drafts.double.renew(on.stripeSubscriptionId, drafts.month(2));
    await drafts.work();
    expect(await drafts.atStripe(on)).toEqual({ [november]: [300, 500] });
  });

  it('leaves usage after the end of the period of the draft to the next one', async () => {
    const on = await drafts.subscribe({ timeZone: 'America/New_York' });
    const first = await drafts.renew(on);
    drafts.clock.advance(5 * HOUR_MS);
    await drafts.work();
    // The local month ended hours after Stripe's, of which only the first hours were billed before.
    const carriers = async (): Promise<(string | null)[]> =>
      (await drafts.lines(on)).map((line) => line.stripe_invoice_id);
    expect(await carriers()).toEqual([first, first, null, null]);
    const second = await drafts.renew(on);
    await drafts.work();
    expect(await carriers()).toEqual([first, first, second, second]);
  });

  it('waits while the key is one of another account', async () => {
    const on = await aMonth();
    const first = await drafts.renew(on);
    await drafts.work();
    const { id } = drafts.double.state();
    const move = async (account: string): Promise<void> => {
      await drafts.billing.rows(
        'UPDATE invoices SET stripe_account_id = $1 WHERE customer_id = $2',
        [account, on.customer.id],
      );
      await drafts.billing.rows(
        'UPDATE draft_queues SET stripe_account_id = $1 WHERE customer_id = $2',
        [account, on.customer.id],
      );
    };
    await move('acct_of_another');
    const next = await drafts.renew(on);
    await drafts.work(2);
    expect((await drafts.lines(on)).slice(2)).toMatchObject([
      { state: 'pending', stripe_invoice_id: null, failure: null },
      { state: 'pending', stripe_invoice_id: null, failure: null },
    ]);
    await move(id);
    await drafts.work(15);
    expect(await drafts.atStripe(on)).toEqual({ [first]: [300, 500], [next]: [0, 500] });
  });

  it('waits for the link of a customer that is under way', async () => {
    const on = await aMonth();
    const draft = await drafts.renew(on);
    await drafts.billing.rows('UPDATE customers SET stripe_customer_id = NULL WHERE id = $1', [
      on.customer.id,
    ]);
    const { stripeCustomerId } = on;
    await drafts.billing
      .get(LinksService)
      .request(on.customer.key, { how: 'id', stripeCustomerId });
    await drafts.billing.closeAllDue();
    await drafts.worker.placing.placeOnce();
    expect(await states(on)).toEqual(['pending', 'pending']);
    await drafts.work(10);
    expect(await drafts.atStripe(on)).toEqual({ [draft]: [300, 500] });
  });

  it('puts what a draft has no room for on an invoice of its own', async () => {
    const on = await aMonth();
    const prices = Array.from({ length: 205 }, (_, index) => flat('1.00', `fee-${index}`));
    await drafts.billing.subscribe(
      on.customer,
      await drafts.billing.plan(prices, { graceSeconds: 0 }),
      {
        startsAt: drafts.clock.now(),
        billing: {
          provider: 'stripe',
          finalize: false,
          stripeSubscription: on.stripeSubscriptionId,
        },
      },
    );
    const draft = await drafts.renew(on);
    await drafts.work(4);
    // Of both subscriptions the one that closes last is left over, and its own invoice is finalized if it says so.
    const rows = await drafts.billing.rows(
      `SELECT invoice.stripe_invoice_id = $2 AS is_theirs, count(*)::integer AS count
       FROM line_items AS item JOIN invoices AS invoice ON invoice.id = item.invoice_id
       WHERE item.customer_id = $1 AND item.state IN ('on_invoice', 'finalized') GROUP BY 1 ORDER BY 1`,
      [on.customer.id, draft],
    );
    expect(rows).toEqual([
      { is_theirs: false, count: 7 },
      { is_theirs: true, count: 200 },
    ]);
    expect(new Set(drafts.timesAtStripe().values())).toEqual(new Set([1]));
  });

  it('bills a cancellation by an invoice of its own, with what was carried over', async () => {
    const on = await aMonth();
    drafts.clock.advance(24 * 14 * HOUR_MS);
    await drafts.billing.get(SubscriptionsService).cancel(on.subscription.id, { when: 'now' });
    await drafts.double.cancelSubscription(on.stripeSubscriptionId);
    await drafts.work();
    const at = await drafts.atStripe(on);
    expect(Object.values(at)).toEqual([[300, 500]]);
    const [own = ''] = Object.keys(at);
    const invoice = await drafts.sdk.invoices.retrieve(own);
    expect(invoice).toMatchObject({ status: 'open', parent: null, billing_reason: 'manual' });
    expect(await states(on)).toEqual(['finalized', 'finalized']);
  });

  it.each([
    [
      'cancelled at Stripe',
      async (on: OnDraft) => await drafts.double.cancelSubscription(on.stripeSubscriptionId),
      'is canceled and makes no more invoices',
    ],
    [
      'of another customer',
      async (on: OnDraft) =>
        await drafts.billing.rows(
          `UPDATE customers SET stripe_customer_id = 'cus_x' WHERE id = $1`,
          [on.customer.id],
        ),
      'not of cus_x',
    ],
    [
      'unknown',
      async (on: OnDraft) => {
        await drafts.billing.rows(
          `INSERT INTO draft_queues (stripe_subscription_id, customer_id, next_look_at, attempt_count, created_at)
           VALUES ('sub_gone', $1, $2, 0, now())`,
          [on.customer.id, drafts.clock.now()],
        );
        await drafts.billing.rows(
          `UPDATE subscriptions SET stripe_subscription_id = 'sub_gone' WHERE id = $1`,
          [on.subscription.id],
        );
      },
      'has no such subscription',
    ],
    [
      'in another currency',
      async (on: OnDraft) =>
        await drafts.billing.rows(
          `UPDATE line_items SET currency = 'eur' WHERE subscription_id = $1`,
          [on.subscription.id],
        ),
      'is in usd, not in eur',
    ],
  ])(
    'shows that the subscription at Stripe is %s, and a retry bills it all the same',
    async (_, change, words) => {
      const on = await aMonth();
      drafts.clock.set(drafts.month(1));
      await drafts.billing.closeAllDue();
      await change(on);
      await drafts.work(2);
      const lines = await drafts.lines(on);
      expect(lines).toMatchObject([{ state: 'failed' }, { state: 'failed' }]);
      expect(lines[0]?.failure).toMatch(words);
      await drafts.billing.rows('UPDATE customers SET stripe_customer_id = $1 WHERE id = $2', [
        on.stripeCustomerId,
        on.customer.id,
      ]);
      const retried = await drafts.billing.get(RetryService).retry(lines[0]?.id ?? '');
      expect(retried.lineItemIds.toSorted()).toEqual(lines.map((line) => line.id).toSorted());
      await drafts.work();
      expect(await states(on)).toEqual(['finalized', 'finalized']);
    },
  );

  it('waits for the next draft when an item was taken off before the invoice was final, and a person says so', async () => {
    const on = await aMonth();
    const draft = await drafts.renew(on);
    await drafts.work();
    const [item] = (await drafts.sdk.invoiceItems.list({ invoice: draft })).data.filter(
      ({ amount }) => amount === 300,
    );
    await drafts.sdk.invoiceItems.del(item?.id ?? '');
    drafts.clock.advance(HOUR_MS);
    await drafts.double.finalizeDue();
    await drafts.deliver(drafts.eventsOf(draft));
    await drafts.work();
    const failed = (await drafts.lines(on)).find((line) => line.state === 'failed');
    expect(failed).toMatchObject({ amount_minor: 300 });
    const { invoiceId } = await drafts.billing.get(RetryService).retry(failed?.id ?? '');
    expect(invoiceId).toBeNull();
    const next = await drafts.renew(on);
    await drafts.work();
    expect(await drafts.atStripe(on)).toEqual({ [draft]: [500], [next]: [0, 300, 500] });
  });

  it('comes to the same whatever order events come in, and with thin ones beside them', async () => {
    const on = await aMonth();
    const draft = await drafts.renew(on);
    drafts.clock.advance(60_000);
    await drafts.work(1);
    drafts.clock.advance(HOUR_MS);
    await drafts.double.finalizeDue();
    const events = drafts.eventsOf(draft) as { id: string; type: string; created: number }[];
    const thin = events.map((event) => ({
      id: `${event.id}_thin`,
      object: 'v2.core.event',
      type: `v1.${event.type}`,
      created: new Date(event.created * 1_000).toISOString(),
      livemode: false,
      related_object: { id: draft, type: 'invoice', url: `/v1/invoices/${draft}` },
      snapshot_event: event.id,
    }));
    await drafts.deliver([...events, ...thin].toReversed());
    await drafts.deliver(events);
    await drafts.work(2);
    expect(await drafts.atStripe(on)).toEqual({ [draft]: [300, 500] });
    expect(await states(on)).toEqual(['finalized', 'finalized']);
    const rows = await drafts.billing.rows(
      `SELECT id, state FROM provider_events WHERE object_id = $1 ORDER BY id`,
      [draft],
    );
    // Those that came first took effect, and the others are kept as seen.
    expect(rows.filter(({ state }) => state === 'processed')).toHaveLength(events.length);
    expect(rows.filter(({ state }) => state === 'ignored')).toHaveLength(events.length);
  });

  it('refuses one that carries the line items of another customer, also when Stripe cannot be asked', async () => {
    const on = await aMonth();
    const other = await drafts.billing.customer({ stripeCustomerId: 'cus_of_another' });
    const plan = await drafts.billing.plan([]);
    const billing = {
      provider: 'stripe',
      finalize: true,
      stripeSubscription: on.stripeSubscriptionId,
    } as const;
    await expect(drafts.billing.subscribe(other, plan, { billing })).rejects.toMatchObject({
      errors: [{ field: 'billing.stripe_subscription', code: 'stripe_subscription_taken' }],
    });
    // The customer's own second subscription shares it.
    await drafts.billing.subscribe(on.customer, plan, { billing });
  });

  it('tells endpoints that Stripe could not finalize a draft with line items on it', async () => {
    const on = await aMonth();
    const draft = await drafts.renew(on);
    await drafts.work();
    const about = { id: draft, object: 'invoice' };
    await drafts.deliver([await drafts.double.emit('invoice.finalization_failed', about)]);
    await drafts.work(1);
    expect((await drafts.messages(on)).map(({ type }) => type)).toEqual([
      'billing_period.closed',
      'invoice.finalization_failed',
    ]);
  });

  it('follows an invoice by thin events alone', async () => {
    const on = await aMonth();
    const draft = await drafts.renew(on);
    await drafts.deliver([
      {
        id: 'evt_thin_1',
        object: 'v2.core.event',
        type: 'v1.invoice.created',
        created: drafts.clock.now().toISOString(),
        livemode: false,
        related_object: { id: draft, type: 'invoice', url: `/v1/invoices/${draft}` },
      },
    ]);
    await drafts.worker.invoiceEvents.processOnce();
    const rows = await drafts.billing.rows(
      'SELECT stripe_invoice_id FROM stripe_drafts WHERE stripe_subscription_id = $1',
      [on.stripeSubscriptionId],
    );
    expect(rows).toEqual([{ stripe_invoice_id: draft }]);
    expect(await states(on)).toEqual([]);
  });
});
