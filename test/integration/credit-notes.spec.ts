/*
 * Aim: a reconciliation knows what credit notes take of invoices, so that one that settles a difference
 * is no difference, one that credits what was right is one, and both sides add up in either case.
 * Method: credit notes are issued by hand at the double, whenever they are, by lines and as a whole.
 */
import { type Stripe } from 'stripe';
import { type Reconciliation } from '../../src/billing/reconciliation/reconciliation.js';
import { Reconciling } from '../support/reconciling.js';
import { type SeededInvoice, type Syncing } from '../support/syncing.js';

const DAY_MS = 86_400_000;

describe('credit notes', () => {
  let reconciling: Reconciling;
  let syncing: Syncing;
  let sdk: Stripe;

  beforeAll(async () => {
    reconciling = await Reconciling.start();
    ({ syncing } = reconciling);
    ({ sdk } = syncing);
  });

  beforeEach(() => {
    // What the tests before have made lies outside of the window.
    syncing.clock.advance(DAY_MS);
  });

  afterAll(async () => {
    await reconciling.close();
  });

  interface Pushed extends SeededInvoice {
    readonly from: Date;
    readonly invoice: string;
    readonly lines: readonly Stripe.InvoiceLineItem[];
  }

  const linesOf = async (invoice: string): Promise<Stripe.InvoiceLineItem[]> =>
    (await sdk.invoices.listLineItems(invoice, { limit: 100 })).data;

  /** A final invoice; with the first item on it twice, when that was doubled before. */
  async function pushed({ isDoubled = false, amounts = [4538, 700] } = {}): Promise<Pushed> {
    const from = syncing.clock.now();
    const seeded = await syncing.seed({ amounts, finalize: !isDoubled });
    await syncing.pushAll(syncing.worker(), 1);
    const [at] = await syncing.atStripe(seeded.stripeCustomerId);
    const invoice = at?.invoice.id ?? '';
    if (isDoubled) {
      await sdk.invoiceItems.create({
        ...{ customer: seeded.stripeCustomerId ?? '', invoice, currency: 'usd', amount: 4538 },
        metadata: { meterline_line_item: seeded.lineItemIds[0] ?? '' },
      });
      await sdk.invoices.finalizeInvoice(invoice);
      await follow();
    }
    return { ...seeded, from, invoice, lines: await linesOf(invoice) };
  }

  async function follow(): Promise<void> {
    await syncing.deliver(syncing.worker(), syncing.double.state().events.slice(-5));
    await syncing.processAll(syncing.worker(), 1);
  }

  async function credit(invoice: string, line: string, amount: number): Promise<string> {
    const lines = [{ type: 'invoice_line_item' as const, invoice_line_item: line, amount }];
    return (await sdk.creditNotes.create({ invoice, lines })).id;
  }

  const sums = (run: Reconciliation): unknown => {
    const { ledgerMinor, stripeMinor } = run.totals.get('usd') ?? {};
    return { state: run.state, ledgerMinor, stripeMinor };
  };

  it('settles what was billed twice', async () => {
    const { from, invoice, lines, lineItemIds } = await pushed({ isDoubled: true });
    const before = await reconciling.reconcile(from);
    expect(sums(before)).toMatchObject({ ledgerMinor: 5238n, stripeMinor: 9776n });
    expect(await reconciling.found(before.id)).toContain('duplicate by_hand');
    const second = lines.findLast(
      ({ metadata }) => metadata['meterline_line_item'] === lineItemIds[0],
    );
    await credit(invoice, second?.id ?? '', 4538);
    await follow();
    const after = await reconciling.reconcile(from);
    expect(sums(after)).toEqual({ state: 'completed', ledgerMinor: 5238n, stripeMinor: 5238n });
    expect(await reconciling.found(after.id)).not.toContain('duplicate by_hand');
  });

  it('is a difference where the ledger bills what was credited, until it is void', async () => {
    const { from, invoice, lines } = await pushed();
    const line = lines.find(({ amount }) => amount === 4538);
    const note = await credit(invoice, line?.id ?? '', 38);
    const run = await reconciling.reconcile(from);
    expect(sums(run)).toEqual({ state: 'completed', ledgerMinor: 5238n, stripeMinor: 5200n });
    const [found] = await reconciling.differences(run.id);
    expect(found).toMatchObject({
      class: 'credited',
      repair: 'by_hand',
      ours: { amountMinor: 4538n },
      theirs: { amountMinor: 4500n },
    });
    await sdk.creditNotes.voidCreditNote(note);
    const after = await reconciling.reconcile(from);
    expect(after).toMatchObject({ state: 'completed', differenceCount: 0 });
  });

  it('is a difference of its own where it names no line', async () => {
    const { from, invoice, invoiceId } = await pushed();
    const note = await sdk.creditNotes.create({ invoice, amount: 100 });
    const run = await reconciling.reconcile(from);
    expect(sums(run)).toEqual({ state: 'completed', ledgerMinor: 5238n, stripeMinor: 5138n });
    expect(await reconciling.differences(run.id)).toMatchObject([
      {
        ...{ class: 'credited', lineItemId: null, invoiceId, stripeId: note.id, ours: null },
        theirs: { amountMinor: -100n, currency: 'usd' },
      },
    ]);
  });

  it('is seen of an old invoice by when it was made, and of one in the window whenever', async () => {
    const { from, invoice, lines } = await pushed();
    const until = syncing.clock.now();
    syncing.clock.advance(40 * DAY_MS);
    const later = syncing.clock.now();
    await credit(invoice, lines[0]?.id ?? '', 7);
    const { id } = await reconciling.service.request({ start: from, end: until }, 'key_x');
    const [ofThen, ofNow] = [await reconciling.end(id), await reconciling.reconcile(later)];
    expect(await reconciling.found(ofThen.id)).toEqual(['credited by_hand']);
    expect(await reconciling.found(ofNow.id)).toEqual(['credited by_hand']);
  });

  it('is read with all its lines', async () => {
    const amounts = Array.from({ length: 14 }, (_, index) => 100 + index);
    const { from, invoice, lines } = await pushed({ amounts });
    const each = lines.map(({ id }) => ({
      ...{ type: 'invoice_line_item' as const, invoice_line_item: id, amount: 1 },
    }));
    await sdk.creditNotes.create({ invoice, lines: each });
    const run = await reconciling.reconcile(from);
    expect(await reconciling.found(run.id)).toEqual(lines.map(() => 'credited by_hand'));
  });
});
