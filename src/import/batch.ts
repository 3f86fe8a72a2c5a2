/* How the lines of a log are cut into requests, and what the requests hold. Pure. */
import { type LogLine } from './log-line.js';
import { type Equals, type Occurrences } from './occurrences.js';

/** A line, and which of its equals in the log it is, from 1. */
export interface Item extends LogLine {
  readonly equals: Equals;
  readonly occurrence: number;
}

/** What is sent in one request. */
export interface Body {
  readonly text: string;
  /** The item of each line; null for a line that is there for the order of its equals only. */
  readonly owners: readonly (Item | null)[];
}

/** Large enough that a request costs little beside its lines, far below the limits of a service. */
export const MAX_BATCH_LINES = 2_000;
export const MAX_BATCH_BYTES = 1_048_576;
/** What a service takes in one request at most. */
export const MAX_BODY_LINES = 10_000;
/** In characters; in bytes it may be three times as much. */
const MAX_BODY_LENGTH = 4_194_304;

/**
 * Cuts lines into batches by their number and size, never by time.
 *
 * @param skipped the number of the last line that is counted, but not sent
 */
export async function* cutBatches(
  lines: AsyncIterable<readonly LogLine[]>,
  occurrences: Occurrences,
  skipped: number,
): AsyncGenerator<Item[]> {
  let batch: Item[] = [];
  let size = 0;
  for await (const some of lines) {
    for (const line of some) {
      const equals = occurrences.count(line.text);
      if (line.number <= skipped) {
        continue;
      }
      if (batch.length >= MAX_BATCH_LINES || size + line.text.length > MAX_BATCH_BYTES) {
        yield batch;
        batch = [];
        size = 0;
      }
      batch.push({ ...line, equals, occurrence: equals.count });
      size += line.text.length;
    }
  }
  if (batch.length > 0) {
    yield batch;
  }
}

/**
 * The requests for these items. A line with equals before it that are not in its request is preceded
 * by as many copies: the service knows them already, and counts this one after them. So its id is the
 * same in whatever request it comes.
 */
export function toBodies(items: readonly Item[]): Body[] {
  const sendable = items.filter(({ refusal }) => refusal === null);
  if (sendable.length === 0) {
    return [];
  }
  const copies = copiesOf(sendable);
  const lineCount = copies.reduce((sum, count) => sum + count + 1, 0);
  const length = sendable.reduce(
    (sum, { text }, index) => sum + ((copies[index] ?? 0) + 1) * (text.length + 1),
    0,
  );
  if ((lineCount > MAX_BODY_LINES || length > MAX_BODY_LENGTH) && sendable.length > 1) {
    return halvesOf(sendable).flatMap(toBodies);
  }
  const text = sendable.map((item, index) => `${item.text}\n`.repeat((copies[index] ?? 0) + 1));
  const owners = sendable.flatMap((item, index) => [
    ...Array.from({ length: copies[index] ?? 0 }, () => null),
    item,
  ]);
  return [{ text: text.join(''), owners }];
}

/** The items in two parts, for requests that are too large. */
export function halvesOf(items: readonly Item[]): (readonly Item[])[] {
  const middle = Math.ceil(items.length / 2);
  return [items.slice(0, middle), items.slice(middle)];
}

/** Whether a line has so many equals before it that no request holds them all. */
export function isBeyondCounting({ text, occurrence, equals }: Item): boolean {
  const isTooMany =
    occurrence > MAX_BODY_LINES ||
    (occurrence > 1 && occurrence * (text.length + 1) > MAX_BODY_LENGTH);
  return isTooMany && equals.isOrderNeeded;
}

/** How many equals of each item have to come before it, besides those among the items. */
function copiesOf(items: readonly Item[]): number[] {
  const seen = new Map<Equals, number>();
  return items.map((item) => {
    const { equals, occurrence } = item;
    const before = seen.get(equals) ?? 0;
    const isCopied = equals.isOrderNeeded && !isBeyondCounting(item);
    const copies = isCopied ? Math.max(occurrence - 1 - before, 0) : 0;
    seen.set(equals, before + copies + 1);
    return copies;
  });
}
