/*
 * Aim: a customer's standing is a function of what is owed now and of the time, and of nothing else.
 * Method: a table of Stripe's states, and properties over sets of debts.
 */
import fc from 'fast-check';
import {
  type Debt,
  debtOf,
  pastDueSince,
  STANDINGS,
  standingOf,
} from '../../src/billing/standing/standing.js';
import { type StripeInvoice } from '../../src/stripe/stripe-object.js';

const DAY_MS = 86_400_000;
const FINALIZED = new Date('2026-12-01T00:00:00Z');
const DUE = new Date('2026-12-15T00:00:00Z');

const invoice = (
  status: StripeInvoice['status'],
  collection: Partial<StripeInvoice['collection']> = {},
): StripeInvoice => ({
  id: 'in_1',
  status,
  currency: 'usd',
  totalMinor: 100n,
  amountPaidMinor: 0n,
  creditedMinor: 0n,
  number: null,
  hostedInvoiceUrl: null,
  metadata: {},
  collection: { dueAt: null, isAttempted: false, finalizedAt: FINALIZED, ...collection },
});

describe('debtOf', () => {
  it.each([
    ['a draft', invoice('draft', { finalizedAt: null }), null],
    ['a paid one', invoice('paid', { isAttempted: true }), null],
    ['a void one', invoice('void', { isAttempted: true }), null],
    ['one that is to be charged', invoice('open'), { pastDueAt: null, isWrittenOff: false }],
    [
      'one whose charge failed',
      invoice('open', { isAttempted: true }),
      { pastDueAt: FINALIZED, isWrittenOff: false },
    ],
    ['one that was sent', invoice('open', { dueAt: DUE }), { pastDueAt: DUE, isWrittenOff: false }],
    [
      'one that was sent and tried to be paid',
      invoice('open', { dueAt: DUE, isAttempted: true }),
      { pastDueAt: DUE, isWrittenOff: false },
    ],
    [
      'one that was written off',
      invoice('uncollectible'),
      { pastDueAt: FINALIZED, isWrittenOff: true },
    ],
  ])('knows what is owed of %s', (_, stripeInvoice, debt) => {
    expect(debtOf({ kind: 'present', invoice: stripeInvoice, items: null })).toEqual(debt);
  });

  it('is nothing of a deleted draft', () => {
    expect(debtOf({ kind: 'deleted' })).toBeNull();
  });
});

describe('standingOf', () => {
  const DAYS = 30;
  const owing = (pastDueAt: Date | null, isWrittenOff = false): Debt => ({
    pastDueAt,
    isWrittenOff,
  });
  const suspendsAt = new Date(DUE.getTime() + DAYS * DAY_MS);
  const before = (instant: Date): Date => new Date(instant.getTime() - 1);

  it.each([
    ['nothing', [], DUE, 'good', null],
    ['what is not due', [owing(null)], DUE, 'good', null],
    ['what is due a moment later', [owing(DUE)], before(DUE), 'good', DUE],
    ['what is due', [owing(DUE)], DUE, 'past_due', suspendsAt],
    [
      'what was due for almost thirty days',
      [owing(DUE)],
      before(suspendsAt),
      'past_due',
      suspendsAt,
    ],
    ['what was due for thirty days', [owing(DUE)], suspendsAt, 'suspended', null],
    ['what was written off', [owing(FINALIZED, true)], FINALIZED, 'suspended', null],
    [
      'two, by the older',
      [owing(null), owing(DUE), owing(FINALIZED)],
      DUE,
      'past_due',
      new Date(FINALIZED.getTime() + DAYS * DAY_MS),
    ],
  ] as const)('judges who owes %s', (_, debts, now, standing, nextChangeAt) => {
    expect(standingOf(debts, DAYS, now)).toEqual({ standing, nextChangeAt });
  });

  const instant = fc.integer({ min: 0, max: 100 }).map((days) => new Date(days * DAY_MS));
  const debt = fc.record({ pastDueAt: fc.option(instant), isWrittenOff: fc.boolean() });

  it('does not depend on the order of debts, and never gets better by more of them or by waiting', () => {
    const rank = (debts: readonly Debt[], now: Date): number =>
      STANDINGS.indexOf(standingOf(debts, DAYS, now).standing);
    fc.assert(
      fc.property(fc.array(debt), debt, instant, instant, (debts, more, one, other) => {
        const [now, later] = [one, other].toSorted((a, b) => a.getTime() - b.getTime());
        expect(standingOf(debts.toReversed(), DAYS, now!)).toEqual(standingOf(debts, DAYS, now!));
        expect(rank([...debts, more], now!)).toBeGreaterThanOrEqual(rank(debts, now!));
        expect(rank(debts, later!)).toBeGreaterThanOrEqual(rank(debts, now!));
      }),
    );
  });

  it('changes at the instant that it names, and not before', () => {
    fc.assert(
      fc.property(fc.array(debt), instant, (debts, now) => {
        const { standing, nextChangeAt } = standingOf(debts, DAYS, now);
        if (nextChangeAt !== null) {
          expect(standingOf(debts, DAYS, before(nextChangeAt)).standing).toBe(standing);
          expect(standingOf(debts, DAYS, nextChangeAt).standing).not.toBe(standing);
        }
      }),
    );
    expect(pastDueSince([owing(DUE), owing(FINALIZED), owing(null)])).toEqual(FINALIZED);
  });
});
