/*
 * Aim: what never came of a counter is missing and nothing else is, in whatever order, however often
 * and in how many requests its numbers come, and when it begins anew.
 * Method: cases of the rules, and a sender that shuffles, repeats, drops and restarts.
 */
import fc from 'fast-check';
import {
  type Arrival,
  CounterRuns,
  MAX_JUMP,
  plainNumbers,
  type Run,
} from '../../../src/sources/sequences/counter-runs.js';
import { NumberSet } from '../../../src/sources/sequences/number-set.js';

const AT = new Date('2026-11-01T00:00:00Z');
const MINUTE_MS = 60_000;

const fresh = (...numbers: number[]): Arrival[] =>
  numbers.map((number) => ({ number: BigInt(number), isNew: true }));
const repeated = (...numbers: number[]): Arrival[] =>
  numbers.map((number) => ({ number: BigInt(number), isNew: false }));
const series = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);

/** A counter over several requests. */
class Counter {
  main: Run | null = null;
  other: Run | null = null;
  gaps: NumberSet[] = [];
  now = AT;

  take(arrivals: Arrival[]): this {
    const runs = new CounterRuns(this.main, this.other, this.gaps, this.now);
    runs.take(arrivals);
    ({ main: this.main, other: this.other } = runs.runs);
    this.gaps.push(...runs.leftMissing.map(({ missing }) => missing));
    return this;
  }

  /** As the worker does. */
  find(): this {
    for (const run of [this.main, this.other]) {
      if (run !== null && !run.missing.isEmpty) {
        this.gaps.push(run.missing);
        run.missing = NumberSet.empty();
      }
    }
    return this;
  }

  get missing(): number[] {
    return [...this.gaps, this.main?.missing, this.other?.missing]
      .flatMap((set) => set?.ranges ?? [])
      .flatMap(({ first, end }) => series(Number(first), Number(end) - 1))
      .toSorted((one, other) => one - other);
  }
}

