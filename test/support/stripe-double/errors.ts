/** Stripe's error types for v1 requests; `card_error` is the only one a payer can cause. */
type ErrorType = 'api_error' | 'card_error' | 'idempotency_error' | 'invalid_request_error';

export interface ErrorFields {
  type?: ErrorType;
  code?: string | undefined;
  param?: string | undefined;
  decline_code?: string;
  charge?: string;
}

/** A refusal in Stripe's shape: HTTP status, the fields of `error`, and headers to send with it. */
export class StripeError extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly fields: ErrorFields = {},
    readonly headers: Record<string, string> = {},
  ) {
    super(message);
  }

  /** The response body; `seconds` is the time shown in the link to the request log. */
  body(requestId: string, seconds: number): { error: Record<string, unknown> } {
    const { code, type, ...rest } = this.fields;
    return {
      error: {
        ...(code === undefined ? {} : { code, doc_url: docUrl(code) }),
        message: this.message,
        ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)),
        request_log_url: `https://dashboard.stripe.com/test/logs/${requestId}?t=${seconds}`,
        type: type ?? 'invalid_request_error',
      },
    };
  }
}

function docUrl(code: string): string {
  return `https://stripe.com/docs/error-codes/${code.replaceAll('_', '-')}`;
}

/** A 400 of type `invalid_request_error`. */
export function invalid(message: string, fields: ErrorFields = {}): StripeError {
  return new StripeError(400, message, fields);
}

/** "No such …": 404 when the id is in the path, 400 when it is a parameter's value. */
export function noSuch(what: string, id: string, param: string, status = 400): StripeError {
  return new StripeError(status, `No such ${what}: '${id}'`, { code: 'resource_missing', param });
}

export function missingParameter(param: string): StripeError {
  return invalid(`Missing required param: ${param}.`, { code: 'parameter_missing', param });
}

/** Two parameters that exclude each other; Stripe blames the first. */
export function onlyOneOf(...names: string[]): StripeError {
  return invalid(`You may only specify one of these parameters: ${names.join(', ')}.`, {
    param: names[0],
  });
}

/** The refusal of any change to the lines of an invoice that left `draft`. */
export function notEditable(): StripeError {
  return invalid('Invalid invoice: This invoice is no longer editable', {
    code: 'invoice_not_editable',
  });
}

export type RateLimitReason =
  | 'global-rate'
  | 'global-concurrency'
  | 'endpoint-rate'
  | 'endpoint-concurrency'
  | 'resource-specific'
  | 'lock_timeout';

/**
 * A 429. Rate limits name their reason in a header; `lock_timeout` has no such header, another code,
 * and asks the client to retry.
 */
export function tooManyRequests(reason: RateLimitReason): StripeError {
  if (reason === 'lock_timeout') {
    return new StripeError(
      429,
      'This object cannot be accessed right now because another API request or Stripe process is ' +
        'currently accessing it. If you see this error intermittently, retry the request. If you ' +
        'see this error frequently and are making multiple concurrent requests to a single object, ' +
        'make your requests serially or at a lower rate.',
      { code: 'lock_timeout' },
      { 'stripe-should-retry': 'true' },
    );
  }
  return new StripeError(
    429,
    'Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.',
    { code: 'rate_limit' },
    { 'stripe-rate-limited-reason': reason },
  );
}

/** The 500 of Stripe's servers; one that is kept for replay tells clients not to retry it. */
export function serverError({ kept = false } = {}): StripeError {
  return new StripeError(
    500,
    'An unknown error occurred. If this problem persists, contact us via our website at ' +
      'https://support.stripe.com/contact.',
    { type: 'api_error' },
    kept ? { 'stripe-should-retry': 'false' } : {},
  );
}
