import { hash } from 'node:crypto';
import { type UsageEvent } from './usage-event.js';

/** What a sender knows an event by. */
export interface EventIdentity {
  readonly source: string;
  readonly id: string;
}

/** By what an event is known for ever. */
export interface EventKey {
  /** 128 bits of a hash of (source, id), as 32 hexadecimal digits. */
  readonly key: string;
  /** 56 bits of a hash of type, subject and data, as decimal digits of a positive bigint. */
  readonly digest: string;
}

/** An event with its key, ready to be stored. */
export interface KeyedEvent extends EventKey {
  readonly event: UsageEvent;
}

/**
 * The key and digest of an event. Neither has the time in it, since senders often stamp a retry
 * anew, nor the extensions, which a tracing proxy may change: an event is the same when source, id,
 * type, subject and data are. The digest only tells a conflict from a duplicate, so a fast hash
 * serves. Both are asked for as text: buffers, or hash objects, cost three times as much here.
 */
export function keyEvent(event: UsageEvent): EventKey {
  // JSON texts hold no NUL, and neither does a source or type: the parts cannot run into each other.
  const key = identityKey(event);
  const digest = hash('sha1', `${event.type}\0${event.subject}\0${event.data}`, 'hex');
  return { key, digest: toDigits(digest) };
}

/** The key alone, of an event of which only source and id are known. */
export function identityKey(identity: EventIdentity): string {
  return hash('sha256', `${identity.source}\0${identity.id}`, 'hex').slice(0, 32);
}

/** By parts of 28 bits, since those are small integers: a number of 56 bits takes thrice as long to print. */
function toDigits(hex: string): string {
  const first = Number.parseInt(hex.slice(0, 7), 16) + 1;
  const second = Number.parseInt(hex.slice(7, 14), 16) + 1_000_000_000;
  return `${first}${second}`;
}
