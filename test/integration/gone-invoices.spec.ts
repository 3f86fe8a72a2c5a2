/*
 * Aim: an invoice that Stripe does not know, and metadata that shows in one place only, neither keep the
 * push busy nor bill anything twice.
 * Method: the real services, and a double of Stripe that forgets an invoice or shows metadata otherwise.
 */
import { Reconciling } from '../support/reconciling.js';
import { type SeededInvoice, type Syncing } from '../support/syncing.js';

const PLACES = ['both', 'items', 'lines'] as const;

describe('what Stripe does not show', () => {
  let reconciling: Reconciling;
  let syncing: Syncing;

  beforeAll(async () => {
    reconciling = await Reconciling.start();
    ({ syncing } = reconciling);
  });

  afterEach(() => {
    syncing.double.clearFaults();
    syncing.double.showMetadataOn('both');
  });

  afterAll(async () => {
    await reconciling.close();
  });

  const only = async (seeded: SeededInvoice): Promise<string> => {
    const [at] = await syncing.atStripe(seeded.stripeCustomerId);
    return at?.invoice.id ?? '';
  };
  const syncsOf = async (invoiceId: string): Promise<{ state: string; last_error: string }[]> =>
    await syncing.db.database.query(
      `SELECT state, last_error FROM provider_syncs WHERE invoice_id = $1 ORDER BY position`,
      [invoiceId],
    );

  it('asks once about an invoice that is final here and unknown there, and then waits for a person', async () => {
    const seeded = await syncing.seed({ amounts: [4538, -120] });
    syncing.double.orderFault({ method: 'POST', path: '/finalize$', kind: 'error_500_before' });
    await syncing.push(1);
    const id = await only(seeded);
    await syncing.sdk.invoices.finalizeInvoice(id);
    const finalized = syncing.double
      .state()
      .events.filter(({ type }) => type === 'invoice.finalized');
    await syncing.deliver(syncing.worker(), finalized.slice(-1));
    await syncing.processAll(syncing.worker(), 1);
    expect(await syncing.stored(seeded.invoiceId)).toMatchObject({ state: 'open' });
    await syncing.double.forget(id);
    syncing.double.clearRequests();
    await syncing.push(5);
    expect(syncing.double.requests().filter(({ path }) => path.includes(id))).toHaveLength(1);
    const syncs = await syncsOf(seeded.invoiceId);
    expect(syncs.map(({ state }) => state)).toEqual([
      'succeeded',
      'succeeded',
      'succeeded',
      'failed',
    ]);
    expect(syncs.at(-1)?.last_error).toMatch(`No such invoice: '${id}'`);
  });

  it('fails each item of a call that is still to be looked for', async () => {
    const seeded = await syncing.seed({ amounts: [4538, -120] });
    const path = '/add_lines$';
    syncing.double.orderFault({ method: 'POST', path, kind: 'drop_before', times: 2 });
    await syncing.push(1, 1);
    const id = await only(seeded);
    await syncing.db.database.query(`UPDATE invoices SET state = 'open' WHERE id = $1`, [
      seeded.invoiceId,
    ]);
    await syncing.double.forget(id);
    syncing.double.clearRequests();
    await syncing.push(5);
    const stored = await syncing.stored(seeded.invoiceId);
    expect(stored.lineItems).toEqual(['failed', 'failed']);
    expect(stored.failures).toEqual([expect.stringMatching(id), expect.stringMatching(id)]);
    expect(syncing.double.requests().filter((request) => request.path.includes(id))).toHaveLength(
      1,
    );
    // A person may try again, and is told the same.
    await syncing.worker().retry.retry(seeded.lineItemIds[0] ?? '');
    await syncing.push(5);
    expect(await syncing.stored(seeded.invoiceId)).toMatchObject({
      lineItems: ['failed', 'failed'],
    });
  });

  it.each(PLACES)(
    'bills once when metadata shows on %s, whatever got lost on the way',
    async (place) => {
      syncing.double.showMetadataOn(place);
      const from = syncing.clock.now();
      const together = await syncing.seed({ amounts: [4538, -120] });
      const alone = await syncing.seed({ amounts: [700] });
      for (const path of ['/add_lines$', '^/v1/invoiceitems$']) {
        syncing.double.orderFault({ method: 'POST', path, kind: 'commit_then_drop', times: 2 });
      }
      await syncing.pushAll();
      await syncing.double.expireIdempotencyKeys();
      syncing.clock.advance(25 * 3_600_000);
      await syncing.pushAll();
      for (const seeded of [together, alone]) {
        const [at] = await syncing.atStripe(seeded.stripeCustomerId);
        expect(at?.items).toHaveLength(seeded.lineItemIds.length);
        expect(await syncing.stored(seeded.invoiceId)).toMatchObject({ state: 'open' });
      }
      const run = await reconciling.reconcile(from);
      expect(run).toMatchObject({ state: 'completed', differenceCount: 0, invoiceCount: 2 });
    },
  );

  it.each(PLACES)('finds an item that is there twice when metadata shows on %s', async (place) => {
    const from = syncing.clock.now();
    const seeded = await syncing.seed({ amounts: [4538], finalize: false });
    await syncing.pushAll(syncing.worker(), 1);
    const id = await only(seeded);
    await syncing.sdk.invoiceItems.create({
      customer: seeded.stripeCustomerId ?? '',
      invoice: id,
      currency: 'usd',
      amount: 4538,
      metadata: { meterline_line_item: seeded.lineItemIds[0] ?? '' },
    });
    syncing.double.showMetadataOn(place);
    const run = await reconciling.reconcile(from);
    expect(await reconciling.found(run.id)).toEqual(['duplicate delete_item']);
  });
});
