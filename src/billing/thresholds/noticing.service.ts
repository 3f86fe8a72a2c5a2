/*
 * Makes out who is to be judged: whose usage the last folds changed, or was made anew, and who got or lost a subject. Each
 * look is one transaction: changes come off when the customers they touch are marked, or neither.
 */
import { Injectable } from '@nestjs/common';
import { SubjectChangesService } from '../../customers/subject-changes.service.js';
import { Database } from '../../platform/database/database.js';
import { UsageChangesReader } from '../../usage/changes/changes.reader.js';
import { RemakesReader } from '../../usage/changes/remakes.reader.js';
import { DuesStore } from './dues.store.js';
import { CalmService } from './calm.service.js';

@Injectable()
export class NoticingService {
  constructor(
    private readonly dues: DuesStore,
    private readonly calm: CalmService,
    private readonly usage: UsageChangesReader,
    private readonly subjects: SubjectChangesService,
    private readonly remakes: RemakesReader,
    private readonly database: Database,
  ) {}

  /** Looks at what some folds left; answers whether there was anything. */
  async noticeUsage(): Promise<boolean> {
    return await this.database.transaction(async () => {
      await this.dues.holdThresholds('shared');
      if (!(await this.dues.isAnythingWatched())) {
        return await this.usage.drop();
      }
      const change = await this.usage.take();
      if (change === null) {
        return false;
      }
      await this.dues.mark(await this.calm.disturbedBy(change), change.firstBatch);
      return true;
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
}
