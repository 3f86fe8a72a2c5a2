import { noSuch, onlyOneOf } from './errors.js';
import type { List } from './objects.js';
import { integer, type Range, text } from './parameters.js';

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

interface Listing<T extends { id: string }> {
  /** The name of the object in "No such …". */
  what: string;
  url: string;
  /** All objects in the order of the list, whether they pass the filter or not. */
  all: T[];
  matches?: (object: T) => boolean;
}

/** One page. A cursor need not pass the filter, but it must exist. */
export function paginate<T extends { id: string }>(page: Page, listing: Listing<T>): List<T> {
  const { all, matches = () => true, what } = listing;
  const limit = page.limit ?? 10;
  if (page.starting_after !== undefined && page.ending_before !== undefined) {
    throw onlyOneOf('ending_before', 'starting_after');
  }
  if (page.ending_before !== undefined) {
    const end = indexOfCursor(all, page.ending_before, { what, param: 'ending_before' });
    const newer = all.slice(0, end).filter(matches);
    return toList(listing.url, newer.slice(-limit), newer.length > limit);
  }
  const start =
    page.starting_after === undefined
      ? 0
      : indexOfCursor(all, page.starting_after, { what, param: 'starting_after' }) + 1;
  const older = all.slice(start).filter(matches);
  return toList(listing.url, older.slice(0, limit), older.length > limit);
}

/** Newest first: the order of all lists but an invoice's lines. */
export function newestFirst<T>(map: Map<string, T>): T[] {
  return [...map.values()].toReversed();
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

function indexOfCursor(
  all: { id: string }[],
  id: string,
  { what, param }: { what: string; param: string },
): number {
  const index = all.findIndex((object) => object.id === id);
  if (index < 0) {
    throw noSuch(what, id, param);
  }
  return index;
}

function toList<T>(url: string, data: T[], hasMore: boolean): List<T> {
  return { object: 'list', data, has_more: hasMore, url };
}
