import { conflict, type DomainError } from '../kernel/errors.js';
import { type EventIdentity } from './event-key.js';
import { type UsageEvent } from './usage-event.js';

/** What cannot be counted waits for a person, who repairs or dismisses it, once. */
export const REPAIR_STATES = ['open', 'repaired', 'dismissed'] as const;

export type RepairState = (typeof REPAIR_STATES)[number];

/** What became of something that was put aside, by whose API key. */
export type Settlement =
  | { readonly state: 'open' }
  | {
      readonly state: 'repaired' | 'dismissed';
      readonly at: Date;
      readonly by: string;
      /** Null where nobody had to give one. */
      readonly reason: string | null;
    };

/** A later body under an identity that is taken. */
export interface ConflictingEvent {
  readonly id: string;
  readonly event: UsageEvent;
  readonly receivedAt: Date;
  readonly settlement: Settlement;
}

/** What is stored under an identity. */
export interface CurrentBody {
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly data: string;
  readonly extensions: string | null;
  /** Null while it counts. */
  readonly voidedAt: Date | null;
}

/** A conflict beside what is stored, for whoever has to choose. */
export interface ShownConflict extends ConflictingEvent {
  /** Null when the events of its month were dropped. */
  readonly stored: CurrentBody | null;
}

/** An event that was refused, as it was sent. */
export interface RejectedEvent {
  readonly id: string;
  readonly source: string | null;
  readonly eventId: string | null;
  readonly code: string;
  readonly detail: string;
  readonly payload: string;
  readonly receivedAt: Date;
  readonly settlement: Settlement;
  /** The event that it became when it was repaired. */
  readonly became: EventIdentity | null;
}

/** How many were put aside, of one source, for one reason, and what became of them. */
export interface PutAsideCount {
  readonly source: string | null;
  readonly reason: string;
  readonly state: RepairState;
  readonly count: number;
}

/** The refusal to settle what is settled otherwise. */
export function settledOtherwise(what: string, id: string, state: RepairState): DomainError {
  return conflict('already_settled', `The ${what} '${id}' is ${state} already.`);
}
