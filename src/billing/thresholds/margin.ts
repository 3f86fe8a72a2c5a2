/* How far a value may move before a threshold has anything to say: pure. */
import { type Decimal, decimal } from '../../kernel/decimal.js';
import { boundsOf, type Fired, floorQuotient } from './judge.js';
import { type Levels } from './threshold.js';

const NOTHING = decimal('0');

/** Whatever adds less than `up` and takes no more than `down` away leaves everything as it is; null: anything does. */
export interface Margin {
  readonly up: Decimal | null;
  readonly down: Decimal | null;
}

export const ANY_MARGIN: Margin = { up: null, down: null };

/**
 * The margin of a value of which `judge` says that nothing is to be done: up to the next level that would
 * fire, and down to where the highest that fired would be taken back. Of any other value it is none.
 */
export function marginOf(
  levels: Levels,
  value: Decimal,
  { included, fired }: { readonly included: Decimal | null; readonly fired: readonly Fired[] },
): Margin {
  const ups = boundsToCome(levels, included, fired, value).map((bound) => bound.minus(value));
  const downs = fired
    .filter(({ state, rearmedAt }) => state === 'crossed' && rearmedAt === null)
    .map(({ bound }) => value.minus(bound));
  return {
    up: leastOf(ups.map((up) => (up.lt(NOTHING) ? NOTHING : up))),
    down: leastOf(downs),
  };
}

/** That of all of some values together. */
export function narrowest(margins: readonly Margin[]): Margin {
  const given = (of: keyof Margin): Decimal[] => margins.flatMap((margin) => margin[of] ?? []);
  return { up: leastOf(given('up')), down: leastOf(given('down')) };
}

function boundsToCome(
  levels: Levels,
  included: Decimal | null,
  fired: readonly Fired[],
  value: Decimal,
): Decimal[] {
  if (levels.kind !== 'every') {
    return boundsOf(levels, included)
      .filter(({ level }) => fired.every((one) => !one.level.eq(level) || one.rearmedAt !== null))
      .map(({ bound }) => bound);
  }
  const done = fired
    .filter(({ rearmedAt }) => rearmedAt === null)
    .map(({ level }) => floorQuotient(level, levels.step));
  const last = [floorQuotient(value, levels.step), 0n, ...done].reduce((most, number) =>
    number > most ? number : most,
  );
  const rearmed = fired.filter(({ rearmedAt }) => rearmedAt !== null).map(({ level }) => level);
  return [levels.step.times((last + 1n).toString()), ...rearmed];
}

function leastOf(values: readonly Decimal[]): Decimal | null {
  return values.reduce<Decimal | null>(
    (least, value) => (least === null || value.lt(least) ? value : least),
    null,
  );
}
