/* Which number a record has, and whose counter it is of. Pure. */
import { isAttribute } from '../../events/usage-event.js';
import { type Path, textAt } from '../record.js';

/** Where the number of a record is, and what owns the counter that it is of. */
export interface CompiledSequence {
  readonly path: Path;
  /** Joined: all must be there. None when the source has one counter. */
  readonly of: readonly Path[];
}

/** A number of a record, and the owner of its counter: '' when the source has one counter. */
export interface SequenceNumber {
  readonly counter: string;
  readonly number: bigint;
}

const NUMBER = /^\d{1,19}$/;
/** What a bigint of PostgreSQL holds, with room for what is added to it. */
export const MAX_NUMBER = 8_999_999_999_999_999_999n;

/**
 * The number of a record; null when it has none, or one that is no whole number from 0 to
 * 8999999999999999999, or it says not whose it is.
 */
export function readSequence(record: unknown, sequence: CompiledSequence): SequenceNumber | null {
  const text = textAt(record, sequence.path);
  const owners = sequence.of.map((path) => textAt(record, path));
  const [only] = owners;
  const counter = owners.length === 1 && only !== undefined ? only : joinTexts(owners);
  if (text === null || !NUMBER.test(text) || counter === null) {
    return null;
  }
  const number = BigInt(text);
  const isOwner = counter === '' || isAttribute(counter);
  return number <= MAX_NUMBER && isOwner ? { counter, number } : null;
}

const NUMBER_LENGTH = 19;

/** The text by which an event with this number is found: those of a counter are in the order of their numbers. */
export function keyOf({ counter, number }: SequenceNumber): string {
  return `${counter} ${number.toString().padStart(NUMBER_LENGTH, '0')}`;
}

/** The number in such a text. */
export function numberOfKey(key: string): bigint {
  return BigInt(key.slice(-NUMBER_LENGTH));
}

/** One text of several, parted by what no part holds, so that no two lists make the same; null when one is missing. */
export function joinTexts(parts: readonly (string | null)[]): string | null {
  return parts.includes(null)
    ? null
    : parts.map((part) => part?.replaceAll('%', '%25').replaceAll(' ', '%20')).join(' ');
}
