import { invalid } from './errors.js';
import type { FormValue } from './form.js';
import type { Field } from './parameters.js';

export type Metadata = Record<string, string>;

const MAX_KEYS = 50;
const MAX_KEY_LENGTH = 40;
const MAX_VALUE_LENGTH = 500;

/**
 * Metadata as sent: `null` clears all, an empty value removes its key.
 * Limits: https://docs.stripe.com/metadata.
 */
export function metadata(): Field<Metadata | null> {
  return {
    parse(value, name) {
      if (value === '') {
        return null;
      }
      if (typeof value === 'string') {
        throw invalid('Invalid object', { param: name });
      }
      const entries = Object.entries(value).map(
        ([key, entry]) => [key, checkedEntry(key, entry, name)] as const,
      );
      checkCount(entries.filter(([, entry]) => entry !== '').length, name);
      return Object.fromEntries(entries);
    },
  };
}

/** The metadata of an object after a request that sent `patch`. */
export function mergeMetadata(existing: Metadata, patch: Metadata | null | undefined): Metadata {
  if (patch === undefined) {
    return existing;
  }
  const merged = { ...(patch === null ? {} : existing), ...patch };
  const kept = Object.entries(merged).filter(([, value]) => value !== '');
  checkCount(kept.length, 'metadata');
  return Object.fromEntries(kept);
}

function checkedEntry(key: string, value: FormValue, name: string): string {
  const keyLength = [...key].length;
  if (keyLength > MAX_KEY_LENGTH) {
    throw invalid(
      `Metadata keys can have up to ${MAX_KEY_LENGTH} characters, but you passed in a key that is ` +
        `${keyLength} characters. Invalid key: ${key}`,
      { param: name },
    );
  }
  if (typeof value !== 'string') {
    throw invalid(`Invalid string: ${JSON.stringify(value)}`, { param: `${name}[${key}]` });
  }
  const length = [...value].length;
  if (length > MAX_VALUE_LENGTH) {
    throw invalid(
      `Metadata values can have up to ${MAX_VALUE_LENGTH} characters, but you passed in a value ` +
        `that is ${length} characters. Invalid value: ${value}`,
      { param: `${name}[${key}]` },
    );
  }
  return value;
}

function checkCount(count: number, param: string): void {
  if (count > MAX_KEYS) {
    throw invalid(
      `Metadata can have up to ${MAX_KEYS} keys, but this object would have ${count}.`,
      {
        param,
      },
    );
  }
}
