import { createHash } from 'node:crypto';
import { type UsageEvent } from './usage-event.js';

/** By what an event is known for ever. */
export interface EventKey {
  /** 128 bits of a hash of (source, id), as 32 hexadecimal digits. */
  readonly key: string;
  /** 64 bits of a hash of type, subject and data, as a signed decimal. */
  readonly digest: string;
}

/**
 * The key and digest of an event. Neither has the time in it, since senders often stamp a retry
 * anew, nor the extensions, which a tracing proxy may change: an event is the same when source, id,
 * type, subject and data are.
 */
export function eventKey(event: UsageEvent): EventKey {
  // JSON texts hold no NUL, and neither does a source or type: the parts cannot run into each other.
  const key = createHash('sha256').update(`${event.source}\0${event.id}`).digest('hex');
  const digest = createHash('sha256')
    .update(`${event.type}\0${event.subject}\0${event.data}`)
    .digest();
  return { key: key.slice(0, 32), digest: digest.readBigInt64BE(0).toString() };
}
