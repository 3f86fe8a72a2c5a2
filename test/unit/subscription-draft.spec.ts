import fc from 'fast-check';
import {
  attachBy,
  bills,
  halfOf,
  isEnded,
  missedReason,
  onlyOf,
  sortWaiting,
  type StripeSight,
  type WaitingItem,
} from '../../src/billing/drafts/subscription-draft.js';
import { type StripeSubscriptionInvoice } from '../../src/stripe/stripe-subscription.js';

const DECEMBER = new Date('2026-12-01T00:00:00Z');
const JANUARY = new Date('2027-01-01T00:00:00Z');
const HOUR_MS = 3_600_000;

function item(change: Partial<WaitingItem> = {}): WaitingItem {
  return {
    id: 'li_1',
    customerId: 'cus',
    subscriptionId: 'sub',
    billingPeriodId: 'bp',
    currency: 'usd',
    amountMinor: 100n,
    chargedUntil: DECEMBER,
    carriedOver: null,
    isOver: false,
    finalize: true,
    ...change,
  };
}

function invoice(change: Partial<StripeSubscriptionInvoice> = {}): StripeSubscriptionInvoice {
  return {
    id: 'in_1',
    status: 'draft',
    currency: 'usd',
    totalMinor: 0n,
    amountPaidMinor: 0n,
    creditedMinor: 0n,
    number: null,
    hostedInvoiceUrl: null,
    metadata: {},
    collection: { dueAt: null, isAttempted: false, finalizedAt: null },
    customer: 'cus_1',
    subscription: 'sub_1',
    billingReason: 'subscription_cycle',
    periodEnd: DECEMBER,
    createdAt: DECEMBER,
    automaticallyFinalizesAt: null,
    ...change,
  };
}

function sight(
  invoices: readonly StripeSubscriptionInvoice[],
  change: Partial<NonNullable<StripeSight['subscription']>> = {},
): StripeSight {
  const subscription = { id: 'sub_1', customer: 'cus_1', currency: 'usd', status: 'active' };
  return { subscription: { ...subscription, ...change }, invoices };
}

const placedOn = (items: readonly WaitingItem[], seen: StripeSight): [string, string[]][] =>
  sortWaiting(items, seen, 'cus_1').placed.map(({ draft, items: on }) => [
    draft.id,
    on.map(({ id }) => id),
  ]);

describe('bills', () => {
  it.each([
    ['subscription_cycle', true],
    ['subscription_threshold', true],
    ['subscription_update', true],
    ['subscription', true],
    ['subscription_create', false],
    ['manual', false],
    ['upcoming', false],
    [null, false],
  ])('takes an invoice made for %s: %s', (billingReason, expected) => {
    expect(bills(invoice({ billingReason }), item())).toBe(expected);
  });

  it.each([
    ['at its end', DECEMBER, true],
    ['long before it', new Date('2026-10-01T00:00:00Z'), true],
    ['within the second of its end', new Date(DECEMBER.getTime() + 999), true],
    ['a second after it', new Date(DECEMBER.getTime() + 1_000), false],
  ])('takes usage until %s', (_, chargedUntil, expected) => {
    expect(bills(invoice(), item({ chargedUntil }))).toBe(expected);
  });
});

describe('attachBy', () => {
  it('is what Stripe says, else a window after the draft was made; half of it is a warning', () => {
    const inAnHour = new Date(DECEMBER.getTime() + HOUR_MS);
    expect(attachBy(invoice(), HOUR_MS)).toEqual(inAnHour);
    expect(attachBy(invoice({ automaticallyFinalizesAt: JANUARY }), HOUR_MS)).toEqual(JANUARY);
    expect(halfOf(invoice(), inAnHour)).toEqual(new Date('2026-12-01T00:30:00Z'));
  });
});

describe('isEnded', () => {
  it.each([
    ['active', false],
    ['past_due', false],
    ['unpaid', false],
    ['paused', false],
    ['trialing', false],
    ['canceled', true],
    ['incomplete_expired', true],
  ])('takes %s for an end: %s', (status, expected) => {
    expect(isEnded({ status })).toBe(expected);
  });
});

