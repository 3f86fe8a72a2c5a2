import { v7 } from 'uuid';

/** What each kind of identifier starts with; users know the form from Stripe. */
export type IdPrefix =
  | 'key'
  | 'cus'
  | 'mtr'
  | 'plan'
  | 'planv'
  | 'price'
  | 'sub'
  | 'bp'
  | 'li'
  | 'inv'
  | 'psync'
  | 'pcall'
  | 'link'
  | 'we'
  | 'msg'
  | 'dlv'
  | 'att'
  | 'rej'
  | 'cfl'
  | 'src'
  | 'cnt'
  | 'reb'
  | 'chk'
  | 'gap'
  | 'late'
  | 'rec'
  | 'dif'
  | 'ur'
  | 'urr';

/** Crockford's base 32 in lower case: sorts as the bytes do, and has no letters that look alike. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const BITS_PER_CHARACTER = 5n;
const CHARACTERS_PER_UUID = 26;

/**
 * A new identifier: the prefix, `_`, and a UUIDv7 (RFC 9562) in 26 characters, so that identifiers
 * made later sort later.
 */
export function newId(prefix: IdPrefix): string {
  let rest = BigInt(`0x${v7().replaceAll('-', '')}`);
  let text = '';
  for (let index = 0; index < CHARACTERS_PER_UUID; index += 1) {
    text = ALPHABET.charAt(Number(rest & 31n)) + text;
    rest >>= BITS_PER_CHARACTER;
  }
  return `${prefix}_${text}`;
}

/** Whether `text` has the form of an identifier of this kind (it need not exist). */
export function isId(prefix: IdPrefix, text: string): boolean {
  return new RegExp(`^${prefix}_[0-9a-hjkmnp-tv-z]{26}$`).test(text);
}

const ID_FORM = new RegExp(`^[a-z]+_[${ALPHABET}]{${CHARACTERS_PER_UUID}}$`);

/** Whether the text could be an identifier of ours; no caller may name a thing so. */
export function looksLikeId(text: string): boolean {
  return ID_FORM.test(text);
}
