/*
 * Stands between a due period and its line items: bills it when all is in order or a person has let it
 * go, else holds it. In the transaction of the close, so that a period is billed or held and never both.
 */
import { Injectable } from '@nestjs/common';
import { type BillingPeriod } from '../periods/billing-period.js';
import { PeriodBillingService } from '../periods/period-billing.service.js';
import { ChecksService, type ClosingMoment } from './checks.service.js';
import { type HoldReason, type Release } from './hold.js';
import { HoldsService } from './holds.service.js';

export type GateOutcome =
  | { readonly outcome: 'billed'; readonly lineItemCount: number }
  | { readonly outcome: 'held'; readonly reasons: readonly HoldReason[] };

@Injectable()
export class GateService {
  constructor(
    private readonly checks: ChecksService,
    private readonly holds: HoldsService,
    private readonly billing: PeriodBillingService,
  ) {}

  /**
   * Bills a claimed period if it passes the checks of its plan version.
   *
   * @param release who lets it go whatever the checks say; null: nobody
   */
  async bill(
    period: BillingPeriod,
    moment: ClosingMoment,
    release: Release | null,
  ): Promise<GateOutcome> {
    const { cutOffBatch, now } = moment;
    const reasons = await this.checks.failing(period, moment);
    if (release !== null) {
      await this.holds.release(period, reasons, release, now);
    } else if (reasons.length > 0) {
      await this.holds.hold(period, reasons, now);
      return { outcome: 'held', reasons };
    }
    return { outcome: 'billed', lineItemCount: await this.billing.bill(period, cutOffBatch, now) };
  }
}
