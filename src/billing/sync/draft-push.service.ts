/*
 * How the draft of an invoice is made at Stripe. It is looked for at the Stripe customer that it was
 * first asked for, whatever our customer says since; a new key goes to whom it says now.
 */
import { Injectable } from '@nestjs/common';
import { type Customer } from '../../customers/customer.js';
import { CustomersReader } from '../../customers/customers.reader.js';
import { Clock } from '../../kernel/clock.js';
import { formatInstant } from '../../kernel/instant.js';
import { type StripeInvoice } from '../../stripe/stripe-object.js';
import { type StripeResult } from '../../stripe/stripe-result.js';
import { StripeService } from '../../stripe/stripe.service.js';
import { INVOICE_METADATA, type Invoice } from '../invoices/invoice.js';
import { FollowingService } from '../invoices/following.service.js';
import { InvoicesService } from '../invoices/invoices.service.js';
import { LedgerReader } from '../ledger/ledger.reader.js';
import { LedgerService } from '../ledger/ledger.service.js';
import { type Push } from './push.js';
import { type Sync } from './sync.js';

/** Our clock and Stripe's may disagree, but not by this much. */
const LOOK_BACK_MS = 86_400_000;
const DATE_LENGTH = 'yyyy-mm-dd'.length;

@Injectable()
export class DraftPushService {
  constructor(
    private readonly stripe: StripeService,
    private readonly invoices: InvoicesService,
    private readonly following: FollowingService,
    private readonly customers: CustomersReader,
    private readonly ledger: LedgerService,
    private readonly lineItems: LedgerReader,
    private readonly clock: Clock,
  ) {}

  /** The steps for one sync of kind create_invoice, of this invoice as it was just read. */
  async of(sync: Sync, invoice: Invoice): Promise<Push<StripeInvoice>> {
    const customer = await this.customers.get(sync.customerId);
    const description = await this.describe(invoice, customer);
    const recipient = (isFresh: boolean): string | null =>
      isFresh ? customer.stripeCustomerId : invoice.stripeCustomerId;
    return {
      alwaysLooks: false,
      affected: { invoiceId: invoice.id },
      look: async () => await this.look(sync, invoice),
      obstacle: (isFresh) =>
        recipient(isFresh) === null
          ? {
              outcome: 'failed',
              code: 'no_stripe_customer',
              message:
                `The customer '${customer.key}' has no stripe_customer_id. Give it one, or have it ` +
                `linked (POST /customers/${customer.key}/stripe), then retry.`,
            }
          : null,
      begin: async (isFresh, now) => {
        const stripeCustomerId = recipient(isFresh) ?? '';
        await this.invoices.recordStripeCustomer(invoice.id, stripeCustomerId, now);
        await this.ledger.advance({ invoiceId: invoice.id }, 'sent');
      },
      send: async (idempotencyKey, isFresh) =>
        await this.stripe.createInvoice(
          {
            customer: recipient(isFresh) ?? '',
            currency: invoice.currency,
            description,
            metadata: { [INVOICE_METADATA]: invoice.id },
          },
          idempotencyKey,
        ),
      refused: async ({ message }) => {
        await this.invoices.forgetAccount(invoice.id, this.clock.now());
        return { outcome: 'failed', code: 'rejected', message };
      },
      fault: (found) =>
        found.currency === invoice.currency
          ? null
          : {
              outcome: 'failed',
              code: 'amount_mismatch',
              message: `Stripe's draft ${found.id} is in ${found.currency}, not in ${invoice.currency}.`,
            },
      idOf: (found) => found.id,
      record: async (found, now) => {
        await this.following.follow(
          invoice.id,
          { kind: 'present', invoice: found, items: null },
          now,
        );
      },
    };
  }

  private async look(sync: Sync, invoice: Invoice): Promise<StripeResult<StripeInvoice[]>> {
    if (invoice.stripeCustomerId === null || sync.firstSentAt === null) {
      return { outcome: 'succeeded', value: [] };
    }
    const since = new Date(sync.firstSentAt.getTime() - LOOK_BACK_MS);
    const listed = await this.stripe.listInvoices(invoice.stripeCustomerId, since);
    if (listed.outcome === 'rejected' && listed.code === 'resource_missing') {
      // Where there is no such customer, there is no invoice of theirs.
      return { outcome: 'succeeded', value: [] };
    }
    if (listed.outcome !== 'succeeded') {
      return listed;
    }
    const value = listed.value.filter((found) => found.metadata[INVOICE_METADATA] === invoice.id);
    return { outcome: 'succeeded', value };
  }

  private async describe(invoice: Invoice, customer: Customer): Promise<string> {
    const items = await this.lineItems.ofInvoice(invoice.id);
    const [item] = items;
    if (item === undefined) {
      return 'Usage';
    }
    const what = items.every(({ charge }) => charge.kind === 'flat') ? 'Fees' : 'Usage';
    const { start, end } = item.billingPeriod;
    const last = new Date(end.getTime() - 1);
    const [from, to] = [start, last].map((instant) =>
      formatInstant(instant, customer.timeZone).slice(0, DATE_LENGTH),
    );
    return `${what} from ${from ?? ''} to ${to ?? ''}`;
  }
}
