/* Lets a customer and their subscriptions go through steps, and the workers run in between. */
import { EndedBillingService } from '../../src/billing/late-usage/ended.service.js';
import { totalOf } from '../../src/billing/late-usage/difference.js';
import { LateUsageReader } from '../../src/billing/late-usage/late-usage.reader.js';
import { LateUsageService } from '../../src/billing/late-usage/late-usage.service.js';
import { RefreshingService } from '../../src/billing/late-usage/refreshing.service.js';
import { LateUsageScanService } from '../../src/billing/late-usage/scan.service.js';
import { ClosingService } from '../../src/billing/periods/closing.service.js';
import { FeesService } from '../../src/billing/periods/fees.service.js';
import { InvoicePreviewService } from '../../src/billing/periods/invoice-preview.service.js';
import { PeriodsService } from '../../src/billing/periods/periods.service.js';
import { PlanChangesService } from '../../src/billing/subscriptions/plan-changes.service.js';
import { SubscriptionsService } from '../../src/billing/subscriptions/subscriptions.service.js';
import { type Levels, type ThresholdMeasure } from '../../src/billing/thresholds/threshold.js';
import { type Customer } from '../../src/customers/customer.js';
import { CustomersService } from '../../src/customers/customers.service.js';
import { CorrectionsService } from '../../src/events/corrections.service.js';
import { EventsService } from '../../src/events/events.service.js';
import { decimal } from '../../src/kernel/decimal.js';
import { DomainError } from '../../src/kernel/errors.js';
import { MetersReader } from '../../src/meters/meters.reader.js';
import { type CurrentPlan } from '../../src/pricing/plan.js';
import { FoldService } from '../../src/usage/fold.service.js';
import { type TestBilling } from './billing.js';
import { factory } from './factory.js';
import { type Step, type Worker } from './money-steps.js';
import { type Counted } from './tariffs.js';
import { judgeAll, threshold } from './thresholds.js';

const HOUR_MS = 3_600_000;
const BY = { by: 'key_test', reason: 'a test' };

/** Everything that these workers do, until nothing is left to do. */
export async function work(billing: TestBilling, workers: readonly Worker[]): Promise<void> {
  const looks: Record<Worker, () => Promise<unknown>> = {
    fees: async () => await billing.get(FeesService).chargeDue(),
    close: async () => {
      await billing.closeAllDue();
      await billing.get(FeesService).chargeDue();
    },
    fold: async () => await billing.get(FoldService).foldOnce(),
    judge: async () => {
      await judgeAll(billing);
    },
    scan: async () => {
      await billing.get(LateUsageScanService).scanAll();
    },
    refresh: async () => await billing.get(RefreshingService).refresh(),
    ended: async () => await billing.get(EndedBillingService).billApart(),
  };
  for (const worker of workers) {
    await looks[worker]();
  }
}

/** What people do; a refusal is an answer, and changes nothing. */
export async function attempt(run: () => Promise<unknown>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof DomainError)) {
      throw error;
    }
  }
}

export interface Used extends Counted {
  readonly time: Date;
}

interface Sent extends Used {
  readonly source: string;
  readonly id: string;
  readonly isVoid: boolean;
}

/** What people and gateways do to a customer and their subscriptions. A refusal is an answer, and changes nothing. */
export class Story {
  private readonly sent: Sent[] = [];
  private isGiven = false;

  constructor(
    private readonly billing: TestBilling,
    private readonly plans: readonly CurrentPlan[],
    private readonly customer: Customer,
    /** Who gets the subject when it is handed over. */
    private readonly other: Customer,
    /** The customer's. */
    private readonly subscriptionIds: readonly string[],
  ) {}

  /** @param of at which place the subscription is that it happens to */
  async take(one: Step, of: number): Promise<void> {
    const id = this.subscriptionIds[of % this.subscriptionIds.length] ?? '';
    await attempt(async () => {
      await this.carryOut(one, id);
    });
  }

  /** All that one of the two customers used. */
  async usedBy(customerId: string): Promise<Used[]> {
    const spans = await this.billing.rows(
      'SELECT starts_at, ends_at FROM customer_subjects WHERE subject = $1 AND customer_id = $2',
      [this.customer.key, customerId],
    );
    return this.sent.filter(
      ({ time, isVoid }) =>
        !isVoid &&
        spans.some(
          ({ starts_at: start, ends_at: end }) =>
            (start === null || time >= (start as Date)) && (end === null || time < (end as Date)),
        ),
    );
  }

  private async carryOut(one: Step, id: string): Promise<void> {
    const { billing } = this;
    const subscriptions = billing.get(SubscriptionsService);
    switch (one.do) {
      case 'wait':
        billing.clock.advance(one.hours * HOUR_MS);
        return;
      case 'use':
        await this.use(this.hoursFromNow(-one.hoursAgo), one);
        return;
      case 'void':
      case 'repair':
        await this.correct(one);
        return;
      case 'give':
        await this.give(this.hoursFromNow(-one.hoursAgo));
        return;
      case 'change': {
        const plan = this.plans[one.plan]?.plan.id ?? null;
        const asked = { plan, version: one.version, at: this.toTime(one.when) };
        await billing.get(PlanChangesService).change(id, asked);
        return;
      }
      case 'pause':
        await subscriptions.pause(id, this.toTime(one.when));
        return;
      case 'resume':
        await subscriptions.resume(id, this.toTime(one.when));
        return;
      case 'threshold':
        await this.watch(one);
        return;
      case 'decide':
        await this.decide(one.bills, id);
        return;
      case 'close':
        await this.closeByHand(id);
        return;
      case 'cancel':
        await subscriptions.cancel(id, { when: this.toTime(one.when), bill: one.bill });
    }
  }

