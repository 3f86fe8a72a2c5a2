/*
 * Invoices of ours: opened with the closing of a period, and pushed to Stripe by the syncs that are
 * queued here in the same transaction. What Stripe then says of them is followed elsewhere.
 */
import { Injectable } from '@nestjs/common';
import { CustomersReader } from '../../customers/customers.reader.js';
import { notFound } from '../../kernel/errors.js';
import { newId } from '../../kernel/ids.js';
import { Database } from '../../platform/database/database.js';
import { Log } from '../../platform/log.js';
import { MAX_ITEMS_PER_INVOICE } from '../../stripe/stripe-object.js';
import { mapResult, type StripeFailure, type StripeResult } from '../../stripe/stripe-result.js';
import { type StripeSubscriptionInvoice } from '../../stripe/stripe-subscription.js';
import { StripeService } from '../../stripe/stripe.service.js';
import { SyncQueueService } from '../sync/sync-queue.service.js';
import { type Invoice, type InvoiceProvider, type StripeSighting } from './invoice.js';
import { type Carried, splitForInvoices } from './invoice-split.js';
import { InvoicesStore } from './invoices.store.js';

/** Whose an invoice of Stripe's is. */
export type InvoiceOwner =
  | { readonly kind: 'ours'; readonly invoiceId: string }
  | { readonly kind: 'foreign' }
  /** Ours, but its id is not recorded here yet. */
  | { readonly kind: 'early' }
  /** It names one of ours that has another invoice at Stripe. */
  | { readonly kind: 'second'; readonly invoiceId: string };

export interface NewInvoice {
  readonly customerId: string;
  readonly billingPeriodId: string;
  readonly currency: string;
  readonly finalize: boolean;
  /** Stripe by default. */
  readonly provider?: InvoiceProvider;
  readonly now: Date;
}

export interface NewDraft {
  readonly customerId: string;
  /** Of the first line item on it. */
  readonly billingPeriodId: string;
  readonly stripeSubscriptionId: string;
  readonly now: Date;
}

/** Somebody has to deploy another key first. */
const OTHER_ACCOUNT_RETRY_MS = 300_000;

@Injectable()
export class InvoicesService {
  /** Other accounts that the log knows of. */
  private readonly toldOf = new Set<string>();
  private handOver: ((invoice: Invoice, lineItemIds: readonly string[]) => Promise<void>) | null =
    null;

  constructor(
    private readonly store: InvoicesStore,
    private readonly syncs: SyncQueueService,
    private readonly stripe: StripeService,
    private readonly customers: CustomersReader,
    private readonly database: Database,
    private readonly log: Log,
  ) {}

  /** Whether Stripe can be asked at all. */
  get isConnected(): boolean {
    return this.stripe.isConfigured;
  }

  /** A new invoice without anything on it yet; in the caller's transaction. Answers its id. */
  async open(input: NewInvoice): Promise<string> {
    const { now, provider = 'stripe', ...rest } = input;
    const invoice: Invoice = {
      ...rest,
      provider,
      id: newId('inv'),
      state: 'pending',
      stripeCustomerId: null,
      stripeAccountId: null,
      stripeInvoiceId: null,
      stripeSubscriptionId: null,
      number: null,
      totalMinor: null,
      amountPaidMinor: null,
      hostedInvoiceUrl: null,
      createdAt: now,
      updatedAt: now,
    };
    await this.store.insert(invoice);
    return invoice.id;
  }

  /**
   * The invoice of ours for a draft that Stripe made by itself: a new one, or the one that is there; in
   * the caller's transaction. Answers its id; null when what is there is no draft any longer.
   */
  async openOn(draft: StripeSubscriptionInvoice, input: NewDraft): Promise<string | null> {
    const known = await this.store.findByStripeId(draft.id);
    if (known !== null) {
      return (await this.lock(known.id)).state === 'draft' ? known.id : null;
    }
    const { now, ...rest } = input;
    const invoice: Invoice = {
      ...rest,
      id: newId('inv'),
      currency: draft.currency,
      provider: 'stripe',
      finalize: false,
      state: 'draft',
      stripeCustomerId: draft.customer,
      stripeAccountId: this.stripe.knownAccountId,
      stripeInvoiceId: draft.id,
      number: draft.number,
      totalMinor: draft.totalMinor,
      amountPaidMinor: draft.amountPaidMinor,
      hostedInvoiceUrl: draft.hostedInvoiceUrl,
      createdAt: now,
      updatedAt: now,
    };
    await this.store.insert(invoice);
    return invoice.id;
  }

