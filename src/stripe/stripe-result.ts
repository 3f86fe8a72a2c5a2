/*
 * What a call to Stripe came to, and what that allows. The one rule behind it: whoever cannot be sure
 * that nothing was done must look before sending again.
 */

/** Final: Stripe understood and refused. Nothing was done. */
export interface Rejected {
  readonly outcome: 'rejected';
  /** Stripe's code, such as `invoice_not_editable`; null when it gave none. */
  readonly code: string | null;
  /** Stripe's own words. */
  readonly message: string;
}

/** Nothing was done; the same may be sent again later. */
export interface Unavailable {
  readonly outcome: 'unavailable';
  readonly message: string;
  /** Null when Stripe did not say how long to wait. */
  readonly retryAfterMs: number | null;
}

/** It may have been done or not: look first. */
export interface Unknown {
  readonly outcome: 'unknown';
  readonly message: string;
  /** Whether the idempotency key answers this same failure for as long as it is kept. */
  readonly isKeySpent: boolean;
}

export type StripeFailure = Rejected | Unavailable | Unknown;

export type StripeResult<Value> =
  { readonly outcome: 'succeeded'; readonly value: Value } | StripeFailure;

/** What is known of a failed call, whatever library made it. */
export interface StripeFault {
  /** Undefined when no answer of Stripe's API came: a broken connection, a timeout, a page of HTML. */
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly code: string | undefined;
  readonly message: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** Longer than this is not waited on Stripe's word alone. */
const MAX_RETRY_AFTER_MS = 3_600_000;

/**
 * Tells by a fault whether something was done and whether the key may be used again.
 *
 * Sources: docs.stripe.com/error-low-level ("treat 500 as indeterminate"; the first answer of a key is
 * replayed, whatever it was; conflicts and rate limits are not kept), docs.stripe.com/api/errors. A 5xx
 * spends its key only once it is seen replayed: until then the first request may still be at work, and
 * the same key is what keeps a second one from doing it twice.
 */
export function classify(fault: StripeFault): StripeFailure {
  const { status, type, code, message } = fault;
  if (status === undefined) {
    return { outcome: 'unknown', message, isKeySpent: false };
  }
  if (fault.headers['idempotent-replayed'] === 'true') {
    return { outcome: 'unknown', message, isKeySpent: true };
  }
  if (type === 'idempotency_error') {
    // The key was used with other parameters: that request went out, and its answer is unknown here.
    return { outcome: 'unknown', message, isKeySpent: true };
  }
  if (status === 409 || status >= 500) {
    return { outcome: 'unknown', message, isKeySpent: false };
  }
  if (status === 429 || code === 'rate_limit' || code === 'lock_timeout') {
    return { outcome: 'unavailable', message, retryAfterMs: retryAfterMs(fault) };
  }
  if (status === 401 || status === 403) {
    // The operator's key is wrong, not what was asked: it waits until the key is right.
    return { outcome: 'unavailable', message, retryAfterMs: null };
  }
  return { outcome: 'rejected', code: code ?? null, message };
}

function retryAfterMs(fault: StripeFault): number | null {
  const seconds = Number(fault.headers['retry-after'] ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0
    ? Math.min(seconds * 1_000, MAX_RETRY_AFTER_MS)
    : null;
}

/** The result with its value changed, or the failure as it is. */
export function mapResult<From, To>(
  result: StripeResult<From>,
  change: (value: From) => To,
): StripeResult<To> {
  return result.outcome === 'succeeded'
    ? { outcome: 'succeeded', value: change(result.value) }
    : result;
}
