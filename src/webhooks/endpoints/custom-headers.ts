/* Headers that an endpoint wants besides ours, such as a token of its gateway. Pure. */

export const MAX_HEADERS = 20;
const MAX_VALUE_LENGTH = 1_024;
const MAX_NAME_LENGTH = 100;
/** RFC 9110, 5.6.2. */
const TOKEN = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;
/** RFC 9110, 5.5, without what older servers read differently: no tabs, no bytes beyond ASCII. */
const VALUE = /^[\x21-\x7E](?:[\x20-\x7E]*[\x21-\x7E])?$/;

/**
 * What is no endpoint's to set: headers of one connection (RFC 9110, 7.6.1), those that frame the
 * request, and what the signature stands on, in whatever dialect a receiver reads it.
 */
const DENIED = new Set([
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'host',
  'content-length',
  'content-type',
  'content-encoding',
  'expect',
  'user-agent',
]);
const DENIED_PREFIX = /^(?:proxy-|webhook-|svix-)/;

/** What is wrong with headers, as one sentence; null when nothing is. */
export function findHeaderFault(headers: Readonly<Record<string, unknown>>): string | null {
  const entries = Object.entries(headers);
  if (entries.length > MAX_HEADERS) {
    return `must hold at most ${MAX_HEADERS} headers`;
  }
  const names = entries.map(([name]) => name.toLowerCase());
  if (new Set(names).size < names.length) {
    return 'must hold each header once, in whatever case';
  }
  for (const [index, [given, value]] of entries.entries()) {
    const name = names[index] ?? '';
    if (!TOKEN.test(name) || name.length > MAX_NAME_LENGTH) {
      return `${JSON.stringify(given)} is no name of a header`;
    }
    if (DENIED.has(name) || DENIED_PREFIX.test(name)) {
      return `${JSON.stringify(given)} cannot be set`;
    }
    if (typeof value !== 'string' || value.length > MAX_VALUE_LENGTH || !VALUE.test(value)) {
      return `the value of ${JSON.stringify(given)} must be 1 to ${MAX_VALUE_LENGTH} printable characters of ASCII`;
    }
  }
  return null;
}

/** The headers with their names in lower case, by name. */
export function normalizeHeaders(
  headers: Readonly<Record<string, string>>,
): Record<string, string> {
  const entries = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
  return Object.fromEntries(
    entries.toSorted(([one = ''], [other = '']) => one.localeCompare(other)),
  ) as Record<string, string>;
}
