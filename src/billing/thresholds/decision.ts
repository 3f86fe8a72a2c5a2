/* What follows from what was measured: pure. */
import { decimal } from '../../kernel/decimal.js';
import { type Judgement, judge } from './judge.js';
import { type Series } from './measuring.service.js';
import { type Target } from './target.js';
import { type Crossing, groupingKey } from './threshold.js';

const NOTHING = decimal('0');

/** A series of which levels fire or are taken back. */
export interface Decision extends Judgement {
  readonly series: Series;
  /** Whether any of its levels has fired before, or was passed. */
  readonly hasHistory: boolean;
}

/**
 * What is to be done; series of which nothing changes are left out. A group that fired and of which
 * nothing is left comes to nothing.
 */
export function decisionsOf(
  targets: readonly Target[],
  series: readonly Series[],
  crossings: readonly Crossing[],
): Decision[] {
  const fired = bySeries(crossings);
  const measured = new Set(series.map(keyOf));
  const byName = new Map(targets.map((target) => [nameOf(target), target]));
  const lost = [...fired].flatMap(([key, [crossing]]): Series[] => {
    const target =
      crossing === undefined || crossing.grouping === null
        ? undefined
        : byName.get(`${crossing.thresholdId} ${crossing.customerId} ${crossing.scope.key}`);
    return target === undefined || crossing === undefined || measured.has(key)
      ? []
      : [{ target, grouping: crossing.grouping, value: NOTHING, included: null, usage: null }];
  });
  return [...series, ...lost].flatMap((one) => {
    const before = fired.get(keyOf(one)) ?? [];
    const { target, value, included } = one;
    const judgement = judge(target.threshold.levels, value, { included, fired: before });
    return judgement.reached.length === 0 && judgement.retracted.length === 0
      ? []
      : [{ ...judgement, series: one, hasHistory: before.length > 0 }];
  });
}

/** A function from a series to its crossings, of some. */
export function firedBy(crossings: readonly Crossing[]): (series: Series) => readonly Crossing[] {
  const fired = bySeries(crossings);
  return (series) => fired.get(keyOf(series)) ?? [];
}

function bySeries(crossings: readonly Crossing[]): Map<string, Crossing[]> {
  const fired = new Map<string, Crossing[]>();
  for (const crossing of crossings) {
    const { thresholdId, customerId, scope, grouping } = crossing;
    const key = `${thresholdId} ${customerId} ${scope.key} ${groupingKey(grouping)}`;
    fired.set(key, [...(fired.get(key) ?? []), crossing]);
  }
  return fired;
}

function nameOf({ threshold, customerId, scope }: Target): string {
  return `${threshold.id} ${customerId} ${scope.key}`;
}

function keyOf({ target, grouping }: Series): string {
  return `${nameOf(target)} ${groupingKey(grouping)}`;
}
