/*
 * Which of the equal lines of a log a line is. The service tells equal records without an id apart by
 * their order within a request; here it is their order within the log, so that it does not depend on
 * where requests begin and end.
 */
import { hash } from 'node:crypto';

/** What is known of the lines of one text. */
export interface Equals {
  /** How many there were so far. */
  count: number;
  /** False once the service has shown that no id of it comes from its order: it has one, or makes no event. */
  isOrderNeeded: boolean;
}

/** Some 50 MB at most; equal lines of a log stand close to each other, since their times are equal. */
const MAX_KNOWN = 100_000;

/** Counts equal lines; forgets a text that did not come for at least as many others as it may hold. */
export class Occurrences {
  private recent = new Map<string, Equals>();
  private former = new Map<string, Equals>();

  constructor(private readonly maxKnown = MAX_KNOWN) {}

  /** Counts a line and answers what is known of its equals; its own number is the count now. */
  count(text: string): Equals {
    // A hash, since the texts would take ten times the memory.
    const digest = hash('sha1', text, 'base64');
    let equals = this.recent.get(digest);
    if (equals === undefined) {
      equals = this.former.get(digest) ?? { count: 0, isOrderNeeded: true };
      this.keep(digest, equals);
    }
    equals.count += 1;
    return equals;
  }

  private keep(digest: string, equals: Equals): void {
    if (this.recent.size >= this.maxKnown) {
      this.former = this.recent;
      this.recent = new Map();
    }
    this.recent.set(digest, equals);
  }
}
