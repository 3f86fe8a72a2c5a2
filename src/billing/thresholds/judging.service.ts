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
/**
 * Levels may be watched by so many thresholds for so many customers in one transaction; one customer is judged
 * whatever number watches them. A thousand customers whom ten thousand thresholds watch took all memory there is.
 */
const MAX_WATCHED = 10_000;
/** Far more than a judgement takes; after a kill -9 its customers wait so long. */
const LEASE_MS = 30_000;

@Injectable()
export class JudgingService {
  /** Whom this process has come to: so that nobody waits behind those who are always due. */
  private after = '';
  private atOnce = AT_ONCE;

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
    const leased = await this.leaseLot();
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

  /** The next of those who are due, as many as may be judged at once. */
  private async leaseLot(): Promise<readonly LeasedDue[]> {
    const now = this.clock.now();
    const until = new Date(now.getTime() + LEASE_MS);
    let leased = await this.dues.lease(this.atOnce, now, until, this.after);
    if (leased.length === 0 && this.after !== '') {
      leased = await this.dues.lease(this.atOnce, now, until, '');
    }
    const lot = leased.slice(0, await this.judgeableOf(leased));
    const isCut = lot.length < leased.length;
    if (isCut) {
      await this.dues.giveBack(leased.slice(lot.length), until);
    }
    this.after = !isCut && leased.length < this.atOnce ? '' : (lot.at(-1)?.customerId ?? '');
    this.atOnce = Math.min(2 * (isCut ? lot.length : this.atOnce), AT_ONCE);
    return lot;
  }

  /** How many of them, from the first on, are watched by as many thresholds as one transaction may judge; at least one. */
  private async judgeableOf(leased: readonly LeasedDue[]): Promise<number> {
    if (leased.length < 2) {
      return leased.length;
    }
    const watching = await this.dues.countWatching(leased.map(({ customerId }) => customerId));
    let total = 0;
    const beyond = leased.findIndex(({ customerId }) => {
      total += watching.get(customerId) ?? 0;
      return total > MAX_WATCHED;
    });
    return beyond === -1 ? leased.length : Math.max(beyond, 1);
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
