/*
 * What can differ between the ledger and Stripe, and what is to be done about each. Pure. The rule
 * behind the repairs: only what a person cannot miss afterwards is done here; money that a customer was
 * asked for already is for a person.
 */

export const DIFFERENCE_CLASSES = [
  'missing',
  'duplicate',
  'amount',
  'currency',
  'orphan',
  'edited',
  'deleted',
  'voided',
  'credited',
  'state',
] as const;

/**
 * `missing`: Stripe never had it; `deleted`: it had, and somebody took it away; `duplicate`: once more
 * than it should; `amount`, `currency`: another one; `orphan`: ours by its metadata, and not known here;
 * `edited`: the amount is right and something else that we had written is not; `voided`: on an invoice
 * that was voided, of which the ledger has not heard; `credited`: a credit note takes some of it; `state`: the two stand elsewhere in other ways.
 */
export type DifferenceClass = (typeof DIFFERENCE_CLASSES)[number];

/**
 * Each way of repairing, in the order in which those of one invoice are carried out: what is too much
 * goes before anything is sent again, since sending again ends with finalizing.
 */
export const REPAIRS = [
  'delete_item',
  'delete_invoice',
  'follow',
  'replace_item',
  'send_again',
  'bill_again',
  'by_hand',
] as const;

export type Repair = (typeof REPAIRS)[number];

/** The place of a repair in that order. */
export function rankOf(repair: Repair): number {
  return REPAIRS.indexOf(repair);
}

/** What a repair does, or what a person has to do, in words. */
const WORDS: Readonly<Record<Exclude<Repair, 'by_hand'>, string>> = {
  delete_item: 'Deletes this item at Stripe, which is on a draft or on no invoice yet.',
  delete_invoice: 'Deletes this empty draft at Stripe.',
  follow: 'Makes the invoice and its line items here what Stripe says they are.',
  replace_item: 'Deletes the item at Stripe and puts the line item on the draft again.',
  send_again: 'Queues the line item for Stripe again, and with it what else failed on its invoice.',
  bill_again: 'Puts the line item on a new invoice.',
};

const BY_HAND: Readonly<Record<DifferenceClass, string>> = {
  missing:
    'Stripe cannot take it on this invoice, or no draft will carry it: look at the line item, and retry it there if it has failed.',
  deleted:
    'Stripe cannot take it on this invoice, and the ledger does not say that it failed: look at the line item.',
  duplicate:
    'The invoice is final: issue a credit note at Stripe for the line of this item (Invoice, "Issue credit note"), which refunds it if it was paid.',
  amount:
    'The invoice is final: where Stripe has too much, issue a credit note for the difference at Stripe; where it has too little, bill the rest there.',
  currency:
    'The invoice is final: credit the line in full at Stripe with a credit note, and bill it there in the right currency.',
  orphan:
    'The invoice is final or holds other things: find out who made it (another installation with the same Stripe account?), and credit or void it at Stripe.',
  edited: 'The invoice is final and the amount is right: nothing can be changed, nor has to be.',
  voided: 'Nothing here can follow it: look at the line item.',
  credited:
    'Somebody issued a credit note at Stripe: if that is right, accept this with the reason; else void the credit note there.',
  state:
    'Stripe and the ledger contradict each other in a way that no news from Stripe explains: look at the line item.',
};

/** How a difference is repaired, for people. */
export function wordsOf(repair: Repair, differenceClass: DifferenceClass): string {
  return repair === 'by_hand' ? BY_HAND[differenceClass] : WORDS[repair];
}

export interface Money {
  readonly amountMinor: bigint;
  readonly currency: string;
}

/** One thing that differs. */
export interface Found {
  readonly class: DifferenceClass;
  readonly repair: Repair;
  /** Null for what names no line item: an invoice. */
  readonly lineItemId: string | null;
  /** The item or invoice at Stripe; null when it has none. */
  readonly stripeId: string | null;
  /** Null for an item that is on no invoice, and where there is none. */
  readonly stripeInvoiceId: string | null;
  /** What the ledger bills, and what Stripe does; null: nothing. Theirs less ours is this one's share of the gap. */
  readonly ours: Money | null;
  readonly theirs: Money | null;
  /** One sentence. */
  readonly detail: string;
}

/**
 * `gone`: when it was to be repaired there was nothing left to do; `accepted`: somebody said that it may
 * stay, now or of an earlier report.
 */
export const DIFFERENCE_STATES = [
  'open',
  'queued',
  'repaired',
  'gone',
  'failed',
  'accepted',
] as const;

export type DifferenceState = (typeof DIFFERENCE_STATES)[number];

/** One difference of a report, and what became of it. */
export interface Difference extends Found {
  readonly id: string;
  readonly reconciliationId: string;
  /** Our invoice; null when it is about none of ours. */
  readonly invoiceId: string | null;
  /** Whose; null when that is not known here. */
  readonly customerId: string | null;
  /** Everything at Stripe that was looked at with it. */
  readonly lookedAt: Places;
  readonly state: DifferenceState;
  /** Who asked for the repair, the id of an API key, and when; null until somebody did. */
  readonly requestedBy: string | null;
  readonly requestedAt: Date | null;
  /** Null until something was about to be changed at Stripe. */
  readonly begunAt: Date | null;
  readonly attemptCount: number;
  /** Null until it is settled. */
  readonly settledAt: Date | null;
  /** What was done, or why not; null until it is settled. */
  readonly outcome: string | null;
}

/** Where at Stripe something has to be looked for. */
export interface Places {
  readonly stripeInvoiceIds: readonly string[];
  /** Items that are on no invoice. */
  readonly stripeItemIds: readonly string[];
}
