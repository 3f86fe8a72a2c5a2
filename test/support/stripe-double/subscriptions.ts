import { type Account } from './account.js';
import { customerOf } from './customers.js';
import { noSuch } from './errors.js';
import { newId } from './ids.js';
import { newItem } from './invoice-items.js';
import { advance, finalize } from './invoice-life.js';
import { attachItems, blankInvoice, recalculate, renderInvoice } from './invoice-object.js';
import type { InvoiceHead, InvoiceRecord, Origin, Subscription } from './objects.js';
import { type Route, route } from './routes.js';

/** docs.stripe.com/billing/subscriptions/webhooks: an hour after a webhook was answered, else 72. */
const WINDOW_SECONDS = 3_600;
const UNANSWERED_SECONDS = 72 * 3_600;
const BY_STRIPE: Origin = { id: null, idempotency_key: null };

export interface NewSubscription {
  customer: string;
  currency: string;
  /** The fee of each period, in minor units. */
  amount: number;
  /** Its first period. */
  start: Date;
  end: Date;
  collectionMethod?: 'charge_automatically' | 'send_invoice';
}

/** Starts a subscription and makes its first invoice, which bills no usage and is final at once. */
export function subscribe(account: Account, input: NewSubscription): Subscription {
  const { customer, currency, amount } = input;
  const start = toSeconds(input.start);
  const id = newId('sub');
  const subscription: Subscription = {
    id,
    object: 'subscription',
    billing_cycle_anchor: start,
    cancel_at_period_end: false,
    canceled_at: null,
    collection_method: input.collectionMethod ?? 'charge_automatically',
    created: start,
    currency,
    customer: customerOf(account, customer).id,
    ended_at: null,
    items: {
      object: 'list',
      data: [
        {
          id: `si_${id.slice('sub_'.length)}`,
          object: 'subscription_item',
          created: start,
          current_period_start: start,
          current_period_end: toSeconds(input.end),
          quantity: 1,
          price: { id: newId('price'), object: 'price', currency, unit_amount: amount },
          subscription: id,
        },
      ],
      has_more: false,
      url: `/v1/subscription_items?subscription=${id}`,
    },
    latest_invoice: null,
    livemode: false,
    metadata: {},
    start_date: start,
    status: 'active',
    test_clock: null,
  };
  account.subscriptions.set(id, subscription);
  account.emit('customer.subscription.created', subscription, BY_STRIPE);
  const record = makeInvoice(account, subscription, {
    billing_reason: 'subscription_create',
    period_start: start,
    period_end: start,
  });
  finalize(account, record, { origin: BY_STRIPE });
  return subscription;
}

/**
 * Begins the next period, which ends at `end` (a real one computes that from its anchor). The draft bills
 * its fee; the draft's own period is the one that is over.
 */
export function renew(account: Account, id: string, end: Date): string {
  const subscription = existing(account, id);
  const [item] = subscription.items.data;
  if (item === undefined || subscription.status === 'canceled') {
    throw new Error(`The subscription ${id} does not renew.`);
  }
  const period = { period_start: item.current_period_start, period_end: item.current_period_end };
  item.current_period_start = item.current_period_end;
  item.current_period_end = toSeconds(end);
  account.emit('customer.subscription.updated', subscription, BY_STRIPE);
  const reason = { billing_reason: 'subscription_cycle', ...period } as const;
  return makeInvoice(account, subscription, reason).head.id;
}

/** Ends a subscription at once. */
export function cancel(account: Account, id: string): void {
  const subscription = existing(account, id);
  const now = account.now();
  Object.assign(subscription, { status: 'canceled', canceled_at: now, ended_at: now });
  account.emit('customer.subscription.deleted', subscription, BY_STRIPE);
}

/** Finalizes and charges the drafts whose time has come. */
export function finalizeDue(account: Account): string[] {
  const now = account.now();
  return [...account.invoices.values()]
    .filter(({ head }) => {
      const answered = head.webhooks_delivered_at;
      const due = answered === null ? head.created + UNANSWERED_SECONDS : answered + WINDOW_SECONDS;
      return subscriptionOf(head) !== null && head.status === 'draft' && due <= now;
    })
    .filter((record) => advance(account, record))
    .map(({ head }) => head.id);
}

/** The subscription that an invoice was made for; null for none. */
export function subscriptionOf({ parent }: Pick<InvoiceHead, 'parent'>): string | null {
  const named = parent?.subscription_details?.subscription;
  return typeof named === 'string' ? named : null;
}

/** Refuses a list of a subscription's objects when there is no such subscription. */
export function assertSubscriptionFilter(account: Account, id: string | undefined): void {
  if (id !== undefined && !account.subscriptions.has(id)) {
    throw noSuch('subscription', id, 'subscription');
  }
}

function toSeconds(instant: Date): number {
  return Math.floor(instant.getTime() / 1000);
}

function makeInvoice(
  account: Account,
  subscription: Subscription,
  change: Pick<InvoiceHead, 'billing_reason' | 'period_start' | 'period_end'>,
): InvoiceRecord {
  const { id, currency, collection_method: collectionMethod } = subscription;
  const customer = customerOf(account, subscription.customer);
  customer.currency ??= currency;
  const record = blankInvoice(account, customer, currency);
  Object.assign(record.head, {
    auto_advance: true,
    collection_method: collectionMethod,
    parent: {
      type: 'subscription_details',
      quote_details: null,
      subscription_details: { metadata: {}, subscription: id },
    },
    ...change,
  } satisfies Partial<InvoiceHead>);
  const amount = subscription.items.data[0]?.price.unit_amount ?? 0;
  attachItems(record, [newItem(account, customer, { amount, currency, description: 'Fee' })]);
  recalculate(account, record);
  account.invoices.set(record.head.id, record);
  subscription.latest_invoice = record.head.id;
  const event = account.emit('invoice.created', renderInvoice(account, record), BY_STRIPE);
  record.head.webhooks_delivered_at = event.pending_webhooks === 0 ? event.created : null;
  return record;
}

function existing(account: Account, id: string): Subscription {
  const subscription = account.subscriptions.get(id);
  if (subscription === undefined) {
    throw noSuch('subscription', id, 'id', 404);
  }
  return subscription;
}

export const subscriptionRoutes: Route[] = [
  route('GET', '/v1/subscriptions/:id', {}, ({ account, id }) => existing(account, id)),
];
