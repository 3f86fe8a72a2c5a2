import {
  canFollow,
  compareItems,
  INVOICE_STATES,
  type InvoiceState,
  lineItemStateOn,
  messagesOf,
} from '../../src/billing/invoices/invoice.js';
import { type BillableLineItem } from '../../src/billing/ledger/line-item.js';
import { type StripeInvoiceItem } from '../../src/stripe/stripe-object.js';

describe('canFollow', () => {
  const forward: Record<InvoiceState, InvoiceState[]> = {
    pending: ['draft', 'open', 'paid', 'uncollectible', 'void', 'deleted'],
    draft: ['open', 'paid', 'uncollectible', 'void', 'deleted'],
    open: ['paid', 'uncollectible', 'void'],
    uncollectible: ['paid', 'void'],
    paid: [],
    void: [],
    deleted: [],
  };

  it.each(INVOICE_STATES.flatMap((from) => INVOICE_STATES.map((to) => [from, to] as const)))(
    'moves from %s to %s only forward',
    (from, to) => {
      expect(canFollow(from, to)).toBe(from === to || forward[from].includes(to));
    },
  );
});

describe('messagesOf', () => {
  it.each([
    ['pending', 'draft', []],
    ['draft', 'open', ['invoice.finalized']],
    ['draft', 'paid', ['invoice.finalized', 'invoice.paid']],
    ['draft', 'void', ['invoice.finalized', 'invoice.voided']],
    ['draft', 'uncollectible', ['invoice.finalized']],
    ['draft', 'deleted', []],
    ['open', 'open', []],
    ['open', 'paid', ['invoice.paid']],
    ['open', 'void', ['invoice.voided']],
    ['open', 'uncollectible', []],
    ['uncollectible', 'paid', ['invoice.paid']],
    ['paid', 'paid', []],
  ] as const)('tells of %s becoming %s', (from, to, messages) => {
    expect(messagesOf(from, to)).toEqual(messages);
  });
});

describe('lineItemStateOn', () => {
  it('names where a line item stands for each state', () => {
    expect(INVOICE_STATES.map((state) => [state, lineItemStateOn(state)])).toEqual([
      ['pending', 'pending'],
      ['draft', 'on_invoice'],
      ['open', 'finalized'],
      ['uncollectible', 'uncollectible'],
      ['paid', 'paid'],
      ['void', 'void'],
      ['deleted', 'failed'],
    ]);
  });
});

describe('compareItems', () => {
  const ours = (id: string, amountMinor = 100n): BillableLineItem =>
    ({ id, amountMinor, currency: 'usd' }) as BillableLineItem;
  const theirs = (id: string, lineItem?: string, change: object = {}): StripeInvoiceItem => ({
    id,
    amountMinor: 100n,
    currency: 'usd',
    metadata: lineItem === undefined ? {} : { meterline_line_item: lineItem },
    ...change,
  });

  it('finds what is carried, missing, wrong and foreign', () => {
    const result = compareItems(
      ['a', 'b', 'c', 'd', 'e'].map((id) => ours(id)),
      [
        theirs('ii_1', 'a'),
        theirs('ii_2', 'b', { amountMinor: 99n }),
        theirs('ii_3', 'c', { currency: 'eur' }),
        theirs('ii_4', 'd'),
        theirs('ii_5', 'd'),
        theirs('ii_6'),
        theirs('ii_7', 'of_another'),
      ],
    );
    expect(
      result.carried.map(({ item, stripeInvoiceItemId }) => [item.id, stripeInvoiceItemId]),
    ).toEqual([['a', 'ii_1']]);
    expect(result.missing.map((item) => item.id)).toEqual(['e']);
    expect(result.wrong.map(({ item, fault }) => [item.id, fault])).toEqual([
      ['b', 'Stripe has 99 usd instead of 100 usd (ii_2)'],
      ['c', 'Stripe has 100 eur instead of 100 usd (ii_3)'],
      ['d', 'Stripe has it 2 times on the invoice'],
    ]);
    expect(result.foreignCount).toBe(2);
  });
});
