import { type MessageType } from '../webhook-message.js';
import { type EndpointHealth } from './endpoint-health.js';

/**
 * `requested`: by somebody over the API; `gone`: by its own answer 410; `receiver`: by the header
 * `webhook-delivery: disable` of its answer; `failing`: after days of nothing but failures.
 */
export type DisabledReason = 'requested' | 'gone' | 'receiver' | 'failing';

/** Under way to one endpoint at once, by all replicas: a slow receiver cannot take all places. */
export const DEFAULT_MAX_CONCURRENCY = 5;
export const MAX_CONCURRENCY = 100;
export const MAX_RATE_PER_SECOND = 1_000;

/** How an endpoint wants to be sent to. */
export interface DeliveryOptions {
  /** Waits before the second attempt and each after it, in seconds; null: the usual ones. */
  readonly retryWaitsSeconds: readonly number[] | null;
  /** Deliveries under way to it at once. */
  readonly maxConcurrency: number;
  /** Deliveries a second; null: as fast as it answers. */
  readonly maxPerSecond: number | null;
  /** One after the other by sequence; what fails holds up all after it until it succeeds or is given up. */
  readonly isOrdered: boolean;
}

export const DEFAULT_OPTIONS: DeliveryOptions = {
  retryWaitsSeconds: null,
  maxConcurrency: DEFAULT_MAX_CONCURRENCY,
  maxPerSecond: null,
  isOrdered: false,
};

/** Who is told. Its secrets are no part of it: only claims for sending carry those. */
export interface WebhookEndpoint {
  readonly id: string;
  readonly url: string;
  /** Empty: every type. */
  readonly types: readonly MessageType[];
  readonly description: string;
  readonly createdAt: Date;
  /** Null while it is in use. What is pending for a disabled endpoint waits. */
  readonly disabled: { readonly at: Date; readonly reason: DisabledReason } | null;
  /** Since when it was told nothing, once it is in use again and until a replay has brought that. */
  readonly missedFrom: Date | null;
  readonly options: DeliveryOptions;
  /** Headers that every attempt carries besides ours; their values as they are stored. */
  readonly sealedHeaders: Readonly<Record<string, string>>;
  readonly health: EndpointHealth;
  /** Until when attempts carry signatures of the secret before this one, too; null: none was rotated. */
  readonly previousSecretUntil: Date | null;
}

export interface EndpointChanges {
  readonly url?: string;
  readonly types?: readonly MessageType[];
  readonly description?: string;
  readonly isDisabled?: boolean;
  readonly options?: Partial<DeliveryOptions>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What keeps an endpoint that is sent to in order from being sent more. */
export interface OrderBlock {
  /** The delivery that all others wait for. */
  readonly deliveryId: string;
  readonly attemptCount: number;
  readonly nextAttemptAt: Date;
  /** When its message was queued. */
  readonly createdAt: Date;
}
