/*
 * Aim: whatever somebody does to our invoices at Stripe is found, explained to the cent and put right, and
 * what is not ours is never touched.
 * Method: each kind of tampering is done by hand at the double; then reconcile, repair, and reconcile until
 * nothing is left. The gap is held against sums made from the tables and the double's own state.
 */
import { type Stripe } from 'stripe';
import { type Reconciliation } from '../../src/billing/reconciliation/reconciliation.js';
import {
  ReconciliationsStore,
  StepLost,
} from '../../src/billing/reconciliation/reconciliations.store.js';
import { Reconciling } from '../support/reconciling.js';
import { type SeededInvoice, type Syncing } from '../support/syncing.js';

const NAME = 'meterline_line_item';

let reconciling: Reconciling;
let syncing: Syncing;
let sdk: Stripe;

beforeAll(async () => {
  reconciling = await Reconciling.start();
  ({ syncing } = reconciling);
  ({ sdk } = syncing);
});

afterAll(async () => {
  await reconciling.close();
});

/** An invoice at Stripe with its items, the oldest first. */
interface Pushed extends SeededInvoice {
  readonly from: Date;
  readonly invoice: Stripe.Invoice;
  readonly items: readonly [Stripe.InvoiceItem, Stripe.InvoiceItem];
}

async function pushed(finalize: boolean): Promise<Pushed> {
  const from = syncing.clock.now();
  const seeded = await syncing.seed({ finalize });
  await syncing.pushAll(syncing.worker(), 1);
  const [first] = await syncing.atStripe(seeded.stripeCustomerId);
  const [left, right] = first!.items.toReversed();
  return { ...seeded, from, invoice: first!.invoice, items: [left!, right!] };
}

const idOf = (named: string | { id: string } | null): string =>
  typeof named === 'string' ? named : (named?.id ?? '');

/** What is on a customer's first invoice, the newest first. */
async function itemsOf(stripeCustomerId: string | null): Promise<Stripe.InvoiceItem[]> {
  const [first] = await syncing.atStripe(stripeCustomerId);
  return first?.items ?? [];
}

/** Another one of an item, by hand. */
async function copy(item: Stripe.InvoiceItem, change: object = {}): Promise<Stripe.InvoiceItem> {
  return await sdk.invoiceItems.create({
    customer: idOf(item.customer),
    currency: item.currency,
    amount: item.amount,
    invoice: idOf(item.invoice),
    ...(item.description !== null && { description: item.description }),
    ...(item.metadata !== null && { metadata: item.metadata }),
    ...change,
  });
}

const gapOf = (run: Reconciliation, currency = 'usd'): bigint => {
  const totals = run.totals.get(currency);
  return (totals?.stripeMinor ?? 0n) - (totals?.ledgerMinor ?? 0n);
};

