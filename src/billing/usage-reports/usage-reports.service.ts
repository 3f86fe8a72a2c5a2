/* The life of a usage report: made, and archived. Another schedule is another report. */
import { Injectable } from '@nestjs/common';
import { CustomersReader } from '../../customers/customers.reader.js';
import { Clock } from '../../kernel/clock.js';
import { DomainError, invalidField, notFound } from '../../kernel/errors.js';
import { newId } from '../../kernel/ids.js';
import { type Page } from '../../platform/http/page.js';
import { PlansReader } from '../../pricing/plans.reader.js';
import { WebhooksReader } from '../../webhooks/webhooks.reader.js';
import { ReportRunsStore } from './report-runs.store.js';
import { type Schedule, type ScheduleKind, slotAfter } from './report-schedule.js';
import { type ReportRun, type ReportSubject, type UsageReport } from './usage-report.js';
import { UsageReportsStore } from './usage-reports.store.js';

export interface NewUsageReport {
  readonly name: string;
  /** Id or key. */
  readonly of: { readonly customer: string } | { readonly plan: string };
  readonly kind: ScheduleKind;
  readonly schedule: Schedule;
  readonly webhookEndpoint: string | null;
}

/** A report with the key of the customer or plan that it names. */
export interface NamedReport {
  readonly report: UsageReport;
  readonly key: string;
}

@Injectable()
export class UsageReportsService {
  constructor(
    private readonly store: UsageReportsStore,
    private readonly runs: ReportRunsStore,
    private readonly customers: CustomersReader,
    private readonly plans: PlansReader,
    private readonly webhooks: WebhooksReader,
    private readonly clock: Clock,
  ) {}

  /**
   * A new report, from its next slot on.
   *
   * @throws DomainError invalid on `customer`, `plan` or `webhook_endpoint` when there is none; conflict
   *   `too_many_usage_reports`
   */
  async create(input: NewUsageReport): Promise<NamedReport> {
    const now = this.clock.now();
    const { name, kind, schedule, webhookEndpoint } = input;
    const report: UsageReport = {
      name,
      kind,
      schedule,
      webhookEndpoint,
      id: newId('ur'),
      subject: await this.subjectOf(input),
      createdAt: now,
      nextSlotAt: slotAfter(schedule, now),
      archivedAt: null,
    };
    await this.requireEndpoint(webhookEndpoint);
    await this.store.insert(report);
    return await this.named(report);
  }

  /** Reports nothing any more; throws not_found. Archiving twice is no fault. */
  async archive(id: string): Promise<NamedReport> {
    await this.get(id);
    await this.store.archive(id, this.clock.now());
    return await this.get(id);
  }

  /** One report; throws not_found. */
  async get(id: string): Promise<NamedReport> {
    const report = await this.store.find(id);
    if (report === null) {
      throw notFound('usage report', id);
    }
    return await this.named(report);
  }

  /** Reports, newest first, archived ones with them. */
  async list(limit: number, before: string | null): Promise<Page<NamedReport>> {
    const { items, nextCursor } = await this.store.list(limit, before);
    return { items: await Promise.all(items.map((item) => this.named(item))), nextCursor };
  }

  /** The slots of a report that were reported, newest first; throws not_found. */
  async listRuns(id: string, limit: number, before: string | null): Promise<Page<ReportRun>> {
    await this.get(id);
    return await this.runs.list(id, limit, before);
  }

  private async named(report: UsageReport): Promise<NamedReport> {
    const { subject } = report;
    const { key } =
      subject.kind === 'customer'
        ? await this.customers.get(subject.customerId)
        : await this.plans.byId(subject.planId);
    return { report, key };
  }

  private async subjectOf({ of }: NewUsageReport): Promise<ReportSubject> {
    if ('customer' in of) {
      const customer = await this.customers.find(of.customer);
      if (customer === null) {
        const detail = `there is no customer '${of.customer}'`;
        throw invalidField('customer', 'unknown_customer', detail);
      }
      return { kind: 'customer', customerId: customer.id };
    }
    const plan = await this.plans.find(of.plan);
    if (plan === null) {
      throw invalidField('plan', 'unknown_plan', `there is no plan '${of.plan}'`);
    }
    return { kind: 'plan', planId: plan.id };
  }

  private async requireEndpoint(id: string | null): Promise<void> {
    try {
      if (id !== null) {
        await this.webhooks.getEndpoint(id);
      }
    } catch (error) {
      if (error instanceof DomainError && error.kind === 'not_found') {
        const detail = `there is no webhook endpoint '${id ?? ''}'`;
        throw invalidField('webhook_endpoint', 'unknown_webhook_endpoint', detail);
      }
      throw error;
    }
  }
}
