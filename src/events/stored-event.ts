import { type UsageEvent } from './usage-event.js';

/** A usage event as it is kept, with when and in which batch it came. */
export interface StoredEvent extends UsageEvent {
  readonly batchId: bigint;
  readonly receivedAt: Date;
}

/** What decides whether and when a body of an event counts. */
export type EventBody = Pick<UsageEvent, 'type' | 'subject' | 'time'>;

/** A stored event, and what it counts now. */
export interface ListedEvent extends StoredEvent {
  /** Null while it, or what replaced it, counts. */
  readonly voidedAt: Date | null;
  readonly voidReason: string | null;
  /** JSON text of the body that counts in its place: type, subject, time, data, extensions. */
  readonly replacement: string | null;
}
