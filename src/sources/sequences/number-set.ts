/*
 * A set of whole numbers, kept as ranges so that its size is that of its holes. Pure; numbers are
 * bigint, since counters may outgrow what a double holds.
 */

/** From `first` up to, but without, `end`. */
export interface NumberRange {
  readonly first: bigint;
  readonly end: bigint;
}

const RANGE = /\[(\d+),(\d+)\)/g;

export class NumberSet {
  private constructor(private readonly list: NumberRange[]) {}

  static empty(): NumberSet {
    return new NumberSet([]);
  }

  /** The set of these numbers, in whatever order and however often they come. */
  static of(numbers: readonly bigint[]): NumberSet {
    const set = NumberSet.empty();
    const sorted = numbers.toSorted((one, other) => compare(one, other));
    for (const number of sorted) {
      set.append(number, number + 1n);
    }
    return set;
  }

  /** Reads the text that PostgreSQL writes for an int8multirange with an end. */
  static parse(text: string): NumberSet {
    const ranges = Array.from(text.matchAll(RANGE), ([, first = '', end = '']) => ({
      first: BigInt(first),
      end: BigInt(end),
    }));
    return new NumberSet(ranges);
  }

  /** As PostgreSQL reads an int8multirange. */
  toText(): string {
    return `{${this.list.map(({ first, end }) => `[${first},${end})`).join(',')}}`;
  }

  get ranges(): readonly NumberRange[] {
    return this.list;
  }

  /** How many numbers. */
  get count(): bigint {
    return this.list.reduce((sum, { first, end }) => sum + (end - first), 0n);
  }

  get isEmpty(): boolean {
    return this.list.length === 0;
  }

  has(number: bigint): boolean {
    return this.find(number) !== null;
  }

  /** Adds a range that begins after, at or within the last one. */
  append(first: bigint, end: bigint): void {
    const last = this.list.at(-1);
    if (last === undefined || last.end < first) {
      this.list.push({ first, end });
    } else if (last.end < end) {
      this.list[this.list.length - 1] = { first: last.first, end };
    }
  }

  /** Takes a number out; answers whether it was there. */
  remove(number: bigint): boolean {
    const position = this.find(number);
    if (position === null) {
      return false;
    }
    const { first = number, end = number } = this.list[position] ?? {};
    const rest = [
      { first, end: number },
      { first: number + 1n, end },
    ].filter((range) => range.first < range.end);
    this.list.splice(position, 1, ...rest);
    return true;
  }

  private find(number: bigint): number | null {
    let low = 0;
    let high = this.list.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const range = this.list[middle];
      if (range === undefined || number < range.first) {
        high = middle;
      } else if (number >= range.end) {
        low = middle + 1;
      } else {
        return middle;
      }
    }
    return null;
  }
}

function compare(one: bigint, other: bigint): number {
  if (one === other) {
    return 0;
  }
  return one < other ? -1 : 1;
}