describe('a reconciliation of what nobody touched', () => {
  it('finds nothing, tells so, and files both sums', async () => {
    const { from, stripeCustomerId } = await pushed(true);
    const draft = await pushed(false);
    await sdk.invoiceItems.create({ customer: stripeCustomerId!, currency: 'eur', amount: 77 });
    const run = await reconciling.reconcile(from);
    expect(run).toMatchObject({
      state: 'completed',
      differenceCount: 0,
      invoiceCount: 2,
      lineItemCount: 4,
    });
    expect(Object.fromEntries(run.totals)).toMatchObject({
      usd: { ledgerMinor: 8836n, stripeMinor: 8836n, notOursCount: 0 },
      eur: { ledgerMinor: 0n, stripeMinor: 0n, notOursCount: 1, notOursMinor: 77n },
    });
    const told = await syncing.db.database.query<{ type: string; data: object }>(
      `SELECT type, body::jsonb -> 'data' AS data FROM webhook_messages
       WHERE body::jsonb -> 'data' ->> 'reconciliation' = $1`,
      [run.id],
    );
    expect(told).toMatchObject([
      { type: 'reconciliation.completed', data: { difference_count: 0, line_item_count: 4 } },
    ]);
    expect(draft.invoice.status).toBe('draft');
    const left = await syncing.db.database.query(
      `SELECT 1 FROM reconciliation_sightings UNION ALL SELECT 1 FROM reconciliation_doubts`,
    );
    expect(left).toEqual([]);
  });

  it('does not take what another account has for deleted', async () => {
    const { from, invoiceId, invoice } = await pushed(false);
    // In the account of the key there is no such invoice.
    await sdk.invoices.del(invoice.id ?? '');
    await syncing.db.database.query(
      `UPDATE invoices SET stripe_account_id = 'acct_of_another' WHERE id = $1`,
      [invoiceId],
    );
    const run = await reconciling.reconcile(from);
    expect(run).toMatchObject({ state: 'completed', differenceCount: 0 });
    expect(run.totals.get('usd')).toMatchObject({ inFlightCount: 2, ledgerMinor: 0n });
  });

  it('takes what is still to be sent for no difference', async () => {
    const from = syncing.clock.now();
    const { stripeCustomerId } = await syncing.seed();
    const run = await reconciling.reconcile(from);
    expect(run).toMatchObject({ state: 'completed', differenceCount: 0, lineItemCount: 0 });
    expect(run.totals.get('usd')).toMatchObject({
      inFlightMinor: 4418n,
      inFlightCount: 2,
      ledgerMinor: 0n,
    });
    await syncing.pushAll(syncing.worker(), 1);
    expect(await syncing.atStripe(stripeCustomerId)).toHaveLength(1);
    expect(await reconciling.reconcile(from)).toMatchObject({
      differenceCount: 0,
      lineItemCount: 2,
    });
  });

  it('finds what came to Stripe only after the window, without a difference', async () => {
    const from = syncing.clock.now();
    await syncing.seed();
    syncing.clock.advance(60_000);
    const end = syncing.clock.now();
    await syncing.pushAll(syncing.worker(), 1);
    const { id } = await reconciling.service.request({ start: from, end }, 'key');
    expect(await reconciling.end(id)).toMatchObject({ differenceCount: 0, lineItemCount: 2 });
  });
});

type Case = [
  name: string,
  finalize: boolean,
  tamper: (at: Pushed) => Promise<unknown>,
  gap: bigint,
  rounds: string[][],
];

const CASES: Case[] = [
  [
    'an item deleted on a draft',
    false,
    async ({ items }) => await sdk.invoiceItems.del(items[0].id),
    -4538n,
    [['deleted send_again']],
  ],
  [
    'an amount changed on a draft',
    false,
    async ({ items }) => await sdk.invoiceItems.update(items[0].id, { amount: 4500 }),
    -38n,
    [['amount replace_item']],
  ],
  [
    'a description changed on a draft',
    false,
    async ({ items }) => await sdk.invoiceItems.update(items[1].id, { description: 'A gift' }),
    0n,
    [['edited replace_item']],
  ],
  [
    'an item that no longer names its line item',
    false,
    async ({ items }) => await sdk.invoiceItems.update(items[0].id, { metadata: { [NAME]: '' } }),
    0n,
    [['edited replace_item']],
  ],
  [
    'an item made anew by hand',
    false,
    async ({ items }) => {
      await sdk.invoiceItems.del(items[0].id);
      await copy(items[0]);
    },
    0n,
    [['edited replace_item']],
  ],
  [
    'another currency',
    false,
    async ({ items }) => {
      const { metadata } = items[0];
      await sdk.invoiceItems.del(items[0].id);
      await sdk.invoiceItems.create({
        ...{ customer: idOf(items[0].customer), currency: 'eur', amount: 4538 },
        ...(metadata !== null && { metadata }),
      });
    },
    -4538n,
    [['currency replace_item']],
  ],
  [
    'an item twice on a draft',
    false,
    async ({ items }) => await copy(items[0]),
    4538n,
    [['duplicate delete_item']],
  ],
  [
    'an item once more on no invoice',
    true,
    async ({ items }) => {
      const { customer, metadata } = items[0];
      await sdk.invoiceItems.create({
        ...{ customer: idOf(customer), currency: 'usd', amount: 1 },
        ...(metadata !== null && { metadata }),
      });
    },
    1n,
    [['duplicate delete_item']],
  ],
  [
    'an item of nobody on a draft',
    false,
    async ({ items }) => await copy(items[0], { metadata: { [NAME]: 'li_of_nobody' } }),
    4538n,
    [['orphan delete_item']],
  ],
  [
    'a draft of nobody with an item on it',
    true,
    async ({ items, stripeCustomerId }) => {
      const draft = await sdk.invoices.create({
        ...{ customer: stripeCustomerId!, currency: 'usd' },
        metadata: { meterline_invoice: 'inv_of_nobody' },
      });
      await copy(items[0], { invoice: draft.id, metadata: { [NAME]: 'li_of_nobody' } });
    },
    4538n,
    [['orphan delete_invoice', 'orphan delete_item']],
  ],
  [
    'a second draft of our invoice',
    true,
    async ({ stripeCustomerId, invoiceId }) =>
      await sdk.invoices.create({
        ...{ customer: stripeCustomerId!, currency: 'usd' },
        metadata: { meterline_invoice: invoiceId },
      }),
    0n,
    [['duplicate delete_invoice']],
  ],
  [
    'a deleted draft',
    false,
    async ({ invoice }) => await sdk.invoices.del(invoice.id),
    -4418n,
    [
      ['deleted follow', 'deleted follow'],
      ['deleted bill_again', 'deleted bill_again'],
    ],
  ],
  [
    'a voided invoice',
    true,
    async ({ invoice }) => await sdk.invoices.voidInvoice(invoice.id),
    -4418n,
    [['voided follow', 'voided follow']],
  ],
  [
    'a payment that was not heard of',
    true,
    async ({ invoice }) => await sdk.invoices.pay(invoice.id, { paid_out_of_band: true }),
    0n,
    [['state follow', 'state follow']],
  ],
  [
    'an item taken off before somebody finalized the draft',
    false,
    async ({ invoice, items }) => {
      await sdk.invoiceItems.del(items[1].id);
      await sdk.invoices.finalizeInvoice(invoice.id);
    },
    120n,
    [['deleted bill_again', 'state follow']],
  ],
];