  /** Closes a period that is over; what its preview said is what is billed. */
  private async closeByHand(subscriptionId: string): Promise<void> {
    const { billing } = this;
    const open = await billing.get(PeriodsService).findOpen(subscriptionId);
    if (open === null || open.window.end > billing.clock.now()) {
      return;
    }
    await billing.get(LateUsageScanService).scanAll();
    const { charges, adjustments } = await billing
      .get(InvoicePreviewService)
      .preview(subscriptionId);
    const previewed = totalOf([
      ...charges.map(({ line }) => line),
      ...adjustments.map(({ difference }) => difference),
    ]);
    const before = await this.ledgerOf(subscriptionId);
    await billing.get(ClosingService).closeByHand(open.id);
    expect((await this.ledgerOf(subscriptionId)) - before).toBe(previewed);
  }

  private async ledgerOf(subscriptionId: string): Promise<bigint> {
    const [billed] = await this.billing.rows(
      'SELECT coalesce(sum(amount_minor), 0) AS cents FROM line_items WHERE subscription_id = $1',
      [subscriptionId],
    );
    return BigInt(String(billed?.['cents']));
  }

  private hoursFromNow(hours: number): Date {
    return new Date(this.billing.clock.now().getTime() + hours * HOUR_MS);
  }

  private toTime<Named extends string>(asked: Named | number): Named | Date {
    return typeof asked === 'number' ? this.hoursFromNow(asked) : asked;
  }

  private async use(time: Date, { count, region }: Counted): Promise<void> {
    const { key: subject } = this.customer;
    const data = { v: String(count), region };
    const event = factory.event({ subject, time: time.toISOString(), data });
    await this.billing.get(EventsService).ingest(Buffer.from(JSON.stringify([event])), {});
    const identity = { source: String(event['source']), id: String(event['id']) };
    this.sent.push({ ...identity, time, count, region, isVoid: false });
  }

  private async correct(one: Extract<Step, { readonly do: 'void' | 'repair' }>): Promise<void> {
    const index = one.which % Math.max(1, this.sent.length);
    const event = this.sent[index];
    if (event === undefined) {
      return;
    }
    const corrections = this.billing.get(CorrectionsService);
    if (one.do === 'void') {
      await corrections.void(event, BY);
      this.sent[index] = { ...event, isVoid: true };
      return;
    }
    const time = new Date(event.time.getTime() + one.hours * HOUR_MS);
    const { count, region } = one;
    const identity = { source: event.source, id: event.id };
    const body = {
      ...{ ...identity, type: 'api.request', subject: this.customer.key, extensions: null },
      ...{ time: time.toISOString(), data: JSON.stringify({ v: String(count), region }) },
    };
    await corrections.replace(identity, () => body, BY);
    this.sent[index] = { ...event, time, count, region, isVoid: false };
  }

  /** Hands the subject to somebody else from a time on, or back. */
  private async give(from: Date): Promise<void> {
    const { key } = this.isGiven ? this.customer : this.other;
    await this.billing.get(CustomersService).assignSubject(key, this.customer.key, from);
    this.isGiven = !this.isGiven;
  }

  private async watch({
    which,
    firesAtCreation,
  }: Extract<Step, { readonly do: 'threshold' }>): Promise<void> {
    const { id: meterId } = await this.billing
      .get(MetersReader)
      .get(which === 1 ? 'regional' : 'used');
    const every = (step: string): Levels => ({ kind: 'every', step: decimal(step) });
    const levels = (...values: string[]): Levels => ({
      kind: 'absolute',
      levels: values.map((value) => decimal(value)),
    });
    const currency = 'usd';
    const kinds: readonly (readonly [ThresholdMeasure, Levels])[] = [
      [{ kind: 'meter_quantity', meterId, groupBy: [] }, every('3')],
      [{ kind: 'meter_quantity', meterId, groupBy: ['region'] }, levels('2', '9')],
      [{ kind: 'price_quantity', price: 'used' }, levels('1', '11')],
      [{ kind: 'price_amount', price: 'used', currency }, every('2.00')],
      [{ kind: 'whole_amount', currency }, levels('1.00', '12.00')],
      [{ kind: 'whole_amount', currency }, every('1.50')],
    ];
    const [measure, at] = kinds[which]!;
    await threshold(this.billing, [], {
      watched: { kind: 'customer', customerId: this.customer.id },
      measure,
      levels: at,
      actions: ['bill'],
      firesAtCreation,
    });
  }

  private async decide(bills: boolean, subscriptionId: string): Promise<void> {
    const filter = { subscriptionId, billingPeriodId: null, state: null };
    const found = await this.billing
      .get(LateUsageReader)
      .list(null, filter, { limit: 100, before: null });
    for (const { late } of found.items) {
      const decided = bills ? 'to_bill' : 'dismissed';
      await attempt(
        async () => await this.billing.get(LateUsageService).decide(late.id, decided, BY),
      );
    }
  }
}
