/*
 * Leaves customers alone who are so far from their next level that what came cannot have reached it. Who
 * was judged with nothing to do is calm, with a margin for each meter; changes are taken off the margins
 * until one is used up, and then the customer is judged again. For quantities whose events add up: nobody
 * who is watched by anything else is ever calm. Joins the caller's transaction.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { type Meter } from '../../meters/meter.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { isAdditive } from '../../usage/changes/contribution.js';
import { type UsageChange, UsageChangesReader } from '../../usage/changes/changes.reader.js';
import { type Calm, CalmsStore } from './calms.store.js';
import { type Decision, firedBy } from './decision.js';
import { type LeasedDue, DuesStore } from './dues.store.js';
import { ANY_MARGIN, type Margin, marginOf, narrowest } from './margin.js';
import { type Asked, MeasuringService, NOTHING, type Series } from './measuring.service.js';
import { type FoundTargets } from './targets.service.js';
import { type Target } from './target.js';
import { type Crossing, currencyOf } from './threshold.js';

/** What a judgement found, of all whom it judged. */
export interface Findings {
  readonly found: FoundTargets;
  readonly series: readonly Series[];
  readonly crossings: readonly Crossing[];
  readonly decisions: readonly Decision[];
}

@Injectable()
export class CalmService {
  constructor(
    private readonly calms: CalmsStore,
    private readonly dues: DuesStore,
    private readonly usage: UsageChangesReader,
    private readonly measuring: MeasuringService,
    private readonly meters: MetersReader,
    private readonly clock: Clock,
  ) {}

  /** Takes a change off the margins; answers the others of those whom it touches, who are to be judged. */
  async disturbedBy(change: UsageChange): Promise<string[]> {
    // First: who is not due now, and is judged before the margins are read, is so with this change.
    const due = new Set(await this.dues.listDue(change.customerIds));
    const usedUp: string[] = [];
    for (const meter of await this.metersWithMargins()) {
      const movements = await this.usage.movementsOf(change, meter);
      usedUp.push(...(await this.calms.takeOff(meter.number, movements)));
    }
    const calm = new Set(await this.calms.listCalm(change.customerIds, this.clock.now()));
    usedUp.forEach((customerId) => calm.delete(customerId));
    const disturbed = change.customerIds.filter((id) => due.has(id) || !calm.has(id));
    await this.calms.end(disturbed);
    return disturbed;
  }

  /** Keeps who of those that were judged is calm. */
  async keep(dues: readonly LeasedDue[], findings: Findings): Promise<void> {
    await this.calms.end(dues.map(({ customerId }) => customerId));
    const calms = await this.calmOf(dues, findings);
    if (calms.length > 0) {
      await this.calms.begin(calms);
    }
  }

  /** In the order of their numbers, as everybody locks margins. */
  private async metersWithMargins(): Promise<Meter[]> {
    const numbers = new Set(await this.calms.meters());
    const meters = numbers.size === 0 ? [] : await this.meters.all();
    return meters
      .filter(({ number }) => numbers.has(number))
      .toSorted((one, other) => one.number - other.number);
  }

  private async calmOf(dues: readonly LeasedDue[], findings: Findings): Promise<Calm[]> {
    const { found, decisions } = findings;
    const restless = new Set([
      ...decisions.map(({ series }) => series.target.customerId),
      ...found.waits.keys(),
      ...found.targets.filter(isOfAmount).map(({ customerId }) => customerId),
    ]);
    const candidates = found.targets.filter(({ customerId }) => !restless.has(customerId));
    const asked = await this.measuring.usagesOf(candidates, this.clock.now());
    const unsteady = asked.filter(({ usage }) => !isAdditive(usage.question.meter.aggregation));
    unsteady.forEach(({ target }) => restless.add(target.customerId));
    const steady = asked.filter(({ target }) => !restless.has(target.customerId));
    const margins = marginsOf(steady, findings);
    return dues.flatMap(({ customerId }): Calm[] => {
      const endsAt = found.holdsUntil.get(customerId);
      return endsAt === undefined || restless.has(customerId)
        ? []
        : [{ customerId, endsAt, margins: margins.get(customerId) ?? new Map() }];
    });
  }
}

const isOfAmount = ({ threshold }: Target): boolean => currencyOf(threshold.measure) !== null;

/** By customer and number of the meter. */
function marginsOf(
  asked: readonly Asked[],
  { series, crossings }: Findings,
): ReadonlyMap<string, ReadonlyMap<number, Margin>> {
  const firedOf = firedBy(crossings);
  const measured = new Map<Target, Series[]>();
  for (const one of series) {
    const own = measured.get(one.target) ?? [];
    own.push(one);
    measured.set(one.target, own);
  }
  const margins = new Map<string, Map<number, Margin>>();
  for (const { target, usage, included } of asked) {
    const { levels } = target.threshold;
    const { meter, groupBy } = usage.question;
    const own = margins.get(target.customerId) ?? new Map<number, Margin>();
    margins.set(target.customerId, own);
    const all = (measured.get(target) ?? []).map((one) =>
      marginOf(levels, one.value, { included, fired: firedOf(one) }),
    );
    // A group that there is nothing of yet may be the next to reach a level.
    const fresh = groupBy.length === 0 ? [] : [marginOf(levels, NOTHING, { included, fired: [] })];
    own.set(meter.number, narrowest([own.get(meter.number) ?? ANY_MARGIN, ...all, ...fresh]));
  }
  return margins;
}