describe('a reconciliation of', () => {
  it.each(CASES)('%s finds it and puts it right', async (_, finalize, tamper, gap, rounds) => {
    const at = await pushed(finalize);
    const other = await pushed(false);
    const foreign = await sdk.invoiceItems.create({
      ...{ customer: other.stripeCustomerId!, invoice: other.invoice.id },
      ...{ currency: 'usd', amount: 999, description: 'Not ours' },
    });
    await tamper(at);
    const gaps: bigint[] = [];
    for (const expected of rounds) {
      const run = await reconciling.reconcile(at.from);
      gaps.push(gapOf(run));
      expect({
        state: run.state,
        error: run.error,
        found: await reconciling.found(run.id),
      }).toEqual({
        state: 'completed',
        error: null,
        found: expected,
      });
      await reconciling.repairAll(run.id);
      const states = (await reconciling.differences(run.id)).map((one) => one.state);
      // What one repair mends with another finds nothing left to do.
      expect(states.filter((state) => state !== 'gone')).toContain('repaired');
      expect(states.filter((state) => state !== 'gone' && state !== 'repaired')).toEqual([]);
    }
    expect(gaps[0]).toBe(gap);
    const last = await reconciling.reconcile(at.from);
    expect({ ...last, found: await reconciling.found(last.id) }).toMatchObject({
      state: 'completed',
      found: [],
    });
    expect(gapOf(last)).toBe(0n);
    expect(await sdk.invoiceItems.retrieve(foreign.id)).toMatchObject({ amount: 999 });
    expect(last.totals.get('usd')?.notOursCount).toBe(1);
  });

  it('an invoice that could not be finalized ends with it final', async () => {
    const from = syncing.clock.now();
    syncing.double.orderFault({ path: '/finalize$', kind: 'error_429', times: 3 });
    const seeded = await syncing.seed();
    await syncing.pushAll(syncing.worker(), 1);
    const items = await itemsOf(seeded.stripeCustomerId);
    await sdk.invoiceItems.update(items[0]!.id, { amount: 1 });
    await syncing.pushAll();
    expect(await syncing.stored(seeded.invoiceId)).toMatchObject({
      lineItems: ['failed', 'failed'],
    });
    const run = await reconciling.reconcile(from);
    expect(await reconciling.found(run.id)).toEqual(['amount replace_item', 'state send_again']);
    await reconciling.repairAll(run.id);
    expect(await syncing.stored(seeded.invoiceId)).toMatchObject({
      state: 'open',
      lineItems: ['finalized', 'finalized'],
    });
    expect(await reconciling.reconcile(from)).toMatchObject({ differenceCount: 0 });
  });

  it('what is final leaves to a person what a person has to do', async () => {
    const at = await pushed(false);
    const extra = await copy(at.items[0]);
    await sdk.invoiceItems.update(at.items[1].id, { amount: -100 });
    await sdk.invoices.finalizeInvoice(at.invoice.id);
    const run = await reconciling.reconcile(at.from);
    expect(await reconciling.found(run.id)).toEqual([
      'amount by_hand',
      'duplicate by_hand',
      'state follow',
    ]);
    expect(gapOf(run)).toBe(4558n);
    const duplicate = (await reconciling.differences(run.id)).find(
      ({ stripeId }) => stripeId === extra.id,
    );
    await expect(reconciling.repairs.request(run.id, duplicate!.id, 'key')).rejects.toMatchObject({
      code: 'by_hand',
      message: expect.stringContaining('credit note'),
    });
    await reconciling.repairAll(run.id);
    const again = await reconciling.reconcile(at.from);
    expect(await reconciling.found(again.id)).toEqual([
      'amount by_hand',
      'duplicate by_hand',
      'state by_hand',
    ]);
    const told = await syncing.db.database.query(
      `SELECT type FROM webhook_messages WHERE body::jsonb -> 'data' ->> 'reconciliation' = $1 ORDER BY sequence`,
      [again.id],
    );
    expect(told).toEqual([
      { type: 'reconciliation.completed' },
      { type: 'reconciliation.differences_found' },
    ]);
  });

  it('what never got to Stripe is sent, once there is somebody to send it to', async () => {
    const from = syncing.clock.now();
    const seeded = await syncing.seed({ hasStripeCustomer: false });
    await syncing.pushAll(syncing.worker(), 1);
    const run = await reconciling.reconcile(from);
    expect(await reconciling.found(run.id)).toEqual(['missing send_again', 'missing send_again']);
    const { id } = await sdk.customers.create({});
    await syncing.db.database.query('UPDATE customers SET stripe_customer_id = $2 WHERE id = $1', [
      seeded.customerId,
      id,
    ]);
    await reconciling.repairAll(run.id);
    expect(await reconciling.reconcile(from)).toMatchObject({
      differenceCount: 0,
      lineItemCount: 2,
    });
  });
});

