/*
 * Stands before the closing of a due period: lets it close when all is in order or a person has let it
 * go, else holds it. In the transaction of the close, so that a period is billed or held and never both.
 */
import { Injectable } from '@nestjs/common';
import { UsageReader } from '../../usage/usage.reader.js';
import { type BillingPeriod } from '../periods/billing-period.js';
import { ChecksService, type ClosingMoment } from './checks.service.js';
import { type HoldReason, type Release } from './hold.js';
import { HoldsService } from './holds.service.js';

@Injectable()
export class GateService {
  constructor(
    private readonly checks: ChecksService,
    private readonly holds: HoldsService,
    private readonly usage: UsageReader,
  ) {}

  /** Runs a close in the snapshot of a cut-off: what the checks see of usage is what is billed. */
  async atCutOff<Result>(close: (cutOffBatch: bigint) => Promise<Result>): Promise<Result> {
    return await this.usage.atCutOff(close);
  }

  /**
   * What keeps a claimed period from closing by the checks of its plan version; nothing when it may.
   * Keeps that it is held, or was released.
   *
   * @param release who lets it go whatever the checks say; null: nobody
   */
  async holding(
    period: BillingPeriod,
    moment: ClosingMoment,
    release: Release | null,
  ): Promise<readonly HoldReason[]> {
    const reasons = await this.checks.failing(period, moment);
    if (release !== null) {
      await this.holds.release(period, reasons, release, moment.now);
      return [];
    }
    if (reasons.length > 0) {
      await this.holds.hold(period, reasons, moment.now);
    }
    return reasons;
  }
}
