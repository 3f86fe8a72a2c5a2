/*
 * Does what follows from a level that is reached or taken back: the row, the message, the bill, the
 * suspension. Joins the caller's transaction, in which no call to the outside is made.
 */
import { Injectable } from '@nestjs/common';
import { type Decimal, decimal } from '../../kernel/decimal.js';
import { newId } from '../../kernel/ids.js';
import { EarlyBillingService } from '../periods/early-billing.service.js';
import { SuspensionsService } from '../standing/suspensions.service.js';
import { CrossingFinder, type CrossingSight } from './crossing-finder.service.js';
import { CrossingsStore, type MeasuredValue } from './crossings.store.js';
import { type Decision } from './decision.js';
import { type Fired, type Reached } from './judge.js';
import { isSameGroup, MeasuringService, type Series } from './measuring.service.js';
import { type NameBook, TellingService } from './telling.service.js';
import { type Crossing, type Threshold } from './threshold.js';

const NOTHING = decimal('0');

export interface Firing {
  /** That of the snapshot; null: nothing can be billed in it. */
  readonly cutOffBatch: bigint | null;
  /** What was measured the last time, where that is kept. */
  readonly before: MeasuredValue | null;
  /** Of all whom the judgement is about. */
  readonly names: NameBook;
  readonly now: Date;
}

@Injectable()
export class FiringService {
  constructor(
    private readonly crossings: CrossingsStore,
    private readonly measuring: MeasuringService,
    private readonly finder: CrossingFinder,
    private readonly billing: EarlyBillingService,
    private readonly suspensions: SuspensionsService,
    private readonly telling: TellingService,
  ) {}

  /** Everything that follows from one series: first what is taken back, then levels in rising order. */
  async fire(decision: Decision, firing: Firing): Promise<void> {
    const { series, retracted, reached } = decision;
    for (const crossing of retracted) {
      await this.retract(series, crossing, firing);
    }
    if (reached.length === 0) {
      return;
    }
    const start = await this.valueAtCreation(decision, firing.now);
    const isNew = ({ bound }: Reached): boolean => start === null || start.lt(bound);
    for (const level of reached.filter((one) => !isNew(one))) {
      const sight = { before: null, after: series.value, event: null };
      await this.crossings.insert(this.crossingOf(series, level, sight, 'passed', firing.now));
    }
    const levels = reached.filter(isNew);
    if (levels.length === 0) {
      return;
    }
    const lineItemCount = await this.bill(series, firing);
    const find = await this.finder.of(series, firing.before?.value ?? startingValue(series));
    for (const level of levels) {
      const crossing = this.crossingOf(series, level, find(level.bound), 'crossed', firing.now);
      await this.cross(series.target.threshold, { ...crossing, lineItemCount }, firing.names);
    }
  }

  private async cross(threshold: Threshold, crossing: Crossing, names: NameBook): Promise<void> {
    if (!(await this.crossings.insert(crossing))) {
      throw new Error(`A level of the threshold '${threshold.key}' was fired by somebody else`);
    }
    if (threshold.actions.includes('suspend')) {
      await this.suspensions.suspend({
        crossingId: crossing.id,
        customerId: crossing.customerId,
        endsAt: crossing.scope.period?.window.end ?? null,
        since: crossing.crossedAt,
      });
    }
    await this.telling.crossed(threshold, crossing, names);
  }

  private async retract(
    { target: { threshold }, value }: Series,
    fired: Fired,
    { names, now }: Firing,
  ): Promise<void> {
    if (!(await this.crossings.recordRetracted(fired.id, now))) {
      return;
    }
    await this.suspensions.lift([fired.id], now);
    const crossing = await this.crossings.find(fired.id);
    if (crossing !== null) {
      await this.telling.retracted(threshold, crossing, value, names);
    }
  }

  /**
   * What had been measured when the threshold was created, if its levels shall not fire for it; null: all
   * that is reached is new. Of what has fired before this is known: it was less.
   */
  private async valueAtCreation(
    { series, hasHistory }: Decision,
    now: Date,
  ): Promise<Decimal | null> {
    const { target, grouping } = series;
    const { firesAtCreation, createdBatch, createdAt } = target.threshold;
    const start = target.scope.period?.window.start ?? null;
    if (firesAtCreation || hasHistory || (start !== null && start >= createdAt)) {
      return null;
    }
    if (series.usage?.price === null) {
      return await this.measuring.quantityAsOf(series, series.usage, createdBatch);
    }
    const past = { batch: createdBatch, at: createdAt };
    const found = await this.measuring.measure([target], now, past);
    return found.find((one) => isSameGroup(one.grouping, grouping))?.value ?? NOTHING;
  }

  private async bill(
    { target: { threshold, periods, scope } }: Series,
    { cutOffBatch, now }: Firing,
  ): Promise<number | null> {
    const [period] = periods;
    if (!threshold.actions.includes('bill') || scope.period === null || period === undefined) {
      return null;
    }
    if (cutOffBatch === null) {
      throw new Error(`The threshold '${threshold.key}' can bill at a cut-off only`);
    }
    return (await this.billing.bill(period.id, cutOffBatch, now)).length;
  }

  private crossingOf(
    { target, grouping }: Series,
    { level, bound, armed }: Reached,
    { before, after, event }: CrossingSight,
    state: Crossing['state'],
    now: Date,
  ): Crossing {
    return {
      id: newId('thc'),
      thresholdId: target.threshold.id,
      customerId: target.customerId,
      scope: target.scope,
      grouping,
      level,
      bound,
      armed,
      state,
      valueBefore: before,
      valueAfter: after,
      event,
      lineItemCount: null,
      crossedAt: now,
      retractedAt: null,
      rearmedAt: null,
    };
  }
}

/** What there was before anything was measured: nothing, if the span began under the threshold's eyes. */
function startingValue({ target: { scope, threshold } }: Series): Decimal | null {
  const start = scope.period?.window.start ?? null;
  return start !== null && start >= threshold.createdAt ? NOTHING : null;
}