describe('a repair', () => {
  it('is recorded with who asked for it, and done once however often it is asked for', async () => {
    const at = await pushed(false);
    const extra = await copy(at.items[0]);
    const run = await reconciling.reconcile(at.from);
    const [difference] = await reconciling.differences(run.id);
    const ask = async () => await reconciling.repairs.request(run.id, difference!.id, 'key_alice');
    expect(await ask()).toMatchObject({ state: 'queued', requestedBy: 'key_alice' });
    expect(await ask()).toMatchObject({ state: 'queued' });
    await reconciling.carryOut();
    expect(await ask()).toMatchObject({
      state: 'repaired',
      requestedBy: 'key_alice',
      requestedAt: expect.any(Date),
      settledAt: expect.any(Date),
      outcome: 'The item was deleted at Stripe.',
    });
    await expect(sdk.invoiceItems.retrieve(extra.id)).rejects.toMatchObject({ statusCode: 404 });
    expect(await reconciling.repairs.requestAll(run.id, 'key')).toBe(0);
  });

  it('is asked for of some differences, all of them or none', async () => {
    const at = await pushed(false);
    const extra = await copy(at.items[0]);
    await copy(at.items[1]);
    const run = await reconciling.reconcile(at.from);
    const found = await reconciling.differences(run.id);
    const asked = found.filter(({ stripeId }) => stripeId === extra.id).map(({ id }) => id);
    expect([found.length, asked.length]).toEqual([2, 1]);
    const ask = async (ids: readonly string[]): Promise<number> =>
      await reconciling.repairs.requestSome(run.id, ids, 'key_alice');
    await expect(ask([...asked, 'dif_none'])).rejects.toMatchObject({ code: 'not_found' });
    expect((await reconciling.differences(run.id)).map(({ state }) => state)).toEqual([
      'open',
      'open',
    ]);
    expect(await ask([...asked, ...asked])).toBe(1);
    expect(await ask(asked)).toBe(0);
    await reconciling.carryOut();
    const states = (await reconciling.differences(run.id)).map(({ id, state }) =>
      asked.includes(id) ? `asked ${state}` : state,
    );
    expect(new Set(states)).toEqual(new Set(['asked repaired', 'open']));
  });

  it('does not delete the only one that is left', async () => {
    const at = await pushed(false);
    await copy(at.items[0]);
    const run = await reconciling.reconcile(at.from);
    await sdk.invoiceItems.del(at.items[0].id);
    await reconciling.repairAll(run.id);
    expect(await reconciling.differences(run.id)).toMatchObject([{ state: 'gone' }]);
    const items = await itemsOf(at.stripeCustomerId);
    expect(items).toHaveLength(2);
  });

  it('does nothing to what differs otherwise by now', async () => {
    const at = await pushed(false);
    await sdk.invoiceItems.update(at.items[0].id, { amount: 1 });
    const run = await reconciling.reconcile(at.from);
    await sdk.invoices.finalizeInvoice(at.invoice.id);
    await reconciling.repairAll(run.id);
    expect(await reconciling.differences(run.id)).toMatchObject([
      { state: 'failed', outcome: expect.stringContaining('Reconcile again') },
    ]);
  });

  it('waits while Stripe is away, and is done then', async () => {
    const at = await pushed(false);
    await copy(at.items[0]);
    const run = await reconciling.reconcile(at.from);
    syncing.double.orderFault({ method: 'DELETE', kind: 'commit_then_drop' });
    syncing.double.orderFault({ path: '/lines$', method: 'GET', kind: 'error_429', times: 2 });
    await reconciling.repairAll(run.id);
    expect(await reconciling.differences(run.id)).toMatchObject([{ state: 'repaired' }]);
  });
});

