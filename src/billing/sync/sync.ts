/*
 * One change that Stripe is asked to make, and the rules of asking exactly once: a key that is a pure
 * function of the row, a look before anything is sent again, and a new key only after the look.
 */
import { backoffMs } from '../../platform/jobs/backoff.js';
import { type StripeFailure } from '../../stripe/stripe-result.js';

export type SyncKind = 'create_invoice' | 'create_item' | 'finalize_invoice';

export type SyncState = 'pending' | 'succeeded' | 'failed' | 'abandoned';

/** Why a sync waits for a person. */
export type SyncFailureCode =
  /** The customer has no id at Stripe. */
  | 'no_stripe_customer'
  /** Stripe refused it. */
  | 'rejected'
  /** The invoice was finalized without it: it is proven not to be on it. */
  | 'invoice_not_editable'
  /** It was taken off before the invoice was finalized: proven likewise. */
  | 'not_on_invoice'
  /** Stripe has it more than once. */
  | 'ambiguous'
  /** Stripe has it with another amount or currency. */
  | 'amount_mismatch'
  /** What is on the draft is not what should be. */
  | 'invoice_mismatch';

export interface Sync {
  readonly id: string;
  readonly customerId: string;
  readonly invoiceId: string;
  /** Null but for create_item. */
  readonly lineItemId: string | null;
  readonly kind: SyncKind;
  readonly position: number;
  readonly generation: number;
  /** The call that carries it with other items, and its idempotency key; null when it goes alone. */
  readonly callId: string | null;
  readonly state: SyncState;
  /** Null until the first call of this generation was about to be made. */
  readonly firstSentAt: Date | null;
  readonly isKeySpent: boolean;
  readonly attemptCount: number;
  readonly nextAttemptAt: Date;
  /** Null but in state failed. */
  readonly failureCode: SyncFailureCode | null;
}

/** Stripe keeps a key for at least 24 hours (docs.stripe.com/api/idempotent_requests); one less for clocks and waits. */
export const KEY_LIFE_MS = 23 * 3_600_000;

/**
 * The idempotency key. The id, because it stands for one change and is never used for another; the
 * generation, because Stripe replays a failure to the same key for ever.
 */
export function idempotencyKey(sync: Pick<Sync, 'id' | 'generation'>): string {
  return `${sync.id}_g${sync.generation}`;
}

/** Whether a call may have been made already, so that Stripe may have it. */
export function mayBeSent(sync: Pick<Sync, 'firstSentAt'>): boolean {
  return sync.firstSentAt !== null;
}

export type NextStep =
  | { readonly step: 'adopt' }
  | { readonly step: 'ask_person' }
  /** `isFresh`: under a key that was never used. */
  | { readonly step: 'send'; readonly generation: number; readonly isFresh: boolean };

/**
 * What to do once it is known how often Stripe has the thing.
 *
 * @param foundCount how many were found; 0 as well when nothing can have been sent yet
 */
export function nextStep(
  sync: Pick<Sync, 'generation' | 'firstSentAt' | 'isKeySpent'>,
  foundCount: number,
  now: Date,
): NextStep {
  if (foundCount > 0) {
    return { step: foundCount === 1 ? 'adopt' : 'ask_person' };
  }
  const { firstSentAt, generation } = sync;
  if (firstSentAt === null) {
    return { step: 'send', generation, isFresh: true };
  }
  return isKeyGood(sync, now)
    ? { step: 'send', generation, isFresh: false }
    : { step: 'send', generation: generation + 1, isFresh: true };
}

/** Whether Stripe still knows the key: under it nothing is done twice. */
export function isKeyGood(sync: Pick<Sync, 'firstSentAt' | 'isKeySpent'>, now: Date): boolean {
  const { firstSentAt, isKeySpent } = sync;
  return firstSentAt !== null && !isKeySpent && now.getTime() - firstSentAt.getTime() < KEY_LIFE_MS;
}

/** When a failed attempt is followed by the next: as Stripe says, else ever later, up to an hour. */
export function retryAt(
  failure: StripeFailure,
  attempts: number,
  { now, random }: { readonly now: Date; readonly random: number },
): Date {
  const asked = failure.outcome === 'unavailable' ? (failure.retryAfterMs ?? 0) : 0;
  return new Date(now.getTime() + Math.max(asked, backoffMs(attempts, random)));
}

/** Failures by which it is proven that Stripe's invoice does not carry the line item and never will. */
export function isProvenAbsent(code: SyncFailureCode | null): boolean {
  return code === 'invoice_not_editable' || code === 'not_on_invoice';
}
