/*
 * What the open period would bill now: the same rating as closing, in the same kind of snapshot.
 * Stores nothing.
 */
import { Injectable } from '@nestjs/common';
import { type Customer } from '../../customers/customer.js';
import { CustomersReader } from '../../customers/customers.reader.js';
import { conflict } from '../../kernel/errors.js';
import { UsageReader } from '../../usage/usage.reader.js';
import { type BillingPeriod } from './billing-period.js';
import { PeriodsStore } from './periods.store.js';
import { type RatedPeriod, RatingService } from './rating.service.js';

export interface InvoicePreview {
  readonly period: BillingPeriod;
  readonly customer: Customer;
  readonly rated: RatedPeriod;
}

@Injectable()
export class InvoicePreviewService {
  constructor(
    private readonly store: PeriodsStore,
    private readonly usage: UsageReader,
    private readonly customers: CustomersReader,
    private readonly rating: RatingService,
  ) {}

  /**
   * What the open period of a subscription would bill now.
   *
   * @throws DomainError conflict `subscription_ended` when there is no open period
   */
  async preview(subscriptionId: string): Promise<InvoicePreview> {
    return await this.usage.atCutOff(async () => {
      const period = await this.store.findOpen(subscriptionId);
      if (period === null) {
        throw conflict('subscription_ended', 'The subscription has ended; no period is open.');
      }
      const customer = await this.customers.get(period.subscription.customerId);
      return { period, customer, rated: await this.rating.ratePeriod(period) };
    });
  }
}
