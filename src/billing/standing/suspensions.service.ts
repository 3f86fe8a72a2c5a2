/* Suspends customers for what thresholds found, and lets them go. Joins the caller's transaction. */
import { Injectable } from '@nestjs/common';
import { type PeriodCut } from '../periods/periods.service.js';
import { StandingService } from './standing.service.js';
import { type Suspension, SuspensionsStore } from './suspensions.store.js';

@Injectable()
export class SuspensionsService {
  constructor(
    private readonly store: SuspensionsStore,
    private readonly standing: StandingService,
  ) {}

  async suspend(suspension: Suspension): Promise<void> {
    await this.store.insert(suspension);
    await this.standing.judgeNow(suspension.customerId, suspension.since);
  }

  /** What these crossings suspended is suspended by them no longer. */
  async lift(crossingIds: readonly string[], now: Date): Promise<void> {
    await this.judgeAll(await this.store.delete(crossingIds), now);
  }

  /** What was to last until the end of a period ends with it, when it ends sooner. */
  async endWith(cut: PeriodCut, now: Date): Promise<void> {
    await this.judgeAll(await this.store.endWith(cut), now);
  }

  /** The same of all crossings of a threshold. */
  async liftOfThreshold(thresholdId: string, now: Date): Promise<void> {
    await this.judgeAll(await this.store.deleteOfThreshold(thresholdId), now);
  }

  private async judgeAll(customerIds: readonly string[], now: Date): Promise<void> {
    for (const customerId of [...new Set(customerIds)].toSorted()) {
      await this.standing.judgeNow(customerId, now);
    }
  }
}
