/* Which levels fire, and which are taken back, for what is measured now: pure. */
import { ceilingQuotient, type Decimal, decimal } from '../../kernel/decimal.js';
import { type Crossing, type Levels } from './threshold.js';

const PERCENT = decimal('0.01');

/**
 * Steps of "every" that fire at once. More of them in one go would be as many messages of one event; the
 * last ones fire then, and those before them never do.
 */
export const MAX_STEPS = 100n;

/** What is known of a level that fired: its last crossing. */
export type Fired = Pick<Crossing, 'id' | 'level' | 'bound' | 'armed' | 'state' | 'rearmedAt'>;

/** A level that is reached and has not fired since it was armed. */
export interface Reached {
  readonly level: Decimal;
  /** The quantity or amount that it stands for. */
  readonly bound: Decimal;
  readonly armed: number;
}

export interface Judgement {
  /** In rising order. */
  readonly reached: readonly Reached[];
  readonly retracted: readonly Fired[];
}

/**
 * Judges one value. A level is reached by being equal to it; it fires once, until somebody arms it again,
 * also when it was retracted since. Of "every", only what is above the highest that fired is new: what a
 * correction takes away and later usage brings back fires nothing.
 *
 * @param included what the price has included, for percentages; null or 0: no level is ever reached
 * @param fired the last crossing of each level, in any order
 */
export function judge(
  levels: Levels,
  value: Decimal,
  { included, fired }: { readonly included: Decimal | null; readonly fired: readonly Fired[] },
): Judgement {
  const retracted = fired.filter(
    ({ state, rearmedAt, bound }) => state === 'crossed' && rearmedAt === null && value.lt(bound),
  );
  const candidates =
    levels.kind === 'every'
      ? stepsUpTo(value, levels.step, fired)
      : boundsOf(levels, included).filter(({ bound }) => value.gte(bound));
  const reached = candidates.flatMap(({ level, bound }) => {
    const last = fired.find((one) => one.level.eq(level));
    if (last === undefined) {
      return [{ level, bound, armed: 1 }];
    }
    return last.rearmedAt === null ? [] : [{ level, bound, armed: last.armed + 1 }];
  });
  return { reached: reached.toSorted((one, other) => one.bound.cmp(other.bound)), retracted };
}

type Level = Omit<Reached, 'armed'>;

/** What levels stand for, which are not steps; none where nothing is included. */
export function boundsOf(
  levels: Exclude<Levels, { kind: 'every' }>,
  included: Decimal | null,
): Level[] {
  if (levels.kind === 'absolute') {
    return levels.levels.map((level) => ({ level, bound: level }));
  }
  return included === null || included.lte('0')
    ? []
    : levels.levels.map((level) => ({ level, bound: included.times(level).times(PERCENT) }));
}

/** The multiples of a step that a value has reached and that are new, and those that were armed again. */
function stepsUpTo(value: Decimal, step: Decimal, fired: readonly Fired[]): Level[] {
  const last = floorQuotient(value, step);
  const done = fired
    .filter(({ rearmedAt }) => rearmedAt === null)
    .map(({ level }) => floorQuotient(level, step))
    .reduce((most, number) => (number > most ? number : most), 0n);
  const oldest = last - MAX_STEPS > done ? last - MAX_STEPS : done;
  const rearmed = fired
    .filter(({ rearmedAt, level }) => rearmedAt !== null && value.gte(level))
    .map(({ level }) => floorQuotient(level, step))
    .filter((number) => number <= oldest);
  const fresh = Array.from(
    { length: Number(last > oldest ? last - oldest : 0n) },
    (_, index) => oldest + BigInt(index) + 1n,
  );
  return [...new Set([...rearmed, ...fresh])].map((number) => {
    const bound = step.times(number.toString());
    return { level: bound, bound };
  });
}

/** How often the divisor, which is above zero, goes into the dividend as a whole. */
export function floorQuotient(dividend: Decimal, divisor: Decimal): bigint {
  return -ceilingQuotient(dividend.times('-1'), divisor);
}
