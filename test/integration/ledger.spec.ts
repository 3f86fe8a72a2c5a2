import { LedgerReader } from '../../src/billing/ledger/ledger.reader.js';
import { LedgerService } from '../../src/billing/ledger/ledger.service.js';
import {
  canAdvance,
  LINE_ITEM_STATES,
  type LineItemState,
} from '../../src/billing/ledger/line-item-state.js';
import { flat, perUnit, startBilling, type TestBilling } from '../support/billing.js';

const ANY = { subscriptionId: null, billingPeriodId: null, invoiceId: null, state: null };
const FIRST = { limit: 50, before: null };

describe('ledger', () => {
  let billing: TestBilling;
  let ledger: LedgerService;
  let reader: LedgerReader;

  beforeAll(async () => {
    billing = await startBilling('2026-11-10T12:00:00Z');
    ledger = billing.get(LedgerService);
    reader = billing.get(LedgerReader);
    const customer = await billing.customer({ key: 'acme', stripeCustomerId: 'cus_1' });
    await billing.subscribe(customer, await billing.plan([flat('49.00'), perUnit('0.0004')]), {
      billing: { provider: 'stripe', finalize: true },
      startsAt: new Date('2026-09-20T00:00:00Z'),
    });
    await billing.closeAllDue();
  });

  afterAll(async () => {
    await billing.close();
  });

  const force = async (id: string, state: LineItemState): Promise<void> => {
    await billing.rows(
      `UPDATE line_items SET state = $2, failure = CASE WHEN $2 = 'failed' THEN 'forced' END WHERE id = $1`,
      [id, state],
    );
  };

  it('lists newest first, page by page, by customer, state and invoice', async () => {
    const all = (await reader.list('acme', ANY, FIRST)).items;
    expect(all).toHaveLength(4);
    const first = await reader.list('acme', ANY, { limit: 3, before: null });
    const rest = await reader.list(null, ANY, { limit: 3, before: first.items[2]!.item.id });
    expect([...first.items, ...rest.items]).toEqual(all);
    expect(rest.nextCursor).toBeNull();
    const { invoiceId } = all[0]!.item;
    expect((await reader.list(null, { ...ANY, invoiceId }, FIRST)).items).toHaveLength(2);
    expect((await reader.list(null, { ...ANY, state: 'paid' }, FIRST)).items).toEqual([]);
    await expect(reader.list('nobody', ANY, FIRST)).rejects.toMatchObject({
      errors: [{ field: 'customer', code: 'unknown_customer' }],
    });
  });

  it('moves a state where the table allows, and nowhere else', async () => {
    const { item } = (await reader.list('acme', ANY, FIRST)).items[0]!;
    for (const from of LINE_ITEM_STATES) {
      for (const to of LINE_ITEM_STATES) {
        await force(item.id, from);
        const extra = to === 'failed' ? { failure: 'declined' } : {};
        const changed = await ledger.advance({ lineItemIds: [item.id] }, to, extra);
        const { state, failure } = (await reader.get(item.id)).item;
        expect([from, to, changed]).toEqual([from, to, canAdvance(from, to) ? 1 : 0]);
        expect(state).toBe(canAdvance(from, to) ? to : from);
        expect(failure === null).toBe(state !== 'failed');
      }
    }
    await force(item.id, 'pending');
  });

  it('moves all line items of an invoice at once', async () => {
    const { invoiceId } = (await reader.list('acme', ANY, FIRST)).items[0]!.item;
    expect(await ledger.advance({ invoiceId: invoiceId! }, 'finalized')).toBe(2);
    expect(await ledger.advance({ invoiceId: invoiceId! }, 'finalized')).toBe(0);
    expect(await ledger.advance({ invoiceId: invoiceId! }, 'sent')).toBe(0);
  });

  it('keeps the id of a Stripe item that is told after its invoice was', async () => {
    const { item } = (await reader.list('acme', { ...ANY, state: 'finalized' }, FIRST)).items[0]!;
    const told = { stripeInvoiceItemId: 'ii_1' };
    expect(await ledger.advance({ lineItemIds: [item.id] }, 'on_invoice', told)).toBe(1);
    expect((await reader.get(item.id)).item).toMatchObject({
      state: 'finalized',
      stripeInvoiceItemId: 'ii_1',
      amountMinor: item.amountMinor,
    });
    const other = { stripeInvoiceItemId: 'ii_2' };
    expect(await ledger.advance({ lineItemIds: [item.id] }, 'on_invoice', other)).toBe(0);
  });

  it('refuses to fail without a reason, or to give one to anything else', async () => {
    const none = { lineItemIds: [] };
    await expect(ledger.advance(none, 'failed')).rejects.toThrow(TypeError);
    await expect(ledger.advance(none, 'paid', { failure: 'x' })).rejects.toThrow(TypeError);
  });
});

describe('a period with more line items than an invoice holds', () => {
  it('becomes two invoices, each queued as a whole', async () => {
    const billing = await startBilling('2026-11-10T12:00:00Z');
    try {
      const customer = await billing.customer({ stripeCustomerId: 'cus_1' });
      const fees = Array.from({ length: 251 }, (_, index) => flat('1.00', `fee-${index}`));
      await billing.subscribe(customer, await billing.plan(fees), {
        billing: { provider: 'stripe', finalize: true },
        startsAt: new Date('2026-10-01T00:00:00Z'),
      });
      expect(await billing.closeAllDue()).toBe(1);
      const queues = await billing.rows(
        `SELECT string_agg(DISTINCT sync.kind, ' ' ORDER BY sync.kind) AS kinds, count(line_item_id)::integer AS items,
           bool_and(sync.line_item_id IS NULL OR item.invoice_id = sync.invoice_id) AS is_own,
           (array_agg(sync.kind ORDER BY sync.position DESC))[1] AS last
         FROM provider_syncs AS sync
         LEFT JOIN line_items AS item ON item.id = sync.line_item_id
         GROUP BY sync.invoice_id
         ORDER BY items`,
      );
      const common = {
        kinds: 'create_invoice create_item finalize_invoice',
        is_own: true,
        last: 'finalize_invoice',
      };
      expect(queues).toEqual([
        { ...common, items: 125 },
        { ...common, items: 126 },
      ]);
    } finally {
      await billing.close();
    }
  });
});
