/*
 * How a customer stands, by the invoices that Stripe says are not paid: a function of their present
 * states and of the time, so that it does not matter in which order they were heard of. Pure.
 */
import { type InvoiceSighting } from '../invoices/invoice.js';

export const STANDINGS = ['good', 'past_due', 'suspended'] as const;

export type Standing = (typeof STANDINGS)[number];

/** What is not paid of an invoice that is final. */
export interface Debt {
  /** From when on it is past due, which may be to come; null while nothing says so. */
  readonly pastDueAt: Date | null;
  /** Whether Stripe has it as uncollectible. */
  readonly isWrittenOff: boolean;
}

export interface UnpaidInvoice extends Debt {
  readonly invoiceId: string;
  readonly customerId: string;
}

export interface CustomerStanding {
  readonly customerId: string;
  readonly standing: Standing;
  readonly changedAt: Date;
  /** Null when no passing of time changes it. */
  readonly nextChangeAt: Date | null;
}

const DAY_MS = 86_400_000;

/**
 * What is owed of an invoice; null when nothing is, or nothing yet. One that is sent is past due when
 * its due date passes; one that is charged, once a charge was tried and it is still open: then since
 * it was finalized, which Stripe keeps, as it does not keep when the first charge failed
 * (docs.stripe.com/api/invoices/object: `attempted`, `due_date`, `status_transitions`).
 */
export function debtOf(sighting: InvoiceSighting): Debt | null {
  if (sighting.kind === 'deleted') {
    return null;
  }
  const { status, collection } = sighting.invoice;
  const { dueAt, isAttempted, finalizedAt } = collection;
  switch (status) {
    case 'draft':
    case 'paid':
    case 'void':
      return null;
    case 'open':
      return { pastDueAt: dueAt ?? (isAttempted ? finalizedAt : null), isWrittenOff: false };
    case 'uncollectible':
      return { pastDueAt: dueAt ?? finalizedAt, isWrittenOff: true };
  }
}

/**
 * How somebody stands who owes this, and whom thresholds suspend until these times.
 *
 * @param suspendAfterDays how long an invoice may be past due; one that was written off suspends at once
 * @param suspendedUntil when each suspension by a threshold ends; null: when it is lifted
 */
export function standingOf(
  debts: readonly Debt[],
  suspendAfterDays: number,
  now: Date,
  suspendedUntil: readonly (Date | null)[] = [],
): Pick<CustomerStanding, 'standing' | 'nextChangeAt'> {
  const lasting = suspendedUntil.filter((until) => until === null || until > now);
  if (lasting.length > 0) {
    // Whatever is owed may only add to it; when the first one ends it is judged again.
    const ends = lasting.flatMap((until) => (until === null ? [] : [until.getTime()]));
    const nextChangeAt = ends.length === 0 ? null : new Date(Math.min(...ends));
    return { standing: 'suspended', nextChangeAt };
  }
  if (debts.some(({ isWrittenOff }) => isWrittenOff)) {
    return { standing: 'suspended', nextChangeAt: null };
  }
  const first = pastDueSince(debts);
  if (first === null) {
    return { standing: 'good', nextChangeAt: null };
  }
  const suspendsAt = new Date(first.getTime() + suspendAfterDays * DAY_MS);
  if (suspendsAt <= now) {
    return { standing: 'suspended', nextChangeAt: null };
  }
  return first <= now
    ? { standing: 'past_due', nextChangeAt: suspendsAt }
    : { standing: 'good', nextChangeAt: first };
}

/** When the first of them was past due, or is going to be; null when none says. */
export function pastDueSince(debts: readonly Debt[]): Date | null {
  const times = debts.flatMap(({ pastDueAt }) => (pastDueAt === null ? [] : [pastDueAt.getTime()]));
  return times.length === 0 ? null : new Date(Math.min(...times));
}
