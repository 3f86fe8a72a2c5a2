/*
 * Aim: a line item reaches Stripe exactly once, whatever goes wrong on the way.
 * Method: the real services and database, and a double of Stripe that is told what to do wrong.
 */
import { Syncing, type SeededInvoice } from '../support/syncing.js';

describe('push to Stripe', () => {
  let syncing: Syncing;

  beforeAll(async () => {
    syncing = await Syncing.start();
  });

  afterEach(() => {
    syncing.double.clearFaults();
    syncing.double.limits({ latencyMs: 0 });
  });

  afterAll(async () => {
    await syncing.close();
  });

  async function expectOnce(seeded: SeededInvoice, state = 'open'): Promise<void> {
    const at = await syncing.atStripe(seeded.stripeCustomerId);
    expect(at).toHaveLength(1);
    expect(at[0]?.invoice.status).toBe(state);
    const named = at[0]?.items.map((item) => item.metadata?.['meterline_line_item']) ?? [];
    expect(named.toSorted((a, b) => String(a).localeCompare(String(b)))).toEqual(
      [...seeded.lineItemIds].toSorted((a, b) => a.localeCompare(b)),
    );
    const stored = await syncing.stored(seeded.invoiceId);
    const lineItem = state === 'draft' ? 'on_invoice' : 'finalized';
    expect(stored).toMatchObject({
      state,
      lineItems: seeded.lineItemIds.map(() => lineItem),
      failures: seeded.lineItemIds.map(() => null),
    });
    expect(new Set(stored.syncs)).toEqual(new Set(['succeeded']));
  }

  it('makes the draft, its items in whole minor units, and finalizes it', async () => {
    const seeded = await syncing.seed({ amounts: [4538, -120, 0] });
    await syncing.pushAll();
    await expectOnce(seeded);
    const [at] = await syncing.atStripe(seeded.stripeCustomerId);
    expect(at?.invoice).toMatchObject({
      total: 4418,
      currency: 'usd',
      auto_advance: true,
      description: 'Fees from 2026-11-01 to 2026-11-30',
      metadata: { meterline_invoice: seeded.invoiceId },
    });
    expect(at?.items.map((item) => item.amount).toSorted((a, b) => a - b)).toEqual([-120, 0, 4538]);
    expect(at?.items[0]?.period).toEqual({ start: 1793491200, end: 1796083199 });
    expect(await syncing.messages(seeded.invoiceId)).toEqual(['invoice.finalized']);
  });

  it('leaves what is below zero in all as a credit on the balance of the customer', async () => {
    const seeded = await syncing.seed({ amounts: [300, -1800] });
    await syncing.pushAll();
    expect(await syncing.stored(seeded.invoiceId)).toMatchObject({
      state: 'paid',
      lineItems: ['paid', 'paid'],
    });
    const [at] = await syncing.atStripe(seeded.stripeCustomerId);
    expect(at?.invoice).toMatchObject({ status: 'paid', total: -1500, amount_due: 0 });
    const customer = await syncing.sdk.customers.retrieve(seeded.stripeCustomerId ?? '');
    expect(customer).toMatchObject({ balance: -1500 });
  });

  it('leaves the draft to a person when the invoice is not to be finalized', async () => {
    const seeded = await syncing.seed({ finalize: false });
    await syncing.pushAll();
    await expectOnce(seeded, 'draft');
    expect(await syncing.messages(seeded.invoiceId)).toEqual([]);
  });

  const targets = [
    ['the draft', '^/v1/invoices$', [4538, -120]],
    ['an item', '^/v1/invoiceitems$', [4538]],
    ['items that go together', '/add_lines$', [4538, -120]],
    ['the finalization', '/finalize$', [4538, -120]],
  ] as const;
  const faults = [
    ['dropped before', { kind: 'drop_before', times: 2 }],
    ['done, then dropped once', { kind: 'commit_then_drop' }],
    ['done, then dropped twice', { kind: 'commit_then_drop', times: 2 }],
    ['done, then dropped for long', { kind: 'commit_then_drop', times: 7 }],
    ['done, but answered 500', { kind: 'error_500_after_commit' }],
    ['not done, answered 500', { kind: 'error_500_before' }],
    ['not done, a 500 kept under the key', { kind: 'error_500_before', stored: true }],
    ['answered 429 before the key', { kind: 'error_429', times: 3 }],
    ['answered a 429 kept under the key', { kind: 'error_429', stored: true }],
    ['answered with a page of HTML', { kind: 'html_503', times: 2 }],
    ['answered by something else than Stripe', { kind: 'foreign_200', times: 2 }],
    ['slower than the timeout, answering late', { kind: 'slow', delayMs: 900, when: 'after' }],
    ['slower than the timeout, working late', { kind: 'slow', delayMs: 900, when: 'before' }],
  ] as const;

  it.each(
    targets.flatMap(([what, path, amounts]) =>
      faults.map(([how, fault]) => ({ what, path, amounts, how, fault })),
    ),
  )('has $what once when it is $how', async ({ path, amounts, fault }) => {
    const seeded = await syncing.seed({ amounts });
    syncing.double.orderFault({ method: 'POST', path, ...fault });
    const config = fault.kind === 'slow' ? syncing.impatient : syncing.config;
    await syncing.pushAll(syncing.worker({ config }));
    // A call that Stripe still works at holds its key until it is through.
    await syncing.quiet();
    await syncing.pushAll();
    await expectOnce(seeded);
  });

  it('says of an answer that nobody understands what was wrong, and lets go of the customer', async () => {
    const seeded = await syncing.seed();
    syncing.double.orderFault({ method: 'POST', path: '^/v1/invoices$', kind: 'foreign_200' });
    await syncing.worker().push.pushOnce();
    const [sync] = await syncing.db.database.query(
      `SELECT state, attempt_count, last_error FROM provider_syncs
       WHERE invoice_id = $1 AND kind = 'create_invoice'`,
      [seeded.invoiceId],
    );
    expect(sync).toMatchObject({
      state: 'pending',
      attempt_count: 1,
      last_error: expect.stringContaining(
        "Stripe says an invoice is 'ok', which is not known here",
      ),
    });
    // No lease has to run out first.
    syncing.clock.advance(3_000);
    await syncing.worker().push.pushOnce();
    await expectOnce(seeded);
  });

  it('has each once when the looks fail as well', async () => {
    const seeded = await syncing.seed();
    syncing.double.orderFault({ method: 'POST', kind: 'commit_then_drop', times: 6 });
    syncing.double.orderFault({ method: 'GET', kind: 'html_503', times: 2 });
    await syncing.pushAll();
    await expectOnce(seeded);
  });

  it.each(targets)(
    'has %s once when Stripe has forgotten the key before the retry',
    async (_, path, amounts) => {
      const seeded = await syncing.seed({ amounts });
      syncing.double.orderFault({ method: 'POST', path, kind: 'commit_then_drop', times: 2 });
      const worker = syncing.worker();
      while ((await worker.push.pushOnce()) > 0) {
        // Until it has to wait.
      }
      await syncing.double.expireIdempotencyKeys();
      syncing.clock.advance(25 * 3_600_000);
      await syncing.pushAll(worker);
      await expectOnce(seeded);
    },
  );

  it('sends under a new key only when the look found nothing and the key is too old', async () => {
    const seeded = await syncing.seed({ amounts: [100] });
    syncing.double.clearRequests();
    const path = '^/v1/invoiceitems$';
    syncing.double.orderFault({ method: 'POST', path, kind: 'drop_before', times: 4 });
    const worker = syncing.worker();
    await syncing.pushAll(worker, 1);
    await syncing.pushAll(worker, 1);
    syncing.clock.advance(25 * 3_600_000);
    await syncing.pushAll(worker);
    const keys = syncing.double
      .requests()
      .filter((request) => request.method === 'POST' && request.path === '/v1/invoiceitems')
      .map((request) => request.idempotencyKey?.replace(/^.*_g/, 'g'));
    expect(new Set(keys)).toEqual(new Set(['g1', 'g2']));
    expect(keys.at(-1)).toBe('g2');
    await expectOnce(seeded);
  });

  it('puts many items on by few calls, and each of them once', async () => {
    const amounts = Array.from({ length: 130 }, (_, index) => 100 + index);
    const seeded = await syncing.seed({ amounts });
    syncing.double.clearRequests();
    await syncing.pushAll(syncing.worker(), 1);
    const posts = syncing.double.requests().filter(({ method }) => method === 'POST');
    expect(posts.map(({ path }) => path.replace(/in_\w+/, ':id'))).toEqual([
      '/v1/invoices',
      '/v1/invoices/:id/add_lines',
      '/v1/invoices/:id/add_lines',
      '/v1/invoices/:id/finalize',
    ]);
    await expectOnce(seeded);
  });

  it('takes three calls for an invoice of few items: what is on it was just shown', async () => {
    const worker = syncing.worker();
    await syncing.seed({ amounts: [100] });
    await worker.push.pushOnce();
    const seeded = await syncing.seed({ amounts: [100, 200, 300] });
    syncing.double.clearRequests();
    await syncing.pushAll(worker, 1);
    expect(
      syncing.double
        .requests()
        .map(({ method, path }) => `${method} ${path.replace(/in_\w+/, ':id')}`),
    ).toEqual([
      'POST /v1/invoices',
      'POST /v1/invoices/:id/add_lines',
      'POST /v1/invoices/:id/finalize',
    ]);
    await expectOnce(seeded);
  });

  it('splits what one invoice cannot hold, and has each item once whatever goes wrong', async () => {
    const amounts = Array.from({ length: 260 }, (_, index) => (index === 7 ? -500 : 100 + index));
    const seeded = await syncing.seed({ amounts });
    expect(seeded.invoiceIds).toHaveLength(2);
    const path = '/(add_lines|finalize)$';
    syncing.double.orderFault({ method: 'POST', path, kind: 'commit_then_drop', times: 5 });
    await syncing.pushAll();
    const at = await syncing.atStripe(seeded.stripeCustomerId);
    expect(at.map(({ invoice }) => invoice.status)).toEqual(['open', 'open']);
    const named = at.flatMap(({ items }) =>
      items.map((one) => one.metadata?.['meterline_line_item']),
    );
    expect(new Set(named)).toEqual(new Set(seeded.lineItemIds));
    expect(named).toHaveLength(260);
    const sums = at.map(({ items }) => items.reduce((sum, { amount }) => sum + amount, 0));
    expect(at.map(({ invoice }) => invoice.total)).toEqual(sums);
  });

  it('finds that Stripe has done a part of a call only, and sends the rest alone', async () => {
    const seeded = await syncing.seed({ amounts: [100, 200, 300] });
    const path = '/add_lines$';
    syncing.double.orderFault({ method: 'POST', path, kind: 'commit_then_drop', times: 2 });
    await syncing.pushAll(syncing.worker(), 1);
    const [at] = await syncing.atStripe(seeded.stripeCustomerId);
    const item = at?.items.find(({ amount }) => amount === 200);
    await syncing.sdk.invoiceItems.del(item?.id ?? '');
    syncing.double.clearRequests();
    await syncing.pushAll();
    const sent = syncing.double
      .requests()
      .filter((request) => request.path === '/v1/invoiceitems' && request.method === 'POST');
    expect(sent.map(({ params }) => params['amount'])).toEqual(['200']);
    await expectOnce(seeded);
  });

  it('repeats a call with the same words, though some of it is settled', async () => {
    const seeded = await syncing.seed({ amounts: [100, 200] });
    const path = '/add_lines$';
    // The library sends once more by itself.
    syncing.double.orderFault({ method: 'POST', path, kind: 'drop_before', times: 2 });
    await syncing.pushAll(syncing.worker(), 1);
    const [at] = await syncing.atStripe(seeded.stripeCustomerId);
    // As if Stripe were still working at the call, and had come as far as this.
    await syncing.sdk.invoiceItems.create({
      customer: seeded.stripeCustomerId ?? '',
      invoice: at?.invoice.id ?? '',
      amount: 100,
      currency: 'usd',
      metadata: { meterline_line_item: seeded.lineItemIds[0] ?? '' },
    });
    await syncing.pushAll();
    const calls = syncing.double.requests().filter((request) => request.path.endsWith('add_lines'));
    const ours = calls.filter(({ path: one }) => one.includes(at?.invoice.id ?? ''));
    expect(new Set(ours.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(1);
    expect(new Set(ours.map(({ params }) => JSON.stringify(params))).size).toBe(1);
    // What is there twice then is not for us to take away.
    expect(await syncing.stored(seeded.invoiceId)).toMatchObject({ state: 'draft' });
  });

  it('waits without a key, and says so', async () => {
    const seeded = await syncing.seed();
    const worker = syncing.worker({
      client: (config, database) =>
        syncing.client({ ...config, stripe: { ...config.stripe, secretKey: undefined } }, database),
    });
    expect(await worker.push.pushOnce()).toBe(0);
    expect(await syncing.stored(seeded.invoiceId)).toMatchObject({ state: 'pending' });
    await syncing.pushAll();
    await expectOnce(seeded);
  });
});

describe('what waits for a person', () => {
  let syncing: Syncing;

  beforeAll(async () => {
    syncing = await Syncing.start();
  });

  afterAll(async () => {
    await syncing.close();
  });

  it('is a customer without an id at Stripe, until it has one', async () => {
    const seeded = await syncing.seed({ hasStripeCustomer: false });
    await syncing.pushAll();
    const stored = await syncing.stored(seeded.invoiceId);
    expect(stored.lineItems).toEqual(['failed', 'failed']);
    expect(stored.failures[0]).toMatch('has no stripe_customer_id');
    const { id } = await syncing.sdk.customers.create({});
    await syncing.db.database.query('UPDATE customers SET stripe_customer_id = $2 WHERE id = $1', [
      seeded.customerId,
      id,
    ]);
    const retried = await syncing.worker().retry.retry(seeded.lineItemIds[0] ?? '');
    expect(retried).toMatchObject({ invoiceId: seeded.invoiceId, lineItemIds: seeded.lineItemIds });
    await syncing.pushAll();
    expect((await syncing.stored(seeded.invoiceId)).lineItems).toEqual(['finalized', 'finalized']);
    expect(await syncing.atStripe(id)).toHaveLength(1);
  });

  it('is what Stripe refuses, in its own words; the rest of the invoice goes on but is not finalized', async () => {
    const seeded = await syncing.seed({ amounts: [100, 999_999_999_999_999, 300] });
    await syncing.pushAll();
    const stored = await syncing.stored(seeded.invoiceId);
    expect(stored.lineItems).toEqual(['on_invoice', 'failed', 'on_invoice']);
    expect(stored.failures[1]).toMatch(/amount|must be/i);
    expect(stored).toMatchObject({ state: 'draft' });
  });

  it('is a draft deleted at Stripe; a retry makes another one', async () => {
    const seeded = await syncing.seed({ finalize: false });
    await syncing.pushAll();
    const [at] = await syncing.atStripe(seeded.stripeCustomerId);
    await syncing.sdk.invoices.del(at?.invoice.id ?? '');
    const worker = syncing.worker();
    await worker.poll.pollOnce();
    await syncing.processAll(worker);
    const stored = await syncing.stored(seeded.invoiceId);
    expect(stored).toMatchObject({ state: 'deleted', lineItems: ['failed', 'failed'] });
    expect(stored.failures[0]).toMatch('was deleted at Stripe');
    const { invoiceId } = await worker.retry.retry(seeded.lineItemIds[0] ?? '');
    expect(invoiceId).not.toBe(seeded.invoiceId);
    await syncing.pushAll();
    expect(await syncing.stored(invoiceId)).toMatchObject({
      state: 'draft',
      lineItems: ['on_invoice', 'on_invoice'],
    });
    const again = await syncing.atStripe(seeded.stripeCustomerId);
    expect(again.map(({ items }) => items.length)).toEqual([2]);
    await expect(worker.retry.retry(seeded.lineItemIds[0] ?? '')).rejects.toMatchObject({
      code: 'not_failed',
    });
  });

  it('is a draft that vanished while items were still to come', async () => {
    const seeded = await syncing.seed();
    const path = '/add_lines$';
    syncing.double.orderFault({ method: 'POST', path, kind: 'error_429' });
    await syncing.pushAll(syncing.worker(), 1);
    const [at] = await syncing.atStripe(seeded.stripeCustomerId);
    await syncing.sdk.invoices.del(at?.invoice.id ?? '');
    await syncing.pushAll();
    expect(await syncing.stored(seeded.invoiceId)).toMatchObject({
      state: 'deleted',
      lineItems: ['failed', 'failed'],
      syncs: ['abandoned', 'abandoned', 'abandoned', 'abandoned'],
    });
  });

  it('is an item that came too late for an invoice finalized by hand; a retry bills it on another one', async () => {
    const seeded = await syncing.seed({ amounts: [500, 700] });
    const path = '^/v1/invoiceitems$';
    // A refusal that Stripe repeats for ever is why they do not go together.
    syncing.double.orderFault({
      method: 'POST',
      path: '/add_lines$',
      kind: 'error_429',
      stored: true,
    });
    syncing.double.orderFault({ method: 'POST', path, kind: 'error_429', skip: 1 });
    await syncing.pushAll(syncing.worker(), 2);
    const [at] = await syncing.atStripe(seeded.stripeCustomerId);
    await syncing.sdk.invoices.finalizeInvoice(at?.invoice.id ?? '');
    await syncing.pushAll();
    const worker = syncing.worker();
    await worker.poll.pollOnce();
    await syncing.processAll(worker);
    expect(await syncing.stored(seeded.invoiceId)).toMatchObject({
      state: 'open',
      lineItems: ['finalized', 'failed'],
    });
    const late = seeded.lineItemIds[1] ?? '';
    const { invoiceId } = await worker.retry.retry(late);
    await syncing.pushAll();
    expect(await syncing.stored(invoiceId)).toMatchObject({
      state: 'open',
      lineItems: ['finalized'],
    });
    const billed = (await syncing.atStripe(seeded.stripeCustomerId)).flatMap(({ items }) => items);
    expect(billed.map((item) => item.amount).toSorted((a, b) => a - b)).toEqual([500, 700]);
  });

  it('is an item changed by hand before the finalization, until it is put right', async () => {
    const seeded = await syncing.seed();
    syncing.double.orderFault({ method: 'POST', path: '/finalize$', kind: 'error_429' });
    await syncing.pushAll(syncing.worker(), 1);
    const [at] = await syncing.atStripe(seeded.stripeCustomerId);
    const item = at?.items.find((one) => one.amount === 4538);
    await syncing.sdk.invoiceItems.update(item?.id ?? '', { amount: 4500 });
    await syncing.pushAll();
    const stored = await syncing.stored(seeded.invoiceId);
    expect(stored).toMatchObject({ state: 'draft', lineItems: ['failed', 'failed'] });
    expect(stored.failures[0]).toMatch('4500 usd instead of 4538 usd');
    await syncing.sdk.invoiceItems.update(item?.id ?? '', { amount: 4538 });
    await syncing.worker().retry.retry(seeded.lineItemIds[0] ?? '');
    await syncing.pushAll();
    expect(await syncing.stored(seeded.invoiceId)).toMatchObject({
      state: 'open',
      lineItems: ['finalized', 'finalized'],
    });
  });

  it('is an invoice that Stripe has twice', async () => {
    const seeded = await syncing.seed();
    syncing.double.orderFault({
      method: 'POST',
      path: '^/v1/invoices$',
      kind: 'commit_then_drop',
      times: 2,
    });
    await syncing.worker().push.pushOnce();
    await syncing.sdk.invoices.create({
      customer: seeded.stripeCustomerId ?? '',
      currency: 'usd',
      metadata: { meterline_invoice: seeded.invoiceId },
    });
    await syncing.pushAll();
    const stored = await syncing.stored(seeded.invoiceId);
    expect(stored.failures[0]).toMatch('Stripe has it 2 times');
    const [first] = await syncing.atStripe(seeded.stripeCustomerId);
    await syncing.sdk.invoices.del(first?.invoice.id ?? '');
    await syncing.worker().retry.retry(seeded.lineItemIds[0] ?? '');
    await syncing.pushAll();
    expect(await syncing.stored(seeded.invoiceId)).toMatchObject({ state: 'open' });
    expect(await syncing.atStripe(seeded.stripeCustomerId)).toHaveLength(1);
  });
});