describe('the run of a reconciliation', () => {
  it('backs off when Stripe does not answer, and loses nothing', async () => {
    const at = await pushed(false);
    await sdk.invoiceItems.del(at.items[0].id);
    syncing.double.orderFault({
      method: 'GET',
      path: '/v1/invoices$',
      kind: 'error_429',
      times: 2,
    });
    syncing.double.orderFault({
      method: 'GET',
      path: '/v1/invoiceitems$',
      kind: 'html_503',
      times: 2,
    });
    syncing.double.orderFault({ method: 'GET', path: '/v1/invoices/in_', kind: 'drop_before' });
    const run = await reconciling.reconcile(at.from);
    expect(syncing.double.pendingFaults()).toEqual([]);
    expect(await reconciling.found(run.id)).toEqual(['deleted send_again']);
    await reconciling.repairAll(run.id);
  });

  it('gives up after hours, and tells so', async () => {
    syncing.double.orderFault({
      method: 'GET',
      path: '/v1/invoices$',
      kind: 'error_429',
      times: 15,
    });
    const run = await reconciling.reconcile(syncing.clock.now());
    syncing.double.clearFaults();
    // The pace rests by the database's clock, longer than the tests after this one.
    await syncing.db.database.query('DELETE FROM stripe_rate_limits');
    expect(run).toMatchObject({ state: 'failed', error: expect.stringMatching(/rate|limit/i) });
  });

  it('goes through all pages, and on from the top when the last one seen was deleted', async () => {
    const { from, stripeCustomerId } = await pushed(true);
    const made: string[] = [];
    for (let count = 0; count < 120; count += 1) {
      const params = { customer: stripeCustomerId!, currency: 'usd', amount: 1 };
      made.push((await sdk.invoiceItems.create(params)).id);
    }
    syncing.clock.advance(1_000);
    const { id } = await reconciling.service.request(
      { start: from, end: syncing.clock.now() },
      'key',
    );
    // Invoices, and the first page of items, which ends with the 21st.
    await reconciling.step();
    await reconciling.step();
    await sdk.invoiceItems.del(made[20]!);
    const run = await reconciling.end(id);
    // It was there when its page was read.
    expect(run.totals.get('usd')).toMatchObject({ notOursCount: 120, ledgerMinor: 4418n });
    expect(run.differenceCount).toBe(0);
  });

  it('is one for a window at a time, whoever works on it', async () => {
    const at = await pushed(false);
    await copy(at.items[0]);
    syncing.clock.advance(1_000);
    const window = { start: at.from, end: syncing.clock.now() };
    const [first, second] = await Promise.all([
      reconciling.service.request(window, 'key'),
      reconciling.service.request(window, 'key'),
    ]);
    expect(second.id).toBe(first.id);
    const run = await reconciling.end(first.id, async () => {
      const done = await Promise.all([reconciling.step(), reconciling.step(), reconciling.step()]);
      return Math.max(...done);
    });
    expect(run.totals.get('usd')).toMatchObject({ ledgerMinor: 4418n, stripeMinor: 8956n });
    expect(await reconciling.found(run.id)).toEqual(['duplicate delete_item']);
    expect((await reconciling.service.request(window, 'key')).id).not.toBe(first.id);
    await reconciling.end((await reconciling.service.list(1, null)).items[0]!.id);
    await reconciling.repairAll(run.id);
  });

  it('counts nothing of a worker who comes late', async () => {
    const { from } = await pushed(true);
    syncing.clock.advance(1_000);
    const { id } = await reconciling.service.request(
      { start: from, end: syncing.clock.now() },
      'key',
    );
    // Up to the comparison, which the late one takes; its lease runs out, and another one does it.
    await reconciling.step();
    await reconciling.step();
    const { database } = syncing.db;
    const store = new ReconciliationsStore(database);
    const before = (await store.claim(syncing.clock.now(), syncing.clock.now()))!;
    syncing.clock.advance(1_000);
    await reconciling.step();
    await expect(store.record(before, { ...before, totals: new Map() })).rejects.toThrow(StepLost);
    const run = await reconciling.end(id);
    expect(run.totals.get('usd')).toMatchObject({ ledgerMinor: 4418n, stripeMinor: 4418n });
  });

  it('begins by itself once a night, of what was billed before', async () => {
    syncing.clock.set('2026-12-20T02:59:59Z');
    expect(await reconciling.service.beginNight()).toBe(false);
    syncing.clock.set('2026-12-20T03:00:00Z');
    const begun = await Promise.all([
      reconciling.service.beginNight(),
      reconciling.service.beginNight(),
    ]);
    expect(begun.filter(Boolean)).toHaveLength(1);
    const [night] = (await reconciling.service.list(1, null)).items;
    expect(night).toMatchObject({
      night: '2026-12-20',
      window: { start: new Date('2026-11-15T00:00:00Z'), end: new Date('2026-12-20T00:00:00Z') },
      createdBy: null,
    });
    expect(await reconciling.end(night!.id)).toMatchObject({ state: 'completed' });
  });
});