  /** Queues an item for each line item on a draft that is there. In the transaction that puts them on it. */
  async enqueueItems(invoiceId: string, lineItemIds: readonly string[]): Promise<void> {
    await this.syncs.enqueueItems(await this.get(invoiceId), lineItemIds);
  }

  /**
   * Opens as many invoices as line items need that an invoice of Stripe's cannot hold together, and says
   * which of them each goes on. In the caller's transaction.
   */
  async carry<Item extends Carried>(
    input: NewInvoice,
    items: readonly Item[],
  ): Promise<(Item & { readonly invoiceId: string })[]> {
    const carried = new Map<Item, string>();
    for (const part of splitForInvoices(items, MAX_ITEMS_PER_INVOICE)) {
      const invoiceId = await this.open(input);
      for (const item of part) {
        carried.set(item, invoiceId);
      }
    }
    return items.map((item) => ({ ...item, invoiceId: carried.get(item) ?? '' }));
  }

  /** Queues each of the invoices with those of the line items that go on it. As `enqueue`. */
  async enqueueAll(items: readonly { id: string; invoiceId: string | null }[]): Promise<void> {
    const invoiceIds = new Set(items.flatMap(({ invoiceId }) => invoiceId ?? []));
    for (const invoiceId of invoiceIds) {
      const own = items.filter((item) => item.invoiceId === invoiceId);
      await this.enqueue(
        invoiceId,
        own.map(({ id }) => id),
      );
    }
  }

  /**
   * Queues what Stripe has to be asked for: the draft, an item for each line item, and the
   * finalization if the invoice is to be finalized; what another platform collects is handed to who
   * tells it. In the transaction that writes the line items.
   */
  async enqueue(invoiceId: string, lineItemIds: readonly string[]): Promise<void> {
    const invoice = await this.get(invoiceId);
    if (invoice.provider === 'stripe') {
      await this.syncs.enqueue(invoice, lineItemIds);
      return;
    }
    if (this.handOver === null) {
      throw new Error(`Nobody hands over the line items of ${invoiceId}`);
    }
    await this.handOver(invoice, lineItemIds);
  }

  /** Who is called, in the transaction, with the line items of invoices that another platform collects. */
  onHandOver(handOver: NonNullable<InvoicesService['handOver']>): void {
    this.handOver = handOver;
  }

  /** One invoice; throws not_found. */
  async get(id: string): Promise<Invoice> {
    return existing(id, await this.store.find(id));
  }

  /** The same, locked until the transaction ends. */
  async lock(id: string): Promise<Invoice> {
    return existing(id, await this.store.lock(id));
  }

  /** Keeps whom the draft is asked for at Stripe, and in whose account. In the caller's transaction. */
  async recordStripeCustomer(id: string, stripeCustomerId: string, now: Date): Promise<void> {
    const stripeAccountId = this.stripe.knownAccountId;
    const invoice = await this.lock(id);
    await this.store.update({ ...invoice, stripeCustomerId, stripeAccountId, updatedAt: now });
  }

  /** The draft was refused, so the account does not have it: another one may be asked. */
  async forgetAccount(id: string, now: Date): Promise<void> {
    await this.database.transaction(async () => {
      const invoice = await this.lock(id);
      await this.store.update({ ...invoice, stripeAccountId: null, updatedAt: now });
    });
  }

