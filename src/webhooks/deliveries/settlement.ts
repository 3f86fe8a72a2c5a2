/*
 * What follows from an attempt: done, again at some time, or given up. Pure: takes the time and the
 * chance as values. Success is 2xx only; redirects are failures (Standard Webhooks 1.0.0, "Delivery").
 */
import { type OutboundResult } from '../../platform/outbound/outbound-http.js';
import { type AttemptResult } from './webhook-delivery.js';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/**
 * The wait before each attempt, the first included: some three days in all, so that a receiver that
 * is down over a weekend loses nothing. Standard Webhooks suggests it but for the minute.
 */
export const SCHEDULE_MS: readonly number[] = [
  0,
  5 * SECOND_MS,
  MINUTE_MS,
  5 * MINUTE_MS,
  30 * MINUTE_MS,
  2 * HOUR_MS,
  5 * HOUR_MS,
  10 * HOUR_MS,
  14 * HOUR_MS,
  20 * HOUR_MS,
  24 * HOUR_MS,
];

/** After as many a delivery has failed; a person may then ask for one more at a time. */
export const MAX_ATTEMPTS = SCHEDULE_MS.length;

/** A receiver may ask for a longer wait than the schedule's, but not for more than this. */
const MAX_RETRY_AFTER_MS = 24 * HOUR_MS;

/** Keeps what failed together from coming back together. */
const JITTER = 0.2;

/** "Gone": the receiver wants nothing more, ever. */
const STATUS_GONE = 410;

export interface JudgedAttempt {
  readonly result: AttemptResult;
  /** Null when the receiver did not ask for a wait. */
  readonly retryAfterMs: number | null;
  /** The receiver wants nothing more: this delivery fails and the endpoint is disabled. */
  readonly isGone: boolean;
}

export type Settlement =
  | { readonly state: 'succeeded' | 'failed'; readonly finishedAt: Date }
  | { readonly state: 'pending'; readonly nextAttemptAt: Date };

/** An attempt whose worker was lost: it may have arrived, so the same message is sent again. */
export const LOST_ATTEMPT: JudgedAttempt = {
  result: {
    outcome: 'unknown',
    durationMs: null,
    status: null,
    error: 'lease_expired',
    detail: 'The worker was lost before it could record what became of the attempt.',
    response: null,
  },
  retryAfterMs: null,
  isGone: false,
};

/**
 * What an attempt was. The status decides: an answer with 2xx whose body was too long, or broke
 * off, is a success, because the receiver has taken the message.
 *
 * @param now for a Retry-After that is a date
 */
export function judge(answer: OutboundResult, durationMs: number, now: Date): JudgedAttempt {
  if (answer.kind === 'failed') {
    const { fault: error, detail } = answer;
    const result = { durationMs, status: null, error, detail: storable(detail), response: null };
    return { result: { outcome: 'failed', ...result }, retryAfterMs: null, isGone: false };
  }
  const { status, cutBy } = answer;
  const isSuccess = status >= 200 && status < 300;
  return {
    result: {
      outcome: isSuccess ? 'succeeded' : 'failed',
      durationMs,
      status,
      error: isSuccess ? cutBy : 'http',
      detail: cutBy === null ? null : `The answer was cut off: ${cutBy}.`,
      response: storable(answer.start),
    },
    retryAfterMs: isSuccess ? null : readRetryAfter(answer.retryAfter, now),
    isGone: status === STATUS_GONE,
  };
}

/** PostgreSQL holds no NUL in text. */
function storable(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\uFFFD');
}

/**
 * The wait that a Retry-After header asks for (RFC 9110, 10.2.3: seconds, or an HTTP date), from 0
 * to 24 hours.
 *
 * @returns null when there is none, or it cannot be read
 */
export function readRetryAfter(header: string | null, now: Date): number | null {
  const text = header?.trim() ?? '';
  const isDate = /^[A-Z][a-z]{2,8},? .* GMT$/.test(text);
  const wait = isDate ? Date.parse(text) - now.getTime() : Number(text) * SECOND_MS;
  if ((!isDate && !/^\d{1,15}$/.test(text)) || Number.isNaN(wait)) {
    return null;
  }
  return Math.min(Math.max(wait, 0), MAX_RETRY_AFTER_MS);
}

/**
 * What becomes of the delivery after this attempt. A lost attempt is repeated at once; a failed one
 * by the schedule, and never before the receiver wants it.
 *
 * @param attemptNumber of the attempt that was made, from 1
 * @param random from 0 to 1
 */
export function settle(
  { result, retryAfterMs, isGone }: JudgedAttempt,
  attemptNumber: number,
  now: Date,
  random: number,
): Settlement {
  if (result.outcome === 'succeeded') {
    return { state: 'succeeded', finishedAt: now };
  }
  const wait = SCHEDULE_MS[attemptNumber];
  if (wait === undefined || isGone) {
    return { state: 'failed', finishedAt: now };
  }
  if (result.outcome === 'unknown') {
    return { state: 'pending', nextAttemptAt: now };
  }
  const jittered = Math.round(wait * (1 - JITTER + 2 * JITTER * random));
  const delay = Math.max(jittered, retryAfterMs ?? 0);
  return { state: 'pending', nextAttemptAt: new Date(now.getTime() + delay) };
}