describe('a reconciliation of whatever somebody may do', () => {
  type Deed = (at: Pushed) => Promise<unknown>;
  const deeds: Deed[] = [
    async ({ items }) => await sdk.invoiceItems.del(items[0].id),
    async ({ items }) => await sdk.invoiceItems.del(items[1].id),
    async ({ items }) => await sdk.invoiceItems.update(items[0].id, { amount: 17 }),
    async ({ items }) => await sdk.invoiceItems.update(items[1].id, { description: 'Other' }),
    async ({ items }) => await copy(items[0]),
    async ({ items }) => await copy(items[1], { amount: -7 }),
    async ({ items }) => await copy(items[0], { metadata: { [NAME]: 'li_of_nobody' } }),
    async ({ items }) => await copy(items[0], { metadata: {} }),
    async ({ items }) =>
      await sdk.invoiceItems.update(items[0].id, {
        metadata: { [NAME]: items[1].metadata![NAME]! },
      }),
    async ({ invoice }) => await sdk.invoices.finalizeInvoice(invoice.id),
    async ({ invoice }) => await sdk.invoices.voidInvoice(invoice.id),
    async ({ invoice }) => await sdk.invoices.markUncollectible(invoice.id),
    async ({ invoice }) => await sdk.invoices.pay(invoice.id, { paid_out_of_band: true }),
    async ({ invoice }) => await sdk.invoices.del(invoice.id),
  ];

  /** What both sides really have of some customers, from the tables and from the double's own state. */
  async function reality(
    customers: readonly Pushed[],
  ): Promise<{ ledger: bigint; stripe: bigint }> {
    const [row] = await syncing.db.database.query<{ sum: string }>(
      `SELECT coalesce(sum(amount_minor), 0) AS sum FROM line_items
       WHERE customer_id = ANY ($1) AND state <> 'void'`,
      [customers.map(({ customerId }) => customerId)],
    );
    const { items, invoices } = syncing.double.state();
    const owners = new Set<unknown>(customers.map(({ stripeCustomerId }) => stripeCustomerId));
    const isVoid = (id: unknown): boolean =>
      invoices.some((one) => one.head.id === id && one.head.status === 'void');
    const known = await syncing.db.database.query<{ id: string }>(
      `SELECT stripe_invoice_item_id AS id FROM line_items WHERE stripe_invoice_item_id IS NOT NULL`,
    );
    const stripe = items
      .filter((one) => NAME in one.metadata || known.some(({ id }) => id === one.id))
      .filter((one) => owners.has(one.customer) && !isVoid(one.invoice))
      .reduce((sum, one) => sum + BigInt(one.amount), 0n);
    return { ledger: BigInt(row!.sum), stripe };
  }

  it.each([1, 2, 3])('adds up, and repairs what it says it repairs (seed %i)', async (seed) => {
    const random = randomOf(seed);
    const from = syncing.clock.now();
    const all: Pushed[] = [];
    for (let count = 0; count < 6; count += 1) {
      const at = await pushed(random() < 0.3);
      for (let done = 0; done < 4; done += 1) {
        const deed = deeds[Math.floor(random() * deeds.length)]!;
        // What Stripe does not allow is not done.
        await deed(at).catch(() => null);
      }
      all.push(at);
    }
    let run = await reconciling.reconcile(from);
    for (let round = 0; round < 6; round += 1) {
      const { ledger, stripe } = await reality(all);
      expect({ error: run.error, ...run.totals.get('usd') }).toMatchObject({
        error: null,
        ledgerMinor: ledger,
        stripeMinor: stripe,
      });
      if ((await reconciling.found(run.id)).every((one) => one.endsWith('by_hand'))) {
        break;
      }
      await reconciling.repairAll(run.id);
      run = await reconciling.reconcile(from);
    }
    const left = await reconciling.found(run.id);
    expect(left.filter((one) => !one.endsWith('by_hand'))).toEqual([]);
  });
});

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe('a worker that is killed at every step', () => {
  it('neither loses nor doubles anything, and what it repairs is repaired once', async () => {
    const at = await pushed(false);
    await sdk.invoiceItems.update(at.items[0].id, { amount: 4500 });
    await copy(at.items[1]);
    const gone = await pushed(false);
    await sdk.invoiceItems.del(gone.items[1].id);
    const lost = await pushed(false);
    await sdk.invoiceItems.del(lost.items[0].id);
    await sdk.invoices.finalizeInvoice(lost.invoice.id);
    await copy(gone.items[0], { metadata: { [NAME]: 'li_of_nobody' } });
    syncing.clock.advance(1_000);
    const { id } = await reconciling.service.request(
      { start: at.from, end: syncing.clock.now() },
      'key',
    );
    let deaths = 0;
    const run = await reconciling.end(id, async () => {
      deaths += await reconciling.dying(id, async () => await reconciling.step());
      syncing.clock.advance(301_000);
      return 1;
    });
    expect(deaths).toBeGreaterThan(30);
    expect(await reconciling.found(id)).toEqual([
      'amount replace_item',
      'deleted bill_again',
      'deleted send_again',
      'duplicate delete_item',
      'orphan delete_item',
      'state follow',
    ]);
    expect(run.totals.get('usd')).toMatchObject({ ledgerMinor: 13_254n });
    expect(gapOf(run)).toBe(-38n - 120n + 120n - 4538n + 4538n);
    await reconciling.repairs.requestAll(id, 'key');
    let died = 0;
    for (let count = 0; count < 12; count += 1) {
      died += await reconciling.dying(id, async () => await reconciling.repairs.repairOnce());
      await syncing.pushAll(syncing.worker(), 1);
      syncing.clock.advance(301_000);
    }
    expect(died).toBeGreaterThan(30);
    const states = (await reconciling.differences(id)).map(({ state }) => state);
    expect(states.filter((state) => state !== 'repaired' && state !== 'gone')).toEqual([]);
    expect(await reconciling.reconcile(at.from)).toMatchObject({ differenceCount: 0 });
  });
});
