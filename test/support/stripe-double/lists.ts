import { noSuch, onlyOneOf } from './errors.js';
import type { List } from './objects.js';
import { integer, type Range, text } from './parameters.js';
import type { Series } from './shelf.js';

/** The parameters of every list. */
export const pagination = {
  limit: integer(1, 100),
  starting_after: text(),
  ending_before: text(),
};

interface Page {
  limit?: number;
  starting_after?: string;
  ending_before?: string;
}

interface Listing<T> {
  /** The name of the object in "No such …". */
  what: string;
  url: string;
  /** All objects that a cursor may name, in the order of the list, whether they pass the filter or not. */
  all: Series<T>;
  matches?: (object: T) => boolean;
}

/** One page. A cursor need not pass the filter, but it must exist. */
export function paginate<T>(page: Page, listing: Listing<T>): List<T> {
  const { all, url, what } = listing;
  const { limit = 10, starting_after: after, ending_before: before } = page;
  if (after !== undefined && before !== undefined) {
    throw onlyOneOf('ending_before', 'starting_after');
  }
  checkCursor(all, after, { what, param: 'starting_after' });
  checkCursor(all, before, { what, param: 'ending_before' });
  // One more than is shown tells whether there are more.
  const found = first(
    limit + 1,
    before === undefined ? all.after(after) : all.before(before),
    listing.matches,
  );
  const shown = found.slice(0, limit);
  const data = before === undefined ? shown : shown.toReversed();
  return { object: 'list', data, has_more: found.length > limit, url };
}

/** A list that is at hand whole, in its own order. */
export function inOrder<T extends { id: string }>(objects: readonly T[]): Series<T> {
  const placeOf = (id: string): number => objects.findIndex((object) => object.id === id);
  return {
    has: (id) => placeOf(id) >= 0,
    after: (id) => (id === undefined ? objects : objects.slice(placeOf(id) + 1)),
    before: (id) => objects.slice(0, placeOf(id)).toReversed(),
  };
}

/** Whether an instant lies in a time filter; an absent instant never does. */
export function inRange(instant: number | null, range: Range | undefined): boolean {
  if (range === undefined) {
    return true;
  }
  return (
    instant !== null &&
    instant > (range.gt ?? -Infinity) &&
    instant >= (range.gte ?? -Infinity) &&
    instant < (range.lt ?? Infinity) &&
    instant <= (range.lte ?? Infinity)
  );
}

function checkCursor(
  all: Series<unknown>,
  id: string | undefined,
  { what, param }: { what: string; param: string },
): void {
  if (id !== undefined && !all.has(id)) {
    throw noSuch(what, id, param);
  }
}

/** The first that match, and no more than are wanted. */
function first<T>(
  count: number,
  objects: Iterable<T>,
  matches: (object: T) => boolean = () => true,
): T[] {
  const found: T[] = [];
  for (const object of objects) {
    if (matches(object) && found.push(object) === count) {
      break;
    }
  }
  return found;
}
