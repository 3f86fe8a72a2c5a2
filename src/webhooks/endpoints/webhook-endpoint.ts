import { type MessageType } from '../webhook-message.js';

/** `requested`: by somebody over the API; `gone`: by its own answer 410. */
export type DisabledReason = 'requested' | 'gone';

/** Who is told. Its secret is not part of it: only claims for sending carry that. */
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
}

export interface EndpointChanges {
  readonly url?: string;
  readonly types?: readonly MessageType[];
  readonly description?: string;
  readonly isDisabled?: boolean;
}
