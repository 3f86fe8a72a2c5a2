/*
 * What the invoice of the open period would be now, or with quantities that somebody supposes: the same rating as
 * closing, in the same kind of snapshot. Stores nothing.
 */
import { Injectable } from '@nestjs/common';
import { type Customer } from '../../customers/customer.js';
import { CustomersReader } from '../../customers/customers.reader.js';
import { type Decimal } from '../../kernel/decimal.js';
import { conflict, DomainError, invalidField } from '../../kernel/errors.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { UsageReader } from '../../usage/usage.reader.js';
import { type BillingPeriod } from './billing-period.js';
import { type ClosingCharges, PeriodChargesService } from './period-charges.service.js';
import { PeriodsService } from './periods.service.js';
import { PeriodsStore } from './periods.store.js';
import { type SupposedQuantities } from './rating.service.js';
import { quantitiesByPrice, type SupposedUsage } from './supposed-usage.js';

export interface InvoicePreview extends ClosingCharges {
  readonly period: BillingPeriod;
  readonly customer: Customer;
}

/** A quantity to suppose for the whole period. */
export interface AskedQuantity {
  readonly of:
    /** The key of a price. */
    | { readonly kind: 'price'; readonly price: string }
    /** A meter, by id or key: all prices by it. */
    | { readonly kind: 'meter'; readonly meter: string };
  readonly quantity: Decimal;
}

@Injectable()
export class InvoicePreviewService {
  constructor(
    private readonly store: PeriodsStore,
    private readonly usage: UsageReader,
    private readonly customers: CustomersReader,
    private readonly plans: PlansReader,
    private readonly meters: MetersReader,
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
    return await this.usage.atCutOff(async () => {
      const period = await this.store.findOpen(subscriptionId);
      if (period === null) {
        throw conflict('subscription_ended', 'The subscription has ended; no period is open.');
      }
      const supposed = await this.suppose(asked, period);
      const customer = await this.customers.get(period.subscription.customerId);
      return { period, customer, ...(await this.rate(period, supposed)) };
    });
  }

  private async suppose(
    asked: readonly AskedQuantity[],
    period: BillingPeriod,
  ): Promise<SupposedQuantities> {
    const supposed: SupposedUsage[] = [];
    for (const { of, quantity } of asked) {
      supposed.push(
        of.kind === 'price'
          ? { of, quantity }
          : { of: { kind: 'meter', meterId: await this.meterId(of.meter) }, quantity },
      );
    }
    const { prices } = await this.plans.version(period.planVersionId);
    const { quantities, errors } = quantitiesByPrice(supposed, prices);
    if (errors.length > 0) {
      const detail = errors.map((error) => `${error.field}: ${error.detail}`).join('; ');
      throw new DomainError('invalid', 'invalid_request', detail, { errors });
    }
    return quantities;
  }

  private async meterId(idOrKey: string): Promise<string | null> {
    return (await this.meters.find(idOrKey))?.id ?? null;
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
