/*
 * What the invoice of the open period would be now, or with quantities that somebody supposes: the same rating as
 * closing, in the same kind of snapshot. Stores nothing.
 */
import { Injectable } from '@nestjs/common';
import { type Customer } from '../../customers/customer.js';
import { CustomersReader } from '../../customers/customers.reader.js';
import { conflict, invalidField } from '../../kernel/errors.js';
import { UsageReader } from '../../usage/usage.reader.js';
import { AdjustingService, type AdjustmentToBill } from '../late-usage/adjusting.service.js';
import { type BillingPeriod } from './billing-period.js';
import { type ClosingCharges, PeriodChargesService, restToBill } from './period-charges.service.js';
import { PeriodsService } from './periods.service.js';
import { PeriodsStore } from './periods.store.js';
import { type SupposedQuantities } from './rating.service.js';
import { type AskedQuantity, SupposingService } from './supposing.service.js';

export interface InvoicePreview extends ClosingCharges {
  readonly period: BillingPeriod;
  readonly customer: Customer;
  /** Of what was billed before the end, and of closed periods that something came too late for, as far as that has been noticed. */
  readonly adjustments: readonly AdjustmentToBill[];
}

@Injectable()
export class InvoicePreviewService {
  constructor(
    private readonly store: PeriodsStore,
    private readonly usage: UsageReader,
    private readonly customers: CustomersReader,
    private readonly supposing: SupposingService,
    private readonly adjusting: AdjustingService,
    private readonly periods: PeriodsService,
    private readonly charges: PeriodChargesService,
  ) {}

  /**
   * What the open period of a subscription would bill now.
   *
   * @param asked quantities to suppose in place of what was measured; the rest is as it is
   * @throws DomainError conflict `subscription_ended` when there is no open period; invalid when a
   *   quantity is of nothing that the plan charges for, or comes to more than a line may
   */
  async preview(
    subscriptionId: string,
    asked: readonly AskedQuantity[] = [],
  ): Promise<InvoicePreview> {
    return await this.usage.atCutOff(async (cutOffBatch) => {
      const period = await this.store.findOpen(subscriptionId);
      if (period === null) {
        throw conflict('subscription_ended', 'The subscription has ended; no period is open.');
      }
      const supposed = await this.supposing.suppose(asked, period);
      const customer = await this.customers.get(period.subscription.customerId);
      const charges = await this.rate(period, supposed);
      const adjustments = [
        ...restToBill(period, charges.rest, cutOffBatch),
        ...(await this.adjusting.preview(subscriptionId, cutOffBatch)),
      ];
      return { period, customer, ...charges, adjustments };
    });
  }

  private async rate(period: BillingPeriod, supposed: SupposedQuantities): Promise<ClosingCharges> {
    const { subscription, window, currency } = period;
    const next = await this.periods.periodFrom(subscription, window.end, currency);
    try {
      return await this.charges.atClose(period, next, { supposed });
    } catch (error) {
      // What was measured and comes to too much is a fault; what somebody supposed is their mistake.
      if (error instanceof RangeError && supposed.size > 0) {
        throw invalidField('quantities', 'too_large', 'come to more than a line item may');
      }
      throw error;
    }
  }
}
