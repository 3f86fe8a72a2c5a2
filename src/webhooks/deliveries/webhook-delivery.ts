/* One message to one endpoint: its states, and the tries that it took. Pure. */
import { type OutboundFault } from '../../platform/outbound/outbound-fault.js';
import { type MessageType } from '../webhook-message.js';

/**
 * From each state to which. `pending` → `failed`: its endpoint was deleted, or a person gave it up; `sending` → `pending`:
 * the attempt failed or its worker died; `failed` → `pending`: a person asked for it.
 */
export const DELIVERY_TRANSITIONS = {
  pending: ['sending', 'failed'],
  sending: ['pending', 'succeeded', 'failed'],
  succeeded: [],
  failed: ['pending'],
} as const satisfies Record<string, readonly string[]>;

export type DeliveryState = keyof typeof DELIVERY_TRANSITIONS;

export const DELIVERY_STATES = Object.keys(DELIVERY_TRANSITIONS) as readonly DeliveryState[];

export interface WebhookDelivery {
  readonly id: string;
  readonly messageId: string;
  readonly endpointId: string;
  readonly type: MessageType;
  readonly state: DeliveryState;
  readonly attemptCount: number;
  /** Null when it is being sent, or nothing more is tried. */
  readonly nextAttemptAt: Date | null;
  readonly createdAt: Date;
  /** Null until it has succeeded or was given up. */
  readonly finishedAt: Date | null;
  /** The replay that queued it; null: it was queued when the message was published. */
  readonly replayId: string | null;
  /** Of one that has failed: the delivery, of a replay, by which its endpoint has the message all the same; else null. */
  readonly recoveredBy: string | null;
}

/** What a worker needs for one attempt; it holds the delivery until the lease ends. */
export interface ClaimedDelivery {
  readonly id: string;
  readonly leaseToken: string;
  readonly leasedUntil: Date;
  readonly messageId: string;
  readonly endpointId: string;
  /** This attempt's, from 1. */
  readonly attemptNumber: number;
  readonly startedAt: Date;
  /** When it was queued: with its message, or by a replay. */
  readonly queuedAt: Date;
  /** Where it was to be sent; null when its worker was lost. */
  readonly url: string | null;
  /** Waits of its endpoint before the second attempt and those after it; null: the usual ones. */
  readonly retryWaitsSeconds: readonly number[] | null;
}

export interface OutgoingDelivery extends ClaimedDelivery {
  readonly body: string;
  readonly url: string;
  /** As they are stored, the one in force first; the one before it while both are signed with. */
  readonly sealedSecrets: readonly string[];
  /** Headers of the endpoint's own, their values as they are stored. */
  readonly sealedHeaders: Readonly<Record<string, string>>;
}

/**
 * `http`: answered, but not with 2xx; `lease_expired`: nobody knows, its worker was lost; `sealed`: not
 * sent, since the key is missing under which the endpoint's secret is stored.
 */
export type AttemptError = OutboundFault | 'http' | 'lease_expired' | 'sealed';

/** What is recorded of one try. */
export interface AttemptResult {
  readonly outcome: 'succeeded' | 'failed' | 'unknown';
  /** Null when nobody saw its end. */
  readonly durationMs: number | null;
  /** Null when no answer came. */
  readonly status: number | null;
  /** Null after a whole answer with 2xx. */
  readonly error: AttemptError | null;
  readonly detail: string | null;
  /** That was talked to; null when it did not come as far. */
  readonly address: string | null;
  /** Of the answer, redacted; null when none came. */
  readonly responseHeaders: Readonly<Record<string, string>> | null;
  /** The first 4 KB of the answer; null when none came. */
  readonly response: string | null;
}

export interface WebhookAttempt extends AttemptResult {
  readonly id: string;
  readonly number: number;
  readonly startedAt: Date;
}

/** Undefined means any. */
export interface DeliveryFilter {
  readonly endpointId: string | undefined;
  readonly messageId: string | undefined;
  readonly state: DeliveryState | undefined;
  readonly replayId?: string | undefined;
  /** Failed ones only: those that were recovered (true), or those that were not (false). */
  readonly isRecovered?: boolean | undefined;
}
