/* Tells endpoints of levels that were reached or taken back. Joins the caller's transaction. */
import { Injectable } from '@nestjs/common';
import { CustomersReader } from '../../customers/customers.reader.js';
import { type Decimal } from '../../kernel/decimal.js';
import { notFound } from '../../kernel/errors.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { type Plan } from '../../pricing/plan.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { WebhooksService } from '../../webhooks/webhooks.service.js';
import { crossedData, retractedData, type ThresholdNames } from './threshold-message.js';
import { type Crossing, type Threshold } from './threshold.js';

/** A threshold, and a customer whom it watches. */
export interface Named {
  readonly threshold: Threshold;
  readonly customerId: string;
}

/** Throws not_found for a customer who was not looked up. */
export type NameBook = (named: Named) => ThresholdNames;

@Injectable()
export class TellingService {
  constructor(
    private readonly webhooks: WebhooksService,
    private readonly customers: CustomersReader,
    private readonly meters: MetersReader,
    private readonly plans: PlansReader,
  ) {}

  /** Looks up what messages will name, of all who may be told of at once. */
  async namesOf(named: readonly Named[]): Promise<NameBook> {
    const meterIds = named.flatMap(({ threshold }) => meterOf(threshold) ?? []);
    const planIds = named.flatMap(({ threshold }) => planOf(threshold) ?? []);
    const customers = await this.customers.byIds(named.map(({ customerId }) => customerId));
    const meters = await this.meters.byIds(meterIds);
    const plans = planIds.length === 0 ? new Map<string, Plan>() : await this.plans.byIds(planIds);
    return ({ threshold, customerId }) => {
      const customer = customers.get(customerId);
      if (customer === undefined) {
        throw notFound('customer', customerId);
      }
      return {
        customer: customer.key,
        meter: meters.get(meterOf(threshold) ?? '')?.key ?? null,
        plan: plans.get(planOf(threshold) ?? '')?.key ?? null,
      };
    };
  }

  /** A `threshold.crossed`, if the threshold notifies. */
  async crossed(threshold: Threshold, crossing: Crossing, names: NameBook): Promise<void> {
    if (threshold.actions.includes('notify')) {
      await this.webhooks.publish({
        type: 'threshold.crossed',
        occurredAt: crossing.crossedAt,
        data: crossedData(threshold, crossing, names({ threshold, ...crossing })),
      });
    }
  }

  /** A `threshold.retracted`, likewise. */
  async retracted(
    threshold: Threshold,
    crossing: Crossing,
    value: Decimal,
    names: NameBook,
  ): Promise<void> {
    if (threshold.actions.includes('notify')) {
      await this.webhooks.publish({
        type: 'threshold.retracted',
        occurredAt: crossing.retractedAt ?? crossing.crossedAt,
        data: retractedData(threshold, crossing, value, names({ threshold, ...crossing })),
      });
    }
  }
}

const meterOf = ({ measure }: Threshold): string | null =>
  measure.kind === 'meter_quantity' ? measure.meterId : null;

const planOf = ({ watched }: Threshold): string | null =>
  watched.kind === 'plan' ? watched.planId : null;
