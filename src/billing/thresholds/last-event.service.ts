/*
 * Finds the event that touched an amount last, which many usages may make up. Reads only, in the snapshot
 * of what was measured.
 */
import { Injectable } from '@nestjs/common';
import { MetersReader } from '../../meters/meters.reader.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { UsageChangesReader } from '../../usage/changes/changes.reader.js';
import { type Contribution } from '../../usage/changes/contribution.js';
import { type UsageQuestion } from '../../usage/usage.reader.js';
import { groupsOf } from '../periods/rating.service.js';
import { type Target } from './target.js';

@Injectable()
export class LastEventService {
  constructor(
    private readonly changes: UsageChangesReader,
    private readonly plans: PlansReader,
    private readonly meters: MetersReader,
  ) {}

  /**
   * The last event, or correction of one, since the customer was judged that any price counts of those that
   * the threshold looks at; null when there was none.
   */
  async of(target: Target): Promise<Contribution | null> {
    if (target.firstBatch === null) {
      return null;
    }
    let last: Contribution | null = null;
    for (const question of await this.questionsOf(target)) {
      const since = { question, fromBatch: target.firstBatch };
      const found = (await this.changes.contributionsSince(since)).at(-1);
      if (found !== undefined && (last === null || found.batch > last.batch)) {
        last = found;
      }
    }
    return last;
  }

  private async questionsOf({ threshold, customerId, periods }: Target): Promise<UsageQuestion[]> {
    const { measure } = threshold;
    const key = 'price' in measure ? measure.price : null;
    const versions = await this.plans.versionsByIds(
      periods.map(({ planVersionId }) => planVersionId),
    );
    const counted = periods.flatMap((period) => {
      const prices = (versions.get(period.planVersionId)?.prices ?? []).filter(
        (price) => price.kind === 'usage',
      );
      return prices
        .filter((price) => key === null || price.key === key)
        .map((price) => ({ period, price, groups: groupsOf(price, prices) }));
    });
    const meters = await this.meters.byIds(counted.map(({ price }) => price.meterId));
    return counted.flatMap(({ period, price, groups }): UsageQuestion[] => {
      const meter = meters.get(price.meterId);
      const { groupFilter = {}, groupExclusions = [] } = groups;
      return meter === undefined
        ? []
        : [
            {
              meter,
              buckets: [period.window],
              except: period.subscription.pauses,
              groupBy: [],
              groupFilter,
              groupExclusions,
              by: 'customer',
              now: period.window.end,
              whose: { kind: 'customer', customerId },
            },
          ];
    });
  }
}
