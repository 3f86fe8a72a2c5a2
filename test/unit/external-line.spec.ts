import fc from 'fast-check';
import {
  readExternalId,
  type ReportedLine,
  standOf,
  toMessageData,
} from '../../src/billing/external/external-line.js';
import { canFollow, type InvoiceState } from '../../src/billing/invoices/invoice.js';
import { type BillableLineItem } from '../../src/billing/ledger/line-item.js';
import {
  canAdvance,
  LINE_ITEM_STATES,
  type LineItemState,
} from '../../src/billing/ledger/line-item-state.js';
import { decimal } from '../../src/kernel/decimal.js';
import { interval } from '../../src/kernel/interval.js';

const line = (state: LineItemState, amountMinor = 100n, due?: string): ReportedLine => ({
  state,
  amountMinor,
  dueAt: due === undefined ? null : new Date(due),
});

describe('standOf', () => {
  it.each<[LineItemState[], string | null]>([
    [[], null],
    [['pending'], null],
    [['sent'], null],
    [['paid', 'failed'], null],
    [['on_invoice', 'pending'], null],
    [['on_invoice'], 'draft'],
    [['on_invoice', 'paid'], 'draft'],
    [['finalized', 'finalized'], 'open'],
    [['finalized', 'paid'], 'open'],
    [['finalized', 'uncollectible'], 'open'],
    [['uncollectible', 'paid', 'void'], 'uncollectible'],
    [['paid', 'void'], 'paid'],
    [['void', 'void'], 'void'],
  ])('of %j is %s', (states, status) => {
    expect(standOf(states.map((state) => line(state)))?.status ?? null).toBe(status);
  });

  it('sums what there is and what was paid, and is due when the first that is owed is', () => {
    const lines = [
      line('finalized', 1_000n, '2026-12-24T00:00:00Z'),
      line('finalized', -20n, '2026-12-20T00:00:00Z'),
      line('paid', 300n, '2026-12-01T00:00:00Z'),
      line('void', 7n),
    ];
    expect(standOf(lines)).toMatchObject({
      totalMinor: 1_287n,
      amountPaidMinor: 300n,
      collection: { dueAt: new Date('2026-12-20T00:00:00Z') },
    });
  });

  it('never goes back, whatever line item moves on', () => {
    const reached = (states: readonly LineItemState[]): InvoiceState =>
      standOf(states.map((state) => line(state)))?.status ?? 'pending';
    const some = fc.array(fc.constantFrom(...LINE_ITEM_STATES), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(some, fc.nat(), fc.constantFrom(...LINE_ITEM_STATES), (states, at, to) => {
        const index = at % states.length;
        // Only what the platform does not have yet can fail.
        fc.pre(to !== 'failed' && canAdvance(states[index] ?? 'pending', to));
        expect(canFollow(reached(states), reached(states.with(index, to)))).toBe(true);
      }),
    );
  });
});

describe('readExternalId', () => {
  it.each<[string | null, string | null]>([
    ['{"external_id":"in_7"}', 'in_7'],
    ['{"ok":true,"external_id":"ä"}', 'ä'],
    [null, null],
    ['', null],
    ['ok', null],
    ['null', null],
    ['[]', null],
    ['"external_id"', null],
    ['{"external_id":7}', null],
    ['{"external_id":""}', null],
    ['{"external_id":"in_7"', null],
    [String.raw`{"external_id":"\u0000"}`, null],
    [JSON.stringify({ external_id: 'x'.repeat(255) }), 'x'.repeat(255)],
    [JSON.stringify({ external_id: 'x'.repeat(256) }), null],
  ])('of %s is %s', (body, id) => {
    expect(readExternalId(body)).toBe(id);
  });
});

describe('toMessageData', () => {
  const item: BillableLineItem = {
    id: 'li_2',
    customerId: 'cus_1',
    subscriptionId: 'sub_1',
    billingPeriodId: 'bp_1',
    priceId: 'price_1',
    charge: {
      kind: 'adjustment',
      quantity: decimal('-0.5'),
      correctsLineItemId: 'li_1',
      number: 1,
      billedInPeriodId: 'bp_2',
    },
    amountMinor: -50n,
    currency: 'usd',
    description: 'Used',
    cutOffBatch: 7n,
    steps: [],
    invoiceId: 'inv_1',
    createdAt: new Date('2026-12-01T01:00:00Z'),
    ownershipNumber: null,
    state: 'pending',
    failure: null,
    stripeInvoiceItemId: null,
    stripeInvoiceId: null,
    carriedOver: null,
    external: null,
    billingPeriod: interval(new Date('2026-10-01T00:00:00Z'), new Date('2026-11-01T00:00:00Z')),
    priceKey: 'used',
  };
  const context = {
    soFar: { chargeId: 'li_1', revision: 2, quantity: decimal('9.5'), amountMinor: 950n },
    customer: {
      id: 'cus_1',
      key: 'acme',
      name: 'Acme',
      email: null,
      currency: 'usd',
      timeZone: 'UTC',
      stripeCustomerId: null,
      metadata: { erp: '4711' },
      createdAt: new Date(0),
      updatedAt: new Date(0),
    },
    meterKey: 'requests',
    timeZone: 'Europe/Berlin',
    now: new Date('2026-12-01T01:00:00Z'),
  };

  it('tells the difference and the total, and what is corrected', () => {
    expect(toMessageData(item, context)).toEqual({
      line_item: 'li_2',
      charge: 'li_1',
      revision: 2,
      customer: { id: 'cus_1', key: 'acme', metadata: { erp: '4711' } },
      subscription: 'sub_1',
      invoice: 'inv_1',
      price: 'used',
      meter: 'requests',
      kind: 'adjustment',
      description: 'Used',
      period: {
        id: 'bp_1',
        start: '2026-10-01T02:00:00+02:00',
        end: '2026-11-01T01:00:00+01:00',
        time_zone: 'Europe/Berlin',
      },
      quantity: { delta: '-0.5', total: '9.5' },
      amount: { delta: '-0.50', delta_minor: -50, total: '9.50', total_minor: 950 },
      currency: 'usd',
      final: true,
      corrects: 'li_1',
    });
  });

  it('is final when the period is over, and for a fee at once', () => {
    const isFinal = (charge: BillableLineItem['charge'], now: string): unknown =>
      toMessageData({ ...item, charge }, { ...context, now: new Date(now) })['final'];
    const usage = { kind: 'usage', quantity: decimal('1') } as const;
    expect(isFinal(usage, '2026-10-31T23:59:59.999Z')).toBe(false);
    expect(isFinal(usage, '2026-11-01T00:00:00Z')).toBe(true);
    expect(isFinal({ kind: 'flat' }, '2026-10-01T00:00:00Z')).toBe(true);
    const countedSpan = { end: item.billingPeriod.end, except: [] };
    expect(toMessageData({ ...item, countedSpan }, context)).toMatchObject({ final: false });
  });
});