  /**
   * Why Stripe cannot be asked about an invoice now: our key is one of another account, where it would
   * look deleted, or whose it is cannot be told. Null when nothing stands against it. Outside any
   * transaction.
   */
  async accountFault(invoice: Invoice): Promise<StripeFailure | null> {
    const { stripeAccountId, customerId } = invoice;
    return await this.faultOf(`The invoice ${invoice.id}`, async () =>
      stripeAccountId === null ? await this.accountOfCustomer(customerId) : stripeAccountId,
    );
  }

  /**
   * The same of all that Stripe has of a customer, by what was billed or linked there last.
   *
   * @param known the account, where something else says it
   */
  async customerAccountFault(
    customerId: string,
    known: string | null = null,
  ): Promise<StripeFailure | null> {
    return await this.faultOf(
      `The customer ${customerId}`,
      async () => known ?? (await this.accountOfCustomer(customerId)),
    );
  }

  private async faultOf(
    what: string,
    findAccount: () => Promise<string | null>,
  ): Promise<StripeFailure | null> {
    const asked = await this.stripe.accountId();
    if (asked.outcome !== 'succeeded') {
      return asked;
    }
    const ours = asked.value;
    const theirs = await findAccount();
    if (ours === null || theirs === null || ours === theirs) {
      return null;
    }
    const message =
      `${what} belongs in the Stripe account ${theirs}, but STRIPE_SECRET_KEY is ` +
      `a key of ${ours}. It waits for a key of its own account.`;
    if (!this.toldOf.has(theirs)) {
      this.toldOf.add(theirs);
      this.log.problem('stripe.other_account', message, {
        account: ours,
        invoice_account: theirs,
      });
    }
    return { outcome: 'unavailable', message, retryAfterMs: OTHER_ACCOUNT_RETRY_MS };
  }

  private async accountOfCustomer(customerId: string): Promise<string | null> {
    const { stripeCustomerId } = await this.customers.get(customerId);
    return stripeCustomerId === null
      ? null
      : await this.store.findAccountOf(customerId, stripeCustomerId);
  }

  /** What Stripe says of an invoice now. Outside any transaction. */
  async sight(stripeInvoiceId: string): Promise<StripeResult<StripeSighting>> {
    const ours = await this.store.findByStripeId(stripeInvoiceId);
    const fault = ours === null ? null : await this.accountFault(ours);
    if (fault !== null) {
      return fault;
    }
    const found = await this.stripe.getInvoiceWithItems(stripeInvoiceId);
    if (ours !== null && found.outcome === 'succeeded' && found.value !== null) {
      await this.keepAccount(ours);
    }
    return mapResult(found, (seen): StripeSighting => {
      if (seen === null) {
        return { kind: 'deleted' };
      }
      const { invoice, items } = seen;
      return { kind: 'present', invoice, items: invoice.status === 'draft' ? null : items };
    });
  }

  /** It was just seen under our key: so that is its account, if it has none, as before accounts were kept. */
  async keepAccount({ id, stripeAccountId }: Invoice): Promise<void> {
    const account = this.stripe.knownAccountId;
    if (stripeAccountId === null && account !== null) {
      await this.store.recordAccount(id, account);
    }
  }

  /** Whose an invoice of Stripe's is: by its id, else by our id in its metadata, which is there from the first moment on. */
  async ownerOf(stripeInvoiceId: string, named: string | null): Promise<InvoiceOwner> {
    const known = await this.store.findByStripeId(stripeInvoiceId);
    if (known !== null) {
      return { kind: 'ours', invoiceId: known.id };
    }
    const invoice = named === null ? null : await this.store.find(named);
    if (invoice === null) {
      return { kind: 'foreign' };
    }
    // The push may have recorded the id between the two reads.
    if (invoice.stripeInvoiceId === stripeInvoiceId) {
      return { kind: 'ours', invoiceId: invoice.id };
    }
    return invoice.stripeInvoiceId === null
      ? { kind: 'early' }
      : { kind: 'second', invoiceId: invoice.id };
  }
}

function existing(id: string, invoice: Invoice | null): Invoice {
  if (invoice === null) {
    throw notFound('invoice', id);
  }
  return invoice;
}
