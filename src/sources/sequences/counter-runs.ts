/*
 * What has come of a counter, and what is missing. A counter may begin anew, and what its sender has
 * still under way then comes among the new numbers: so two runs are kept for a while, and a number
 * goes to the one that it fits. Pure; the rules stand in docs/sources.md.
 */
import { NumberSet } from './number-set.js';

/** Numbers that follow on each other, as far as they came. */
export interface Run {
  readonly first: bigint;
  /** When its first number was noted; null when that is not known. */
  readonly beganAt: Date | null;
  /** One more than the highest that came. */
  next: bigint;
  /** What has not come between these, and was not found missing before. */
  missing: NumberSet;
  lastAt: Date;
}

/** What is missing of a run. */
export type FoundMissing = Pick<Run, 'missing' | 'beganAt'>;

/** A number that came. */
export interface Arrival {
  readonly number: bigint;
  /** Whether its record was stored now, and so was never here before. */
  readonly isNew: boolean;
}

/** Nobody loses that many records between two: a counter that jumps further began elsewhere. */
export const MAX_JUMP = 1_000_000_000n;
/** How far numbers come out of order at most: what several requests of a sender hold. */
export const REORDERED = 1_000n;
/** Holes that a run has before they are put into a gap, so that its row stays small. */
const MAX_HOLES = 500;
/** How long what a sender has under way may come after its counter began anew. */
const OVERLAP_MS = 10 * 60_000;

/** One counter while the numbers of a request are taken, under the lock of its row. */
export class CounterRuns {
  /** What no run holds any longer. */
  private readonly left: FoundMissing[] = [];

  /** @param gaps what was found missing before; what comes of it is taken out */
  constructor(
    private main: Run | null,
    private other: Run | null,
    private readonly gaps: readonly NumberSet[],
    private readonly now: Date,
  ) {
    this.dropIdle();
  }

  get runs(): { main: Run | null; other: Run | null } {
    return { main: this.main, other: this.other };
  }

  /** What is missing of runs that are no longer kept. */
  get leftMissing(): readonly FoundMissing[] {
    return this.left.filter(({ missing }) => !missing.isEmpty);
  }

  /** Takes the numbers of a request, in its order. */
  take(arrivals: readonly Arrival[]): void {
    for (const arrival of arrivals) {
      this.takeOne(arrival);
    }
    for (const run of [this.main, this.other]) {
      if (run !== null && run.missing.ranges.length > MAX_HOLES) {
        this.left.push({ missing: run.missing, beganAt: run.beganAt });
        run.missing = NumberSet.empty();
      }
    }
  }

  private takeOne(arrival: Arrival): void {
    const { main, other } = this;
    const { number, isNew } = arrival;
    if (main === null) {
      this.main = this.begin(number);
      return;
    }
    if (this.follows(main, number) || (other !== null && this.fits(other, number))) {
      return;
    }
    if (this.gaps.some((gap) => gap.remove(number))) {
      return;
    }
    // An old record that is sent again says nothing of where the counter is now.
    const isOld = !isNew && other !== null && number < other.next;
    if (number > main.next && !isOld) {
      this.jump(main, arrival);
    } else if (isNew && (number >= main.first || main.first - number > REORDERED)) {
      this.restart(main, number);
    }
  }

  /** Whether the number is the next of the run, or one that is missing of it. */
  private follows(run: Run, number: bigint): boolean {
    const isNext = number === run.next;
    if (isNext) {
      run.next += 1n;
    }
    if (!isNext && !run.missing.remove(number)) {
      return false;
    }
    run.lastAt = this.now;
    return true;
  }

  /** Whether the other run goes on with the number, which is not far from where it was. */
  private fits(run: Run, number: bigint): boolean {
    if (this.follows(run, number)) {
      return true;
    }
    const isNear = number > run.next && number - run.next < REORDERED;
    const isNearer = this.main === null || number < this.main.next || run.next > this.main.next;
    if (!isNear || !isNearer) {
      return false;
    }
    this.advance(run, number);
    return true;
  }

  private jump(run: Run, { number, isNew }: Arrival): void {
    if (number - run.next <= MAX_JUMP) {
      this.advance(run, number);
    } else if (isNew) {
      this.restart(run, number);
    }
  }

  private advance(run: Run, number: bigint): void {
    run.missing.append(run.next, number);
    run.next = number + 1n;
    run.lastAt = this.now;
  }

  private restart(main: Run, number: bigint): void {
    if (this.other !== null) {
      this.left.push(this.other);
    }
    this.other = main;
    this.main = this.begin(number);
  }

  private begin(number: bigint): Run {
    return {
      first: number,
      next: number + 1n,
      missing: NumberSet.empty(),
      beganAt: this.now,
      lastAt: this.now,
    };
  }

  /** Of two runs the one ends that nothing came of for a while. */
  private dropIdle(): void {
    const { main, other } = this;
    if (main === null || other === null) {
      return;
    }
    const [idle, busy] = other.lastAt <= main.lastAt ? [other, main] : [main, other];
    if (this.now.getTime() - idle.lastAt.getTime() > OVERLAP_MS) {
      this.left.push(idle);
      this.main = busy;
      this.other = null;
    }
  }
}

/**
 * The numbers of a request as one set, when their order cannot matter: none comes twice, none falls
 * far behind, none jumps far ahead. Null when it may.
 */
export function plainNumbers(arrivals: readonly Arrival[]): NumberSet | null {
  let highest: bigint | null = null;
  for (const { number } of arrivals) {
    const distance: bigint = highest === null ? 0n : number - highest;
    if (distance > MAX_JUMP || distance < -REORDERED) {
      return null;
    }
    highest = distance >= 0n ? number : highest;
  }
  const set = NumberSet.of(arrivals.map(({ number }) => number));
  return set.count === BigInt(arrivals.length) ? set : null;
}
