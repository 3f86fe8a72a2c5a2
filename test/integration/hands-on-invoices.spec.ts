/*
 * Aim: whatever a person does to an invoice by hand between two steps of the push, what Stripe does not
 * bill is never said to be billed here, and a retry bills it once.
 * Method: faults of the double hold the push up where the person comes in; what is then at Stripe is counted.
 */
import { type Stripe } from 'stripe';
import { type Config } from '../../src/platform/config.js';
import { type Database } from '../../src/platform/database/database.js';
import { StripeClient } from '../../src/stripe/stripe.client.js';
import { limiter, type SeededInvoice, Syncing } from '../support/syncing.js';

describe('an invoice that a person changes while it is pushed', () => {
  let syncing: Syncing;
  let sdk: Stripe;

  beforeAll(async () => {
    syncing = await Syncing.start();
    ({ sdk } = syncing);
  });

  afterEach(() => {
    syncing.double.clearFaults();
  });

  afterAll(async () => {
    await syncing.close();
  });

  /** What is billed of line items, each as often as it is on an invoice that is not void. */
  const billed = async (seeded: SeededInvoice): Promise<string[]> => {
    const at = await syncing.atStripe(seeded.stripeCustomerId);
    return at
      .filter(({ invoice }) => invoice.status !== 'void')
      .flatMap(({ items }) => items.map(({ metadata }) => metadata?.['meterline_line_item'] ?? ''))
      .toSorted();
  };
  const onlyDraft = async (seeded: SeededInvoice): Promise<[string, Stripe.InvoiceItem[]]> => {
    const [at] = await syncing.atStripe(seeded.stripeCustomerId);
    return [at!.invoice.id ?? '', at!.items];
  };
  const hear = async (type: string): Promise<void> => {
    const events = syncing.double.state().events.filter((event) => event.type === type);
    await syncing.deliver(syncing.worker(), events.slice(-1));
    await syncing.processAll(syncing.worker(), 1);
  };

  it('bills again what was taken off it before it was finalized by hand', async () => {
    const seeded = await syncing.seed({ amounts: [4538, 700] });
    syncing.double.orderFault({
      method: 'POST',
      path: '/finalize$',
      kind: 'drop_before',
      times: 2,
    });
    await syncing.push(1);
    const [id, items] = await onlyDraft(seeded);
    await sdk.invoiceItems.del(items[0]!.id);
    await sdk.invoices.finalizeInvoice(id);
    await syncing.pushAll();
    await hear('invoice.finalized');
    const taken = items[0]!.metadata?.['meterline_line_item'] ?? '';
    const stored = await syncing.stored(seeded.invoiceId);
    expect(stored.lineItems.toSorted()).toEqual(['failed', 'finalized']);
    await syncing.worker().retry.retry(taken);
    await syncing.pushAll();
    expect(await billed(seeded)).toEqual(seeded.lineItemIds.toSorted());
    const [now] = await syncing.worker().ledger.byIds([taken]);
    expect(now).toMatchObject({ state: 'finalized' });
    expect(now?.invoiceId).not.toBe(seeded.invoiceId);
  });

  it('does not say that an amount is billed which was changed before it was finalized by hand', async () => {
    const seeded = await syncing.seed({ amounts: [4538, 700] });
    syncing.double.orderFault({
      method: 'POST',
      path: '/finalize$',
      kind: 'drop_before',
      times: 2,
    });
    await syncing.push(1);
    const [id, items] = await onlyDraft(seeded);
    await sdk.invoiceItems.update(items[0]!.id, { amount: 1 });
    await sdk.invoices.finalizeInvoice(id);
    await syncing.pushAll();
    await hear('invoice.finalized');
    const changed = items[0]!.metadata?.['meterline_line_item'] ?? '';
    await syncing.worker().retry.retry(changed);
    await syncing.pushAll();
    const [now] = await syncing.worker().ledger.byIds([changed]);
    expect(now).toMatchObject({ state: 'failed' });
  });

  it('notices what was taken off between the last look and the finalization', async () => {
    const seeded = await syncing.seed({ amounts: [4538, 700] });
    // What is on the draft was shown by the call that put it there, and is not looked at again.
    const client = (config: Config, database: Database): StripeClient =>
      new Interrupted(config, database, async (id) => {
        const [newest] = (await sdk.invoiceItems.list({ invoice: id })).data;
        await sdk.invoiceItems.del(newest?.id ?? '');
      });
    await syncing.pushAll(syncing.worker({ client }));
    await hear('invoice.finalized');
    const stored = await syncing.stored(seeded.invoiceId);
    expect(stored.lineItems.toSorted()).toEqual(['failed', 'finalized']);
    const taken = seeded.lineItemIds[stored.lineItems.indexOf('failed')] ?? '';
    await syncing.worker().retry.retry(taken);
    await syncing.pushAll();
    expect(await billed(seeded)).toEqual(seeded.lineItemIds.toSorted());
  });
});

/** A client during whose finalization somebody is quicker, once. */
class Interrupted extends StripeClient {
  private isDone = false;

  constructor(
    config: Config,
    database: Database,
    private readonly before: (id: string) => Promise<void>,
  ) {
    super(config, database, limiter(config, database));
  }

  override async finalizeInvoice(
    id: string,
    idempotencyKey: string,
  ): ReturnType<StripeClient['finalizeInvoice']> {
    if (!this.isDone) {
      this.isDone = true;
      await this.before(id);
    }
    return await super.finalizeInvoice(id, idempotencyKey);
  }
}
