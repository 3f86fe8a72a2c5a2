import { hash } from 'node:crypto';
import { type UsageEvent } from './usage-event.js';

/** By what an event is known for ever. */
export interface EventKey {
  /** 128 bits of a hash of (source, id), as 32 hexadecimal digits. */
  readonly key: string;
  /** 64 bits of a hash of type, subject and data, as a signed decimal. */
  readonly digest: string;
}

/** An event with its key, ready to be stored. */
export interface KeyedEvent extends EventKey {
  readonly event: UsageEvent;
}

/**
 * The event with its key and digest. Neither has the time in it, since senders often stamp a retry
 * anew, nor the extensions, which a tracing proxy may change: an event is the same when source, id,
 * type, subject and data are. The digest only tells a conflict from a duplicate, so the faster hash
 * serves: SHA-1 in one call is 0.8 µs, SHA-256 1.4 µs, createHash() 3 µs.
 */
export function keyEvent(event: UsageEvent): KeyedEvent {
  // JSON texts hold no NUL, and neither does a source or type: the parts cannot run into each other.
  const key = hash('sha256', `${event.source}\0${event.id}`, 'hex').slice(0, 32);
  const digest = hash('sha1', `${event.type}\0${event.subject}\0${event.data}`, 'buffer');
  return { event, key, digest: digest.readBigInt64BE(0).toString() };
}