describe('a counter', () => {
  it('misses what is between what came', () => {
    const counter = new Counter().take(fresh(5, 6, 9)).take(fresh(12));
    expect(counter.missing).toEqual([7, 8, 10, 11]);
    expect(counter.take(fresh(8)).find().take(fresh(7)).missing).toEqual([10, 11]);
    expect(counter.take(repeated(10, 11)).missing).toEqual([]);
  });

  it('misses nothing before the first number that came, though others of its request come late', () => {
    const counter = new Counter().take(fresh(...series(101, 200))).take(fresh(...series(1, 100)));
    expect(counter.take(fresh(201)).missing).toEqual([]);
    expect(counter.other).toBeNull();
  });

  it('goes on when records are sent again', () => {
    const counter = new Counter()
      .take(fresh(1, 2, 3))
      .take(repeated(1, 2, 3))
      .take(fresh(4));
    expect(counter).toMatchObject({ missing: [], other: null, main: { next: 5n } });
  });

  it('begins anew when a new record has a number that came before', () => {
    const counter = new Counter().take(fresh(...series(1, 5000))).take(fresh(1, 2, 4));
    expect(counter.missing).toEqual([3]);
    expect(counter.main).toMatchObject({ first: 1n, next: 5n });
  });

  it('begins anew at a number far below the first that came', () => {
    const counter = new Counter().take(fresh(...series(5000, 5010))).take(fresh(1, 2));
    expect(counter).toMatchObject({ missing: [], main: { first: 1n, next: 3n } });
  });

  it('takes what was under way when it began anew for what it is', () => {
    const counter = new Counter().take(fresh(...series(1, 5000))).take(fresh(1, 2));
    counter.take(fresh(5001, 5003)).take(fresh(3)).take(fresh(5002)).take(repeated(4000, 4001));
    expect(counter).toMatchObject({ missing: [], main: { next: 4n }, other: { next: 5004n } });
    counter.now = new Date(AT.getTime() + 11 * MINUTE_MS);
    expect(counter.take(fresh(4, 6))).toMatchObject({ missing: [5], other: null });
  });

  it('still misses what it missed before it began anew, and takes it late', () => {
    const old = [...series(1, 2998), ...series(3001, 5000)];
    const counter = new Counter().take(fresh(...old)).take(fresh(1, 2));
    expect(counter.missing).toEqual([2999, 3000]);
    expect(counter.take(fresh(3000, 3)).find().missing).toEqual([2999]);
    expect(counter.take(fresh(2999)).missing).toEqual([]);
    expect(counter.main).toMatchObject({ next: 4n });
  });

  it('goes on after one number that was wrong', () => {
    const counter = new Counter().take(fresh(...series(1, 5000))).take(fresh(7));
    counter.take(fresh(5001, 5002));
    counter.now = new Date(AT.getTime() + 9 * MINUTE_MS);
    counter.take(fresh(5003));
    counter.now = new Date(AT.getTime() + 18 * MINUTE_MS);
    expect(counter.take(fresh(5004, 5006))).toMatchObject({ missing: [5005], other: null });
  });

  it('keeps apart two senders that share a name', () => {
    const counter = new Counter();
    for (const number of series(1, 50)) {
      counter.take(fresh(number)).take(fresh(number + 100_000));
    }
    expect(counter.gaps).toEqual([]);
    expect(counter.missing.length).toBeLessThan(100_001);
  });

  it('began elsewhere when it jumps further than anybody loses', () => {
    const counter = new Counter().take(fresh(1));
    const far = { number: MAX_JUMP * 3n, isNew: true };
    expect(counter.take([far])).toMatchObject({ missing: [], main: { first: far.number } });
  });

  it('misses what was dropped, and nothing else, whatever the order and the retries', () => {
    const sender = fc.record({
      first: fc.nat(1_000_000),
      count: fc.integer({ min: 2, max: 200 }),
      isDropped: fc.func(fc.boolean()),
      order: fc.func(fc.nat(40)),
      isRepeated: fc.func(fc.boolean()),
      size: fc.integer({ min: 1, max: 20 }),
      isFound: fc.func(fc.boolean()),
    });
    fc.assert(
      fc.property(sender, ({ first, count, isDropped, order, isRepeated, size, isFound }) => {
        const all = series(first, first + count - 1);
        const inner = all.slice(1, -1);
        const dropped = inner.filter((number) => isDropped(number));
        const came = all.filter((number) => !dropped.includes(number));
        const shuffled = came
          .flatMap((number) => {
            const at = number === first ? 0 : number + order(number);
            const again = { at: at + 5, number, isNew: false };
            return [{ at, number, isNew: true }, ...(isRepeated(number) ? [again] : [])];
          })
          .toSorted((one, other) => one.at - other.at);
        const counter = new Counter();
        for (let start = 0; start < shuffled.length; start += size) {
          const request = shuffled.slice(start, start + size);
          counter.take(request.map(({ number, isNew }) => ({ number: BigInt(number), isNew })));
          if (isFound(start)) {
            counter.find();
          }
        }
        expect(counter.missing).toEqual(dropped);
        expect(counter.other).toBeNull();
      }),
    );
  });
});

describe('the numbers of a request', () => {
  it.each<[string, Arrival[], string | null]>([
    ['in order', fresh(1, 2, 3), '{[1,4)}'],
    ['with holes, out of order', fresh(7, 5, 6, 1), '{[1,2),[5,8)}'],
    ['twice', fresh(1, 1), null],
    ['falling far behind', fresh(5000, 1), null],
    ['jumping far ahead', [...fresh(1), { number: MAX_JUMP + 2n, isNew: true }], null],
  ])('%s', (_, arrivals, text) => {
    expect(plainNumbers(arrivals)?.toText() ?? null).toBe(text);
  });
});

describe('a set of numbers', () => {
  it('is what PostgreSQL reads and writes, beyond what a double holds', () => {
    const set = NumberSet.of([9_007_199_254_740_993n, 9_007_199_254_740_992n, 3n]);
    expect(set.toText()).toBe('{[3,4),[9007199254740992,9007199254740994)}');
    expect(NumberSet.parse(set.toText())).toEqual(set);
    expect([set.count, set.has(9_007_199_254_740_993n), set.has(4n)]).toEqual([3n, true, false]);
    expect(set.remove(9_007_199_254_740_992n)).toBe(true);
    expect(set.toText()).toBe('{[3,4),[9007199254740993,9007199254740994)}');
  });
});
