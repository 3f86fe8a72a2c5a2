/*
 * Charges the fees in advance of periods that have begun: of the first one of a subscription, since those
 * of all others are charged by the close of the period before. Each in one transaction: line items,
 * invoice, message. Two at once are kept apart by the period's row and by the UNIQUE constraint of line
 * items; whoever dies in the middle leaves nothing.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { Outage } from '../../platform/database/outage.js';
import { Log } from '../../platform/log.js';
import { UsageReader } from '../../usage/usage.reader.js';
import { PeriodBillingService } from './period-billing.service.js';
import { type DueFees, PeriodsStore } from './periods.store.js';

/** How many periods are looked up at once; each is charged in a transaction of its own. */
const DUE_BATCH = 100;

@Injectable()
export class FeesService {
  constructor(
    private readonly store: PeriodsStore,
    private readonly billing: PeriodBillingService,
    private readonly usage: UsageReader,
    private readonly clock: Clock,
    private readonly log: Log,
    private readonly outage: Outage,
  ) {}

  /**
   * Charges the fees in advance that are due now. A period of which they cannot be charged is reported
   * and left for the next look.
   *
   * @returns of how many periods they were charged
   */
  async chargeDue(): Promise<number> {
    const now = this.clock.now();
    let charged = 0;
    let due: DueFees[];
    let last: DueFees | null = null;
    do {
      due = await this.store.listFeesDue(now, DUE_BATCH, last);
      for (const { id } of due) {
        charged += (await this.chargeReporting(id)) ? 1 : 0;
      }
      last = due.at(-1) ?? null;
    } while (due.length === DUE_BATCH);
    return charged;
  }

  private async chargeReporting(id: string): Promise<boolean> {
    try {
      return await this.charge(id);
    } catch (error) {
      this.outage.report('billing_period.fees_failed', error, { billing_period: id });
      return false;
    }
  }

  /** Whether this call charged them; false when another has, is about to, or they are not due. */
  private async charge(id: string): Promise<boolean> {
    const count = await this.usage.atCutOff(async (cutOffBatch) => {
      const period = await this.store.claimOpen(id, 'skip');
      const now = this.clock.now();
      if (period === null || period.feesDueAt === null || period.feesDueAt > now) {
        return null;
      }
      return await this.billing.chargeFees(period, cutOffBatch, now);
    });
    if (count === null) {
      return false;
    }
    this.log.event('billing_period.fees_charged', { billing_period: id, line_items: count });
    return true;
  }
}
