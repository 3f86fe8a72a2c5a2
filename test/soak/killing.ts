/* When what is killed, and how often. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Kill, type Plant } from './plant.js';
import { type Random } from './random.js';

export interface Killing {
  /** The ways to kill that take turns. */
  readonly kills: readonly Kill[];
  /** Between two kills. */
  readonly longestPeaceMs: number;
  /** Whether there is to be another kill, after so many. */
  readonly goesOn: (kills: number) => boolean;
  readonly report: (line: string) => void;
}

/**
 * Kills in turns of all ways, each turn shuffled, so that a short soak has each of them, too.
 *
 * @param after what is done after each kill, told how many there were
 */
export async function killAll(
  { kills: ways, longestPeaceMs, goesOn, report }: Killing,
  random: Random,
  plant: Plant,
  after: (kills: number) => Promise<void> = async () => {
    await Promise.resolve();
  },
): Promise<void> {
  let turn: Kill[] = [];
  for (let kills = 0; goesOn(kills); kills += 1) {
    await sleep(random.whole(0, longestPeaceMs));
    turn = turn.length > 0 ? turn : shuffled(ways, random);
    const kill = turn.pop()!;
    const recoveryMs = await plant.strike(kill);
    report(`  ${kill}: acknowledged again after ${Math.round(recoveryMs)} ms`);
    await after(kills + 1);
  }
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  return list
    .map((one) => ({ one, order: random.next() }))
    .toSorted((left, right) => left.order - right.order)
    .map(({ one }) => one);
}
