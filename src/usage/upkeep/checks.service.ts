/*
 * Checks what meters have counted against stored events, every night and when somebody asks. A
 * difference would be a fault of ours (or of who wrote into the tables): it is reported and, told to,
 * made anew.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { newId } from '../../kernel/ids.js';
import { type Meter } from '../../meters/meter.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { Database } from '../../platform/database/database.js';
import { type Page } from '../../platform/http/page.js';
import { WebhooksService } from '../../webhooks/webhooks.service.js';
import { BatchesStore } from '../batches.store.js';
import { ChecksStore, type SubjectHour } from './checks.store.js';
import { RebuildsService } from './rebuilds.service.js';
import {
  type Difference,
  hoursOf,
  MAX_DIFFERENCES,
  nightOf,
  type UsageCheck,
  withinBounds,
} from './usage-check.js';

/** Of rollups, distinct values, events and corrections each: some seconds of reading. */
const SAMPLE = 500;

/** Of each meter. A day that is summed up took two seconds at most. */
const SAMPLED_DAYS = 2;

@Injectable()
export class ChecksService {
  constructor(
    private readonly store: ChecksStore,
    private readonly batches: BatchesStore,
    private readonly rebuilds: RebuildsService,
    private readonly meters: MetersReader,
    private readonly webhooks: WebhooksService,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /**
   * The check of this night, once for all replicas.
   *
   * @returns 1 when it was done here, else 0
   */
  async checkNight(isRepairing: boolean): Promise<number> {
    const night = nightOf(this.clock.now());
    if (night === null) {
      return 0;
    }
    return await this.database.transaction(async () => {
      if (!(await this.store.claimNight(night))) {
        return 0;
      }
      await this.check(night, isRepairing);
      return 1;
    });
  }

  /** A check now; with `isRepairing` what differs is made anew. */
  async checkNow(isRepairing: boolean): Promise<UsageCheck> {
    return await this.database.transaction(async () => await this.check(null, isRepairing));
  }

  async list(limit: number, before: string | null): Promise<Page<UsageCheck>> {
    return await this.store.list(limit, before);
  }

  private async check(night: string | null, isRepairing: boolean): Promise<UsageCheck> {
    await this.store.readAlone();
    const hours = await this.hours();
    const meters = await this.comparable();
    const differences: Difference[] = [];
    for (const meter of meters) {
      // There may be more than a call can have arguments.
      for (const difference of await this.compare(meter, hours)) {
        differences.push(difference);
      }
      for (const day of await this.store.sampleDays(meter, SAMPLED_DAYS)) {
        differences.push(...(await this.store.compareDay(meter, day)).slice(0, MAX_DIFFERENCES));
      }
    }
    if (isRepairing && differences.length > 0) {
      // Last of all: nobody folds until this has committed.
      await this.rebuilds.remake(hoursOf(differences));
    }
    const check: UsageCheck = {
      id: newId('chk'),
      night,
      checkedAt: this.clock.now(),
      meterCount: meters.length,
      hourCount: hours.length,
      differenceCount: differences.length,
      differences: differences.slice(0, MAX_DIFFERENCES),
      isRepaired: isRepairing && differences.length > 0,
    };
    await this.store.insert(check);
    if (differences.length > 0) {
      await this.tell(check);
    }
    return check;
  }

  /** Of hours whose events were dropped it is not known any more what should be there. */
  private async hours(): Promise<readonly SubjectHour[]> {
    const since = await this.rebuilds.possibleSince();
    const sampled = await this.store.sample(SAMPLE);
    const kept = sampled.filter(({ hour }) => since === null || new Date(hour) >= since);
    return await withinBounds(kept, async (...asked) => await this.store.countEvents(...asked));
  }

  /** Of a new meter's history it is not known yet what should be there. */
  private async comparable(): Promise<Meter[]> {
    const comparable: Meter[] = [];
    for (const meter of await this.meters.all()) {
      const history = await this.batches.findHistory(meter.number);
      if (history !== null && history.finishedAt !== null) {
        comparable.push(meter);
      }
    }
    return comparable;
  }

  /** Once more when the meter has ended since it was read: what it counted after its end is gone rightly. */
  private async compare(meter: Meter, hours: readonly SubjectHour[]): Promise<Difference[]> {
    const found = await this.store.compare(meter, hours);
    if (found.length === 0 || meter.archivedAt !== null) {
      return found;
    }
    const now = await this.meters.get(meter.id);
    return now.archivedAt === null ? found : await this.store.compare(now, hours);
  }

  private async tell(check: UsageCheck): Promise<void> {
    await this.webhooks.publish({
      type: 'usage.check_failed',
      data: {
        check: check.id,
        hour_count: check.hourCount,
        difference_count: check.differenceCount,
        differences: check.differences.slice(0, 10),
        is_repaired: check.isRepaired,
      },
      occurredAt: check.checkedAt,
    });
  }
}
