/*
 * Judges customers of whom something changed. Those of one lease are judged in one REPEATABLE READ
 * transaction, in which what is measured, what fired before and the event that crossed are of one moment;
 * crossings, messages and suspensions commit with it. Who crosses a level that bills is judged alone, at a
 * cut-off, so that crossing and line items are one transaction too. Whoever dies leaves a lease that ends,
 * and what it had committed is found then.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { Database } from '../../platform/database/database.js';
import { Outage } from '../../platform/database/outage.js';
import { UsageReader } from '../../usage/usage.reader.js';
import { DuesStore, type LeasedDue } from './dues.store.js';
import { type Judged, JudgementService } from './judgement.service.js';

/**
 * Customers who are judged in one transaction. Each look rests, so that with fewer of them a thousand who
 * use all the while waited for five looks: 1.5 s instead of 0.4 from the answer to the webhook.
 */
const AT_ONCE = 1_000;
/** Far more than a judgement takes; after a kill -9 its customers wait so long. */
const LEASE_MS = 30_000;

@Injectable()
export class JudgingService {
  constructor(
    private readonly dues: DuesStore,
    private readonly judgement: JudgementService,
    private readonly database: Database,
    private readonly usage: UsageReader,
    private readonly clock: Clock,
    private readonly outage: Outage,
  ) {}

  /**
   * Judges some of those who are due. One who cannot be judged is reported, and tried again when the lease
   * ends; it keeps none of the others waiting.
   *
   * @returns how many were due
   */
  async judgeDue(): Promise<number> {
    const now = this.clock.now();
    const leased = await this.dues.lease(AT_ONCE, now, new Date(now.getTime() + LEASE_MS));
    if (leased.length === 0) {
      return 0;
    }
    const together = await this.judgeTogether(leased);
    const waits = new Map(together.waits);
    const failed = new Set<LeasedDue>();
    for (const due of together.toBill) {
      const judged = await this.judgeAlone(due);
      if (judged === null) {
        failed.add(due);
      }
      judged?.waits.forEach((at, id) => waits.set(id, at));
    }
    await this.dues.release(
      leased.filter((due) => !failed.has(due)),
      waits,
    );
    return leased.length;
  }

  /** Those who have to be judged alone: they are to be billed, or one of them could not be judged. */
  private async judgeTogether(leased: readonly LeasedDue[]): Promise<Judged> {
    try {
      return await this.database.transaction(async () => {
        await this.database.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ');
        return await this.judgement.judge(leased, null);
      });
    } catch (error) {
      this.outage.report('threshold.judging_failed', error, { customers: leased.length });
      return { toBill: leased, waits: new Map() };
    }
  }

  /** Null when they could not be judged. */
  private async judgeAlone(due: LeasedDue): Promise<Judged | null> {
    try {
      return await this.usage.atCutOff(
        async (cutOffBatch) => await this.judgement.judge([due], cutOffBatch),
      );
    } catch (error) {
      this.outage.report('threshold.judging_failed', error, { customer: due.customerId });
      return null;
    }
  }
}
