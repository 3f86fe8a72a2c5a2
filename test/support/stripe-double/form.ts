import { invalid } from './errors.js';

/** A decoded form: Stripe's brackets become nested hashes, a list is a hash with keys 0, 1, 2… */
export type FormValue = string | FormHash;
export interface FormHash {
  [key: string]: FormValue;
}

const NAME = /^([^[\]]+)((?:\[[^[\]]*\])*)$/;
const MAX_DEPTH = 8;

/** Decodes `a[b][0]=x&list[]=y`. A name that is not bracketed properly stays one flat key. */
export function decodeForm(text: string): FormHash {
  const root = emptyHash();
  for (const [name, value] of new URLSearchParams(text)) {
    place(root, keysOf(name), value);
  }
  return root;
}

/** One text for equal parameters in any order: what the idempotency layer compares. */
export function fingerprint(value: FormValue): string {
  if (typeof value === 'string') {
    return JSON.stringify(value);
  }
  const pairs = Object.keys(value)
    .toSorted()
    .map((key) => `${JSON.stringify(key)}:${fingerprint(value[key] ?? '')}`);
  return `{${pairs.join(',')}}`;
}

function emptyHash(): FormHash {
  return Object.create(null) as FormHash;
}

function keysOf(name: string): string[] {
  const match = NAME.exec(name);
  if (match?.[1] === undefined) {
    return [name];
  }
  const inner = (match[2] ?? '').slice(1, -1);
  return match[2] === '' ? [match[1]] : [match[1], ...inner.split('][')];
}

function place(root: FormHash, keys: string[], value: string): void {
  if (keys.length > MAX_DEPTH) {
    throw invalid('Invalid request: the parameters are nested too deeply.');
  }
  let hash = root;
  for (const [depth, rawKey] of keys.entries()) {
    const key = rawKey === '' ? String(Object.keys(hash).length) : rawKey;
    const existing = hash[key];
    if (depth === keys.length - 1) {
      if (typeof existing === 'object') {
        throw expected(keys, 'String');
      }
      hash[key] = value;
      return;
    }
    if (typeof existing === 'string') {
      throw expected(keys, 'Hash');
    }
    const next = existing ?? emptyHash();
    hash[key] = next;
    hash = next;
  }
}

function expected(keys: string[], type: 'Hash' | 'String'): Error {
  const got = type === 'Hash' ? 'String' : 'Hash';
  return invalid(`Invalid parameters: expected ${type} (got ${got}) for param '${keys[0]}'.`);
}
