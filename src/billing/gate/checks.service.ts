/*
 * What has to be in order before a period closes, looked at in the snapshot of its cut-off: whatever
 * is stored later is no part of the question. Reads only, by indexes of what is open; no call is made.
 */
import { Injectable } from '@nestjs/common';
import { CustomersReader } from '../../customers/customers.reader.js';
import { OpenConflictsReader } from '../../events/open-conflicts.reader.js';
import { type SubjectSpan } from '../../events/subject-span.js';
import { type Interval, without } from '../../kernel/interval.js';
import { type Meter } from '../../meters/meter.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { type ClosingCheck } from '../../pricing/closing-check.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { OpenGapsReader } from '../../sources/open-gaps/open-gaps.reader.js';
import { type UsageBacklog } from '../../usage/level/usage-level.js';
import { UsageLevelReader } from '../../usage/level/usage-level.reader.js';
import { type BillingPeriod } from '../periods/billing-period.js';
import { metersOf } from '../periods/rating.service.js';
import {
  COLLECTOR_CHECKS,
  type CollectorCheck,
  CollectorChecksService,
} from './collector-checks.service.js';
import { checksMade, type HoldReason } from './hold.js';
import { ownedWithin } from './owned-spans.js';

/** The moment of a close. */
export interface ClosingMoment {
  /** That of the ambient snapshot. */
  readonly cutOffBatch: bigint;
  /** From when on the period could close: its end and the grace, or its end when it is closed by hand. */
  readonly readyAt: Date;
  readonly now: Date;
}

/** What of a period is billed: checks of usage look at nothing else. */
interface BilledUsage {
  readonly period: BillingPeriod;
  /** The window without pauses. */
  readonly spans: readonly Interval[];
  readonly meters: readonly Meter[];
  readonly owned: readonly SubjectSpan[];
}

@Injectable()
export class ChecksService {
  constructor(
    private readonly plans: PlansReader,
    private readonly meters: MetersReader,
    private readonly customers: CustomersReader,
    private readonly level: UsageLevelReader,
    private readonly conflicts: OpenConflictsReader,
    private readonly gaps: OpenGapsReader,
    private readonly collectors: CollectorChecksService,
  ) {}

  /**
   * What a period does not pass of the checks of its plan version; nothing when it may close. One that
   * bills nothing, since all of it was paused, passes everything.
   */
  async failing(period: BillingPeriod, moment: ClosingMoment): Promise<HoldReason[]> {
    const checks = checksMade(await this.plans.closingChecksOf(period.planVersionId));
    const spans = without(period.window, period.subscription.pauses);
    if (checks.length === 0 || spans.length === 0) {
      return [];
    }
    const usage = await this.billedUsage(period, spans);
    const reasons: HoldReason[] = [];
    for (const check of checks) {
      const reason = isOfCollector(check)
        ? await this.collectors.failing(check, period.subscription.billing, moment.now)
        : await this.checkUsage(check, usage, moment);
      reasons.push(...(reason === null ? [] : [reason]));
    }
    return reasons;
  }

  private async billedUsage(
    period: BillingPeriod,
    spans: readonly Interval[],
  ): Promise<BilledUsage> {
    const { prices } = await this.plans.version(period.planVersionId);
    const meters = [...(await this.meters.byIds(metersOf(prices))).values()];
    const subjects = await this.customers.subjectsOf(period.subscription.customerId);
    return { period, spans, meters, owned: ownedWithin(subjects, spans) };
  }

  /** A plan without usage prices passes: no event changes what it bills. */
  private async checkUsage(
    check: Exclude<ClosingCheck, CollectorCheck>,
    usage: BilledUsage,
    moment: ClosingMoment,
  ): Promise<HoldReason | null> {
    const { meters, owned } = usage;
    if (meters.length === 0) {
      return null;
    }
    switch (check) {
      case 'usage_level':
        return await this.checkLevel(usage, moment);
      case 'source_gaps':
        return await this.checkGaps(usage);
      case 'conflicts': {
        const count = await this.conflicts.countIn(owned, typesOf(meters));
        const detail = `Events of which it is open which of two bodies counts: ${count}.`;
        return count === 0
          ? null
          : { code: check, count, detail, list: '/api/v1/events/conflicts?state=open' };
      }
      case 'quarantined_values': {
        const count = await this.level.countQuarantined(owned, meters);
        const detail = `Values that a meter of the plan could not read, and that count as nothing: ${count}.`;
        return count === 0
          ? null
          : { code: check, count, detail, list: '/api/v1/events/quarantined?state=open' };
      }
    }
  }

  private async checkLevel(
    { period, meters, owned }: BilledUsage,
    { cutOffBatch, readyAt }: ClosingMoment,
  ): Promise<HoldReason | null> {
    const subjects = [...new Set(owned.map(({ subject }) => subject))];
    const backlog = await this.level.backlogOf(
      meters,
      { window: period.window, subjects },
      { throughBatch: cutOffBatch, receivedBefore: readyAt },
    );
    return backlog && describeBacklog(backlog, meters);
  }

  /** Of sources that the customer's events come from: whose events are missing, nobody knows. */
  private async checkGaps({ spans, meters, owned }: BilledUsage): Promise<HoldReason | null> {
    const found = new Set<string>();
    for (const span of spans) {
      for (const source of await this.gaps.sourcesIn(span)) {
        found.add(source);
      }
    }
    const sources = new Set(await this.gaps.among([...found], owned, typesOf(meters)));
    const [first] = sources;
    return first === undefined
      ? null
      : {
          code: 'source_gaps',
          count: sources.size,
          detail: `Not all that was sent has come, or more than that, from ${[...sources].join(', ')}.`,
          list: `/api/v1/sources/${encodeURIComponent(first)}/gaps`,
        };
  }
}

function isOfCollector(check: ClosingCheck): check is CollectorCheck {
  return COLLECTOR_CHECKS.some((one) => one === check);
}

function typesOf(meters: readonly Meter[]): string[] {
  return [...new Set(meters.map(({ eventType }) => eventType))];
}

function describeBacklog(backlog: UsageBacklog, meters: readonly Meter[]): HoldReason {
  const { batchCount, oldestReceivedAt, meterIds, rebuildIds } = backlog;
  const keys = meters.filter(({ id }) => meterIds.includes(id)).map(({ key }) => key);
  const parts = [
    ...(batchCount > 0
      ? [`batches of events since ${oldestReceivedAt?.toISOString() ?? ''} (${batchCount})`]
      : []),
    ...(keys.length > 0 ? [`the history of ${keys.join(', ')}`] : []),
    ...(rebuildIds.length > 0 ? [`the rebuilds ${rebuildIds.join(', ')}`] : []),
  ];
  return {
    code: 'usage_level',
    count: batchCount + keys.length + rebuildIds.length,
    detail: `Not counted yet: ${parts.join('; ')}.`,
    list: null,
  };
}