describe('onlyOf', () => {
  it('leaves out what waits no longer, and drafts on which nothing goes any more', () => {
    const [first, second, third] = ['li_1', 'li_2', 'li_3'].map((id) => item({ id })) as [
      WaitingItem,
      WaitingItem,
      WaitingItem,
    ];
    const both = { draft: invoice(), items: [first, second] };
    const sorted = {
      placed: [both, { draft: invoice({ id: 'in_2' }), items: [third] }],
      carried: [
        { item: second, reason: 'late' },
        { item: third, reason: 'late' },
      ],
      failed: [{ item: third, failure: 'nobody' }],
    };
    expect(onlyOf(sorted, new Set(['li_1']))).toEqual({
      placed: [{ draft: both.draft, items: [first] }],
      carried: [],
      failed: [],
    });
    expect(onlyOf(sorted, new Set(['li_1', 'li_2', 'li_3']))).toEqual(sorted);
  });
});

describe('sortWaiting', () => {
  it('puts what waits on its draft', () => {
    expect(placedOn([item(), item({ id: 'li_2' })], sight([invoice()]))).toEqual([
      ['in_1', ['li_1', 'li_2']],
    ]);
  });

  it('takes the draft whose period ends first, and each item the one for its time', () => {
    const later = invoice({ id: 'in_0', periodEnd: JANUARY });
    const items = [item(), item({ id: 'li_2', chargedUntil: JANUARY })];
    expect(placedOn(items, sight([later, invoice()]))).toEqual([
      ['in_1', ['li_1']],
      ['in_0', ['li_2']],
    ]);
  });

  it('leaves what no draft bills yet as it is', () => {
    const seen = sight([invoice({ billingReason: 'subscription_create' })]);
    expect(sortWaiting([item()], seen, 'cus_1')).toEqual({ placed: [], carried: [], failed: [] });
  });

  it('says which invoice was missed, once, the last of several', () => {
    const seen = sight([
      invoice({ id: 'in_2', status: 'paid', periodEnd: JANUARY }),
      invoice({ status: 'open' }),
    ]);
    const reason = missedReason('in_2');
    expect(sortWaiting([item()], seen, 'cus_1').carried).toEqual([{ item: item(), reason }]);
    expect(sortWaiting([item({ carriedOver: reason })], seen, 'cus_1').carried).toEqual([]);
  });

  it.each([
    ['is unknown', { subscription: null, invoices: [] }, 'has no such subscription'],
    ['is of another', sight([invoice()], { customer: 'cus_2' }), 'cus_2, not of cus_1'],
    ['is in another currency', sight([invoice()], { currency: 'eur' }), 'in eur, not in usd'],
    ['has ended', sight([], { status: 'canceled' }), 'is canceled'],
  ])('fails what waits when the subscription %s', (_, seen, words) => {
    const { failed, placed } = sortWaiting([item()], seen, 'cus_1');
    expect(placed).toEqual([]);
    expect(failed.map(({ failure }) => failure)).toEqual([expect.stringContaining(words)]);
  });

  it('still fills the last draft of a subscription that has ended', () => {
    expect(placedOn([item()], sight([invoice()], { status: 'canceled' }))).toEqual([
      ['in_1', ['li_1']],
    ]);
  });

  it('puts each item in one place at most, on a draft that bills its time', () => {
    const months = fc.integer({ min: 0, max: 11 }).map((month) => new Date(Date.UTC(2026, month)));
    const status = fc.constantFrom('draft' as const, 'open' as const, 'paid' as const);
    const invoices = fc
      .array(fc.record({ periodEnd: months, status }))
      .map((all) => all.map((change, index) => invoice({ id: `in_${index}`, ...change })));
    const items = fc
      .array(months)
      .map((all) => all.map((chargedUntil, index) => item({ id: `li_${index}`, chargedUntil })));
    fc.assert(
      fc.property(invoices, items, (seen, waiting) => {
        const { placed, carried, failed } = sortWaiting(waiting, sight(seen), 'cus_1');
        const ids = placed.flatMap(({ items: on }) => on.map(({ id }) => id));
        const others = carried.map((one) => one.item.id);
        expect(new Set([...ids, ...others]).size).toBe(ids.length + others.length);
        expect(failed).toEqual([]);
        for (const { draft, items: on } of placed) {
          expect(draft.status).toBe('draft');
          const nearest = seen.filter(
            (one) =>
              one.status === 'draft' &&
              on.some(({ chargedUntil }) => chargedUntil <= one.periodEnd) &&
              one.periodEnd < draft.periodEnd,
          );
          expect(on.every((one) => bills(draft, one))).toBe(true);
          for (const other of nearest) {
            expect(on.filter((one) => bills(other, one))).toEqual([]);
          }
        }
      }),
    );
  });
});
