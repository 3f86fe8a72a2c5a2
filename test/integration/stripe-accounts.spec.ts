/*
 * Aim: a key of another account, deployed for a while, breaks nothing.
 * Method: two doubles are two accounts; a worker with the wrong one goes to the second.
 */
import { startStripeDouble, type StripeDouble } from '../support/stripe-double/stripe-double.js';
import { Syncing, type Worker } from '../support/syncing.js';

describe('a key of another account', () => {
  let syncing: Syncing;
  let other: StripeDouble;

  beforeAll(async () => {
    syncing = await Syncing.start();
    other = await startStripeDouble({ clock: () => syncing.clock.now().getTime() });
  });

  afterAll(async () => {
    await other.close();
    await syncing.close();
  });

  const stranger = (): Worker => {
    const stripe = { ...syncing.config.stripe, apiBase: new URL(other.url) };
    return syncing.worker({ config: { ...syncing.config, stripe } });
  };
  const lastError = async (invoiceId: string): Promise<string | undefined> => {
    const rows = await syncing.db.database.query<{ last_error: string }>(
      `SELECT last_error FROM provider_syncs WHERE invoice_id = $1 AND state = 'pending' ORDER BY position`,
      [invoiceId],
    );
    return rows[0]?.last_error;
  };

  it('leaves drafts that are half done as they are, and says why', async () => {
    const seeded = await syncing.seed();
    const path = '/add_lines$';
    syncing.double.orderFault({ method: 'POST', path, kind: 'commit_then_drop', times: 2 });
    await syncing.pushAll(syncing.worker(), 1);
    other.clearRequests();
    await syncing.pushAll(stranger());
    expect(new Set(other.requests().map((request) => request.path))).toEqual(
      new Set(['/v1/account']),
    );
    expect(await syncing.stored(seeded.invoiceId)).toMatchObject({
      state: 'draft',
      failures: [null, null],
    });
    const message = await lastError(seeded.invoiceId);
    expect(message).toMatch(syncing.double.state().id);
    expect(message).toMatch(other.state().id);
    syncing.clock.advance(3_600_000);
    await syncing.pushAll();
    expect(await syncing.stored(seeded.invoiceId)).toMatchObject({
      state: 'open',
      lineItems: ['finalized', 'finalized'],
    });
  });

  it('does not make an invoice look deleted when something is heard of it', async () => {
    const seeded = await syncing.seed();
    await syncing.pushAll();
    const [at] = await syncing.atStripe(seeded.stripeCustomerId);
    await syncing.sdk.invoices.pay(at?.invoice.id ?? '', { paid_out_of_band: true });
    const events = syncing.double.state().events.filter(({ type }) => type === 'invoice.paid');
    await syncing.deliver(syncing.worker(), events.slice(-1));
    await syncing.processAll(stranger(), 3);
    expect(await syncing.stored(seeded.invoiceId)).toMatchObject({ state: 'open' });
    syncing.clock.advance(3_600_000);
    await syncing.processAll();
    expect(await syncing.stored(seeded.invoiceId)).toMatchObject({ state: 'paid' });
  });

  it('is known for an invoice from before accounts were kept, once that was seen with the right one', async () => {
    const seeded = await syncing.seed();
    await syncing.pushAll();
    const { database } = syncing.db;
    await database.query(`UPDATE invoices SET stripe_account_id = NULL`);
    const [at] = await syncing.atStripe(seeded.stripeCustomerId);
    await syncing.sdk.invoices.pay(at?.invoice.id ?? '', { paid_out_of_band: true });
    const events = syncing.double.state().events.filter(({ type }) => type === 'invoice.paid');
    await syncing.deliver(syncing.worker(), events.slice(-1));
    await syncing.processAll(syncing.worker(), 1);
    expect(
      await database.query('SELECT stripe_account_id FROM invoices WHERE id = $1', [
        seeded.invoiceId,
      ]),
    ).toEqual([{ stripe_account_id: syncing.double.state().id }]);
  });

  it('makes no draft for a customer who was billed in the account before', async () => {
    const first = await syncing.seed();
    await syncing.pushAll();
    await syncing.db.database.query(
      `INSERT INTO invoices (id, customer_id, billing_period_id, currency, finalize, state, created_at, updated_at)
       SELECT 'inv_next', customer_id, billing_period_id, currency, false, 'pending', now(), now()
       FROM invoices WHERE id = $1`,
      [first.invoiceId],
    );
    const worker = stranger();
    await worker.invoices.enqueue('inv_next', []);
    await syncing.pushAll(worker);
    expect(await lastError('inv_next')).toMatch('belongs in the Stripe account');
    syncing.clock.advance(3_600_000);
    await syncing.pushAll();
    expect(await syncing.stored('inv_next')).toMatchObject({ state: 'draft' });
  });

  it('may be told by a refusal that nothing was made there; then the right one takes it', async () => {
    const seeded = await syncing.seed();
    await syncing.pushAll(stranger());
    const stored = await syncing.stored(seeded.invoiceId);
    expect(stored.failures[0]).toMatch('No such customer');
    await syncing.worker().retry.retry(seeded.lineItemIds[0] ?? '');
    await syncing.pushAll();
    expect(await syncing.stored(seeded.invoiceId)).toMatchObject({ state: 'open' });
  });
});
