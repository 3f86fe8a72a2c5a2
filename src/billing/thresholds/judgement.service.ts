/* One judgement: what is measured is held against what fired, and what follows is done. In the caller's transaction. */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { notFound } from '../../kernel/errors.js';
import { isAdditive } from '../../usage/changes/contribution.js';
import { CalmService } from './calm.service.js';
import { CrossingsStore, type MeasuredValue } from './crossings.store.js';
import { type Decision, decisionsOf } from './decision.js';
import { type LeasedDue } from './dues.store.js';
import { FiringService } from './firing.service.js';
import { isSameGroup, MeasuringService, type Series } from './measuring.service.js';
import { TargetsService } from './targets.service.js';
import { type NameBook, type Named, TellingService } from './telling.service.js';

export interface Judged {
  /** Of whom nothing was done, since they are to be billed. */
  readonly toBill: readonly LeasedDue[];
  /** When those are to be judged again of whom something waits, by their ids. */
  readonly waits: ReadonlyMap<string, Date>;
}

@Injectable()
export class JudgementService {
  constructor(
    private readonly targets: TargetsService,
    private readonly measuring: MeasuringService,
    private readonly crossings: CrossingsStore,
    private readonly firing: FiringService,
    private readonly calm: CalmService,
    private readonly telling: TellingService,
    private readonly clock: Clock,
  ) {}

  /**
   * Judges customers in one snapshot.
   *
   * @param cutOffBatch that of the snapshot, at which may be billed; null: it has none, and then of those
   *   who are to be billed nothing is done
   */
  async judge(dues: readonly LeasedDue[], cutOffBatch: bigint | null): Promise<Judged> {
    const now = this.clock.now();
    const found = await this.targets.find(dues, now);
    const { targets, waits } = found;
    if (targets.length === 0) {
      return { toBill: [], waits };
    }
    const keys = [
      targets.map(({ threshold }) => threshold.id),
      targets.map(({ customerId }) => customerId),
      targets.map(({ scope }) => scope.key),
    ] as const;
    const series = await this.measuring.measure(targets, now);
    const crossings = await this.crossings.listLast(...keys);
    const values = byMeasured(
      series.some(isRemembered) ? await this.crossings.listValues(...keys) : [],
    );
    const decisions = decisionsOf(targets, series, crossings);
    const toBill = new Set(cutOffBatch === null ? decisions.filter(bills).map(customerOf) : []);
    const names =
      decisions.length === 0 ? NOBODY : await this.telling.namesOf(decisions.map(namedBy));
    for (const decision of decisions) {
      if (!toBill.has(customerOf(decision))) {
        const before = lastValue(decision.series, values);
        await this.firing.fire(decision, { cutOffBatch, before, names, now });
      }
    }
    await this.remember(
      series.filter(({ target }) => !toBill.has(target.customerId)),
      values,
    );
    await this.calm.keep(dues, { found, series, crossings, decisions });
    return { toBill: dues.filter(({ customerId }) => toBill.has(customerId)), waits };
  }

  private async remember(series: readonly Series[], values: Measured): Promise<void> {
    const changed = series
      .filter(isRemembered)
      .filter((one) => lastValue(one, values)?.value.eq(one.value) !== true)
      .map(({ target, grouping, value }): MeasuredValue => ({
        thresholdId: target.threshold.id,
        customerId: target.customerId,
        scope: target.scope.key,
        grouping,
        value,
      }));
    if (changed.length > 0) {
      await this.crossings.saveValues(changed);
    }
  }
}

const bills = ({ series, reached }: Decision): boolean =>
  reached.length > 0 && series.target.threshold.actions.includes('bill');

const NOBODY: NameBook = ({ customerId }) => {
  throw notFound('customer', customerId);
};

const namedBy = ({ series: { target } }: Decision): Named => target;

const customerOf = ({ series }: Decision): string => series.target.customerId;

/** Whether what was measured before has to be kept, since no event tells it. */
function isRemembered({ usage }: Series): boolean {
  return usage === null || !isAdditive(usage.question.meter.aggregation);
}

/** Values by threshold, customer and scope. */
type Measured = ReadonlyMap<string, readonly MeasuredValue[]>;

function lastValue(
  { target: { threshold, customerId, scope }, grouping }: Series,
  values: Measured,
): MeasuredValue | null {
  const alike = values.get(`${threshold.id} ${customerId} ${scope.key}`) ?? [];
  return alike.find((one) => isSameGroup(one.grouping, grouping)) ?? null;
}

function byMeasured(values: readonly MeasuredValue[]): Measured {
  const found = new Map<string, MeasuredValue[]>();
  for (const one of values) {
    const name = `${one.thresholdId} ${one.customerId} ${one.scope}`;
    const alike = found.get(name) ?? [];
    alike.push(one);
    found.set(name, alike);
  }
  return found;
}
