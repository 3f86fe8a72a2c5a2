/*
 * Makes out who is to be judged: whose usage changed, as soon as it is stored or by what the last folds left, whose was
 * made anew, and who got or lost a subject. Each
 * look is one transaction: changes come off when the customers they touch are marked, or neither.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { SubjectChangesService } from '../../customers/subject-changes.service.js';
import { Database } from '../../platform/database/database.js';
import { type UsageChange, UsageChangesReader } from '../../usage/changes/changes.reader.js';
import { RemakesReader } from '../../usage/changes/remakes.reader.js';
import { DuesStore, type ThresholdWork } from './dues.store.js';
import { CalmService } from './calm.service.js';

@Injectable()
export class NoticingService {
  private isWatching = true;

  constructor(
    private readonly dues: DuesStore,
    private readonly calm: CalmService,
    private readonly usage: UsageChangesReader,
    private readonly subjects: SubjectChangesService,
    private readonly remakes: RemakesReader,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** Whether any threshold was in force when it was looked last: then what is stored is worth a look at once. */
  get wasAnythingWatched(): boolean {
    return this.isWatching;
  }

  /** What there is to look at. */
  async findWork(): Promise<ThresholdWork> {
    const work = await this.dues.findWork(this.clock.now());
    this.isWatching = work.isAnythingWatched;
    return work;
  }

  /** Looks at what some folds left, but what was looked at before; answers whether there was anything. */
  async noticeUsage(): Promise<boolean> {
    return await this.database.transaction(async () => {
      await this.dues.holdThresholds('shared');
      this.isWatching = await this.dues.isAnythingWatched();
      if (!this.isWatching) {
        return await this.usage.drop();
      }
      const changes = await this.usage.take();
      for (const change of changes ?? []) {
        await this.mark(change);
      }
      return changes !== null;
    });
  }

  /** Looks at what is stored and not folded yet, once; answers whether there was anything. */
  async noticeStored(): Promise<boolean> {
    return await this.database.transaction(async () => {
      await this.dues.holdThresholds('shared');
      if (!(await this.dues.isAnythingWatched())) {
        return false;
      }
      const change = await this.usage.takeAhead();
      if (change !== null) {
        await this.mark(change);
      }
      return change !== null;
    });
  }

  /** Looks at figures that were made anew and are others now; answers whether there were any. */
  async noticeRemade(): Promise<boolean> {
    return await this.database.transaction(async () => {
      await this.dues.holdThresholds('shared');
      const customerIds = await this.remakes.takeForThresholds();
      if (customerIds === null) {
        return false;
      }
      await this.dues.mark(customerIds, null);
      return true;
    });
  }

  /** Looks at subjects that were handed over since the last look; answers whether there were any. */
  async noticeOwners(): Promise<boolean> {
    return await this.database.transaction(async () => {
      await this.dues.holdThresholds('shared');
      const done = await this.dues.claimCursor();
      if (done === null) {
        return false;
      }
      const { customerIds, through } = await this.subjects.after(done);
      if (through === done) {
        return false;
      }
      await this.dues.mark(customerIds, null);
      await this.dues.recordCursor(through);
      return true;
    });
  }

  private async mark(change: UsageChange): Promise<void> {
    await this.dues.mark(await this.calm.disturbedBy(change), change.firstBatch);
  }
}
