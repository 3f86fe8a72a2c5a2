/*
 * Which of Stripe's invoices carries which line item, when Stripe makes the invoices: pure rules over
 * what was seen at Stripe. Stripe finalizes such a draft about an hour after it made it, so what comes
 * too late goes on the next one.
 */
import {
  type StripeSubscription,
  type StripeSubscriptionInvoice,
} from '../../stripe/stripe-subscription.js';

/** A line item that no invoice carries yet. */
export interface WaitingItem {
  readonly id: string;
  readonly customerId: string;
  readonly subscriptionId: string;
  readonly billingPeriodId: string;
  readonly currency: string;
  readonly amountMinor: bigint;
  /** Where the time ends that it charges for; where it starts for what is charged in advance. */
  readonly chargedUntil: Date;
  /** Why an invoice could not carry it; null when none should have. */
  readonly carriedOver: string | null;
  /** Whether the subscription here has ended and all of it is billed. */
  readonly isOver: boolean;
  /** Whether an invoice of our own for it is finalized. */
  readonly finalize: boolean;
}

/** What Stripe was seen to have: the subscription (null: none) and its invoices. */
export interface StripeSight {
  readonly subscription: StripeSubscription | null;
  readonly invoices: readonly StripeSubscriptionInvoice[];
}

export interface Sorted {
  /** Drafts, each with what goes on it. */
  readonly placed: readonly {
    readonly draft: StripeSubscriptionInvoice;
    readonly items: readonly WaitingItem[];
  }[];
  /** What has just missed an invoice. */
  readonly carried: readonly { readonly item: WaitingItem; readonly reason: string }[];
  /** What no draft will ever carry. */
  readonly failed: readonly { readonly item: WaitingItem; readonly failure: string }[];
}

/**
 * Why Stripe makes an invoice that bills usage of the time before it. The first invoice
 * (`subscription_create`) is final at once, and a `manual` one is a person's own
 * (docs.stripe.com/api/invoices/object, billing_reason).
 */
const RENEWALS: readonly (string | null)[] = [
  'subscription_cycle',
  'subscription_threshold',
  'subscription_update',
  'subscription',
];

/** A subscription in one of these makes no invoice any more (docs.stripe.com/api/subscriptions/object). */
const ENDED: readonly string[] = ['canceled', 'incomplete_expired'];

/** Whether a subscription of Stripe's will never make an invoice again. */
export function isEnded({ status }: Pick<StripeSubscription, 'status'>): boolean {
  return ENDED.includes(status);
}

/**
 * Whether an invoice bills the time that a line item charges for: usage up to Stripe's period end,
 * compared in Stripe's whole seconds.
 */
export function bills(
  invoice: Pick<StripeSubscriptionInvoice, 'billingReason' | 'periodEnd'>,
  { chargedUntil }: Pick<WaitingItem, 'chargedUntil'>,
): boolean {
  const seconds = Math.floor(chargedUntil.getTime() / 1_000);
  return RENEWALS.includes(invoice.billingReason) && seconds * 1_000 <= invoice.periodEnd.getTime();
}

/**
 * When Stripe is expected to finalize a draft: when it says so, else a window after it was made (an hour,
 * docs.stripe.com/billing/subscriptions/webhooks), or later if webhooks were not answered.
 */
export function attachBy(
  draft: Pick<StripeSubscriptionInvoice, 'createdAt' | 'automaticallyFinalizesAt'>,
  windowMs: number,
): Date {
  return draft.automaticallyFinalizesAt ?? new Date(draft.createdAt.getTime() + windowMs);
}

/** When half of the time to fill a draft is over. */
export function halfOf(
  { createdAt }: Pick<StripeSubscriptionInvoice, 'createdAt'>,
  deadline: Date,
): Date {
  return new Date((createdAt.getTime() + deadline.getTime()) / 2);
}

/**
 * Sorts what waits by what was seen. Of several drafts that would do, the one whose period ends first
 * is taken, since that is the one it belongs on.
 *
 * @param stripeCustomerId whom the line items are for; null when that is not known
 */
export function sortWaiting(
  items: readonly WaitingItem[],
  sight: StripeSight,
  stripeCustomerId: string | null,
): Sorted {
  const fault = faultOf(sight.subscription, stripeCustomerId);
  const byPeriod = sight.invoices.toSorted(
    (a, b) => a.periodEnd.getTime() - b.periodEnd.getTime() || (a.id < b.id ? -1 : 1),
  );
  const placed = new Map<StripeSubscriptionInvoice, WaitingItem[]>();
  const carried: { item: WaitingItem; reason: string }[] = [];
  const failed: { item: WaitingItem; failure: string }[] = [];
  for (const item of items) {
    const failure = fault ?? currencyFault(sight.subscription, item);
    const fitting = byPeriod.filter((invoice) => bills(invoice, item));
    const draft = fitting.find((invoice) => invoice.status === 'draft');
    const missed = fitting.findLast((invoice) => invoice.status !== 'draft');
    if (failure !== null) {
      failed.push({ item, failure });
    } else if (draft !== undefined) {
      placed.set(draft, [...(placed.get(draft) ?? []), item]);
    } else if (sight.subscription !== null && isEnded(sight.subscription)) {
      failed.push({ item, failure: endedFault(sight.subscription) });
    } else if (missed !== undefined) {
      carried.push({ item, reason: missedReason(missed.id) });
    }
  }
  return {
    placed: [...placed].map(([draft, on]) => ({ draft, items: on })),
    carried: carried.filter(({ item, reason }) => item.carriedOver !== reason),
    failed,
  };
}

/** The same of some line items only; drafts on which nothing is left to go are left out. */
export function onlyOf(sorted: Sorted, lineItemIds: ReadonlySet<string>): Sorted {
  const isLeft = ({ id }: WaitingItem): boolean => lineItemIds.has(id);
  return {
    placed: sorted.placed
      .map(({ draft, items }) => ({ draft, items: items.filter(isLeft) }))
      .filter(({ items }) => items.length > 0),
    carried: sorted.carried.filter(({ item }) => isLeft(item)),
    failed: sorted.failed.filter(({ item }) => isLeft(item)),
  };
}

/** Why a line item is not on an invoice of Stripe's that bills its time. */
export function missedReason(stripeInvoiceId: string): string {
  return `Stripe finalized ${stripeInvoiceId} before it was attached; the next invoice of the subscription carries it.`;
}

function faultOf(
  subscription: StripeSubscription | null,
  stripeCustomerId: string | null,
): string | null {
  if (subscription === null) {
    return `Stripe has no such subscription. ${OWN}`;
  }
  return subscription.customer === stripeCustomerId
    ? null
    : `Stripe's ${subscription.id} is of the customer ${subscription.customer}, not of ${stripeCustomerId ?? 'anybody known here'}. ${OWN}`;
}

function currencyFault(
  subscription: StripeSubscription | null,
  { currency }: WaitingItem,
): string | null {
  return subscription === null || subscription.currency === currency
    ? null
    : `Stripe's ${subscription.id} is in ${subscription.currency}, not in ${currency}. ${OWN}`;
}

function endedFault({ id, status }: StripeSubscription): string {
  return `Stripe's ${id} is ${status} and makes no more invoices. ${OWN}`;
}

const OWN = 'A retry puts it on an invoice of its own.';
