/* Tells endpoints of levels that were reached or taken back. Joins the caller's transaction. */
import { Injectable } from '@nestjs/common';
import { CustomersReader } from '../../customers/customers.reader.js';
import { type Decimal } from '../../kernel/decimal.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { WebhooksService } from '../../webhooks/webhooks.service.js';
import { crossedData, retractedData, type ThresholdNames } from './threshold-message.js';
import { type Crossing, type Threshold } from './threshold.js';

@Injectable()
export class TellingService {
  constructor(
    private readonly webhooks: WebhooksService,
    private readonly customers: CustomersReader,
    private readonly meters: MetersReader,
    private readonly plans: PlansReader,
  ) {}

  /** A `threshold.crossed`, if the threshold notifies. */
  async crossed(threshold: Threshold, crossing: Crossing): Promise<void> {
    if (threshold.actions.includes('notify')) {
      const names = await this.namesOf(threshold, crossing);
      await this.webhooks.publish({
        type: 'threshold.crossed',
        occurredAt: crossing.crossedAt,
        data: crossedData(threshold, crossing, names),
      });
    }
  }

  /** A `threshold.retracted`, likewise. */
  async retracted(threshold: Threshold, crossing: Crossing, value: Decimal): Promise<void> {
    if (threshold.actions.includes('notify')) {
      const names = await this.namesOf(threshold, crossing);
      await this.webhooks.publish({
        type: 'threshold.retracted',
        occurredAt: crossing.retractedAt ?? crossing.crossedAt,
        data: retractedData(threshold, crossing, value, names),
      });
    }
  }

  private async namesOf(
    { measure, watched }: Threshold,
    { customerId }: Crossing,
  ): Promise<ThresholdNames> {
    const meter = measure.kind === 'meter_quantity' ? await this.meters.get(measure.meterId) : null;
    const plan = watched.kind === 'plan' ? await this.plans.get(watched.planId) : null;
    const customer = await this.customers.get(customerId);
    return { customer: customer.key, meter: meter?.key ?? null, plan: plan?.key ?? null };
  }
}
