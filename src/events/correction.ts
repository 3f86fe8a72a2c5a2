import { type UsageEvent } from './usage-event.js';

/** Why an event was corrected, and whose API key asked for it. */
export interface CorrectionNote {
  readonly reason: string;
  readonly by: string;
}

/** A correction as it was recorded. */
export interface RecordedCorrection extends CorrectionNote {
  readonly at: Date;
}

/** What an identity counts now: the body as it was stored, the one put in its place, or none. */
export type Standing =
  | { readonly kind: 'stored'; readonly event: UsageEvent }
  | {
      readonly kind: 'replaced';
      readonly event: UsageEvent;
      readonly correction: RecordedCorrection;
    }
  | {
      readonly kind: 'voided';
      /** What counted last. */
      readonly event: UsageEvent;
      readonly correction: RecordedCorrection;
    };

/** A body that counts from now on (1), or counts no longer (-1). */
export interface SignedEvent {
  readonly sign: 1 | -1;
  readonly event: UsageEvent;
}
