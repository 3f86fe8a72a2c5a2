/*
 * Reports usage in slots, each once, by however many replicas: the row of a slot is unique, and each lot
 * of billing periods is one transaction under the lock of the report, with the messages, what they told
 * and how far the run has come. Whoever dies leaves a lot that was reported, or one that was not.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { newId } from '../../kernel/ids.js';
import { formatInstant } from '../../kernel/instant.js';
import { Database } from '../../platform/database/database.js';
import { Outage } from '../../platform/database/outage.js';
import { WebhooksService } from '../../webhooks/webhooks.service.js';
import { type NamedPeriod } from '../periods/periods.reader.js';
import { PeriodTotalsService } from './period-totals.service.js';
import { ReportRunsStore } from './report-runs.store.js';
import { lastSlot, slotAfter } from './report-schedule.js';
import {
  type PriceProgress,
  progressSince,
  type ReportRun,
  toMessageLines,
  type UsageReport,
} from './usage-report.js';
import { UsageReportsStore } from './usage-reports.store.js';
import { type MessageData } from '../../webhooks/catalogue/catalogue.js';

/** Slots begun in one transaction. */
const DUE_BATCH = 50;
/** Billing periods of one transaction, some milliseconds each: so long an archiving may have to wait. */
const PERIODS_AT_ONCE = 25;

@Injectable()
export class ReportingService {
  constructor(
    private readonly reports: UsageReportsStore,
    private readonly runs: ReportRunsStore,
    private readonly totals: PeriodTotalsService,
    private readonly webhooks: WebhooksService,
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly outage: Outage,
  ) {}

  /** Begins slots that have come, and reports a lot of billing periods; answers how much was done. */
  async runOnce(): Promise<number> {
    return (await this.beginDue()) + (await this.goOn());
  }

  /** Of several slots that were missed the last one is reported: what it tells is of now all the same. */
  private async beginDue(): Promise<number> {
    return await this.database.transaction(async () => {
      const now = this.clock.now();
      const due = await this.reports.lockDue(now, DUE_BATCH);
      for (const { id, schedule, nextSlotAt } of due) {
        const first = nextSlotAt ?? now;
        const slotAt = lastSlot(schedule, first, now);
        const missedFrom = slotAt > first ? first : null;
        await this.runs.insert({
          id: newId('urr'),
          reportId: id,
          slotAt,
          missedFrom,
          startedAt: now,
        });
        await this.reports.recordNextSlot(id, slotAfter(schedule, slotAt));
      }
      return due.length;
    });
  }

  private async goOn(): Promise<number> {
    return await this.database.transaction(async () => {
      const report = await this.reports.lockUnfinished();
      const unfinished = report === null ? null : await this.runs.findUnfinished(report.id);
      if (report === null || unfinished === null) {
        return 0;
      }
      const { run, after } = unfinished;
      const now = this.clock.now();
      const limit = PERIODS_AT_ONCE;
      const periodIds = await this.runs.listPeriods(report, { after, limit, now });
      let sent = 0;
      for (const id of periodIds) {
        sent += await this.reportPeriod(report, run, id);
      }
      for (const id of after === null ? await this.runs.listLeft(report, limit) : []) {
        sent += await this.reportPeriod(report, run, id, 'left');
      }
      const finishedAt = periodIds.length < limit ? now : null;
      await this.runs.recordProgress(run.id, { after: periodIds.at(-1) ?? null, sent, finishedAt });
      return 1;
    });
  }

  /**
   * One that comes to more than may be told is left out: it keeps no other from being reported. Of one that has left
   * the plan of the report nothing is left: what was told of it is taken back, for good.
   */
  private async reportPeriod(
    report: UsageReport,
    run: ReportRun,
    id: string,
    as: 'its own' | 'left' = 'its own',
  ): Promise<number> {
    try {
      const { totals: read, ...named } = await this.totals.read(id);
      const isFinal = as === 'left' || named.period.status.state === 'closed';
      const totals = as === 'left' ? [] : read;
      const told = await this.runs.findTold(report.id, id);
      const lines = progressSince(told?.totals ?? [], totals);
      const revision = (told?.revision ?? 0) + 1;
      const data = {
        ...this.head(report, run, named, revision),
        final: isFinal,
        ...toMessageLines(lines, named.period.currency),
      };
      const messageId = await this.publish(report, data);
      await this.runs.recordTold(run, id, { messageId, revision, totals: toldOf(lines), isFinal });
      return 1;
    } catch (error) {
      if (!(error instanceof RangeError)) {
        throw error;
      }
      this.outage.report('usage_report.failed', error, { report: report.id, billing_period: id });
      return 0;
    }
  }

  private head(
    report: UsageReport,
    run: ReportRun,
    { period, customer, plan }: NamedPeriod,
    revision: number,
  ): Omit<MessageData<'usage.reported'>, 'final' | 'currency' | 'amount' | 'prices'> {
    const { subscription, window } = period;
    const { timeZone } = subscription;
    return {
      usage_report: report.id,
      name: report.name,
      run: run.id,
      slot: formatInstant(run.slotAt, report.schedule.timeZone),
      missed_from: run.missedFrom && formatInstant(run.missedFrom, report.schedule.timeZone),
      as_of: this.clock.now().toISOString(),
      revision,
      customer: { id: customer.id, key: customer.key, metadata: customer.metadata },
      subscription: subscription.id,
      plan: plan.key,
      period: {
        id: period.id,
        start: formatInstant(window.start, timeZone),
        end: formatInstant(window.end, timeZone),
        time_zone: timeZone,
      },
    };
  }

  private async publish(
    { webhookEndpoint }: UsageReport,
    data: MessageData<'usage.reported'>,
  ): Promise<string> {
    const content = { type: 'usage.reported', data, occurredAt: this.clock.now() } as const;
    const { id } =
      webhookEndpoint === null
        ? await this.webhooks.publish(content)
        : await this.webhooks.publishTo(webhookEndpoint, content);
    return id;
  }
}

function toldOf(
  lines: readonly PriceProgress[],
): Omit<PriceProgress, 'quantityDelta' | 'deltaMinor'>[] {
  return lines.map(({ quantityDelta: _quantity, deltaMinor: _amount, ...total }) => total);
}
