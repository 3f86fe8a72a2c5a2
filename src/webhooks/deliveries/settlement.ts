/*
 * What follows from an attempt: done, again at some time, or given up. Pure: takes the time and the
 * chance as values. Success is 2xx only; redirects are failures (Standard Webhooks 1.0.0, "Delivery").
 */
import { type OutboundResult } from '../../platform/outbound/outbound-http.js';
import { redactHeaders, redactText } from './redaction.js';
import { type AttemptResult, type ClaimedDelivery } from './webhook-delivery.js';

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/**
 * The wait before the second attempt and each after it, unless an endpoint has waits of its own: some
 * three days in all, so that a receiver that is down over a weekend loses nothing. Standard Webhooks
 * suggests it but for the minute.
 */
export const USUAL_WAITS_MS: readonly number[] = [
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

/** After as many a delivery has failed, usually; a person may then ask for one more at a time. */
export const MAX_ATTEMPTS = USUAL_WAITS_MS.length + 1;

/** An endpoint may have as many waits of its own, of a day at most. */
export const MAX_WAITS = 30;
export const MAX_WAIT_SECONDS = 86_400;

/** A receiver may ask for a longer wait than the schedule's, but not for more than this. */
const MAX_RETRY_AFTER_MS = 24 * HOUR_MS;

/**
 * As many attempts more a delivery has whose last ones were lost with their workers: whether they were ever
 * sent nobody knows. Bounded, lest a message that kills workers is tried for ever.
 */
export const MAX_LOST_ATTEMPTS = 10;

/** Keeps what failed together from coming back together. */
const JITTER = 0.2;

/** "Gone": the receiver wants nothing more, ever. */
const STATUS_GONE = 410;
/** How a receiver says so in other answers, or that it does not want this message again; Svix reads the same. */
const DIRECTIVE_HEADER = 'webhook-delivery';

export interface JudgedAttempt {
  readonly result: AttemptResult;
  /** Null when the receiver did not ask for a wait. */
  readonly retryAfterMs: number | null;
  /** A failure after which this delivery is not tried again. */
  readonly isFinal: boolean;
  /** Why the endpoint is disabled: the receiver wants nothing more. Null: it is not. */
  readonly disables: 'gone' | 'receiver' | null;
  /** Whether it says anything of the endpoint: not when our own side failed. */
  readonly isTelling: boolean;
}

/** A claim and what was made of it. */
export interface Attempted {
  readonly claim: ClaimedDelivery;
  readonly judged: JudgedAttempt;
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
    address: null,
    responseHeaders: null,
    response: null,
  },
  retryAfterMs: null,
  isFinal: false,
  disables: null,
  isTelling: false,
};

/** An attempt that was not made, since no key opens what the endpoint's requests are signed with. */
export function sealedAttempt(detail: string): JudgedAttempt {
  const result = {
    ...LOST_ATTEMPT.result,
    outcome: 'failed',
    durationMs: 0,
    error: 'sealed',
  } as const;
  return { ...LOST_ATTEMPT, result: { ...result, detail } };
}

/**
 * A failure at a URL that the endpoint has left meanwhile: it says nothing of the endpoint, and is not final for
 * the message, which the new URL has not seen.
 */
export function atFormerUrl(judged: JudgedAttempt): JudgedAttempt {
  return { ...judged, isFinal: false, disables: null, isTelling: false };
}

/**
 * What an attempt was. The status decides: an answer with 2xx whose body was too long, or broke
 * off, is a success, because the receiver has taken the message.
 *
 * @param now for a Retry-After that is a date
 * @param secrets of ours that the receiver may repeat in its answer, and nobody is to read there
 */
export function judge(
  answer: OutboundResult,
  durationMs: number,
  now: Date,
  secrets: readonly string[],
): JudgedAttempt {
  const { address } = answer;
  if (answer.kind === 'failed') {
    const { fault: error, detail } = answer;
    const text = storable(redactText(detail, secrets));
    const rest = { status: null, error, detail: text, address, responseHeaders: null };
    const result = { outcome: 'failed', durationMs, response: null, ...rest } as const;
    const isTelling = error !== 'proxy';
    return { result, retryAfterMs: null, isFinal: false, disables: null, isTelling };
  }
  const { status, cutBy, headers } = answer;
  const isSuccess = status >= 200 && status < 300;
  const directive = headers[DIRECTIVE_HEADER]?.trim().toLowerCase();
  const disables = status === STATUS_GONE ? 'gone' : directiveDisables(directive);
  return {
    result: {
      outcome: isSuccess ? 'succeeded' : 'failed',
      durationMs,
      status,
      error: isSuccess ? cutBy : 'http',
      detail: cutBy === null ? null : `The answer was cut off: ${cutBy}.`,
      address,
      responseHeaders: mapValues(redactHeaders(headers, secrets), storable),
      response: storable(redactText(answer.start, secrets)),
    },
    retryAfterMs: isSuccess ? null : readRetryAfter(headers['retry-after'] ?? null, now),
    isFinal: disables !== null || directive === 'abort-message',
    disables,
    isTelling: true,
  };
}

function directiveDisables(directive: string | undefined): 'receiver' | null {
  return directive === 'disable' ? 'receiver' : null;
}

function mapValues(
  texts: Readonly<Record<string, string>>,
  map: (text: string) => string,
): Record<string, string> {
  return Object.fromEntries(Object.entries(texts).map(([name, text]) => [map(name), map(text)]));
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
 * What becomes of the delivery after this attempt. A lost attempt is repeated at once, also when it was the
 * last of the schedule; a failed one by the schedule, and never before the receiver wants it.
 *
 * @param claim the number of the attempt that was made, from 1, and the waits of its endpoint
 * @param random from 0 to 1
 */
export function settle(
  { result, retryAfterMs, isFinal }: JudgedAttempt,
  claim: Pick<ClaimedDelivery, 'attemptNumber' | 'retryWaitsSeconds'>,
  now: Date,
  random: number,
): Settlement {
  if (result.outcome === 'succeeded') {
    return { state: 'succeeded', finishedAt: now };
  }
  const waits = claim.retryWaitsSeconds?.map((seconds) => seconds * SECOND_MS) ?? USUAL_WAITS_MS;
  const isLost = result.outcome === 'unknown';
  if (isLost && claim.attemptNumber <= waits.length + MAX_LOST_ATTEMPTS) {
    return { state: 'pending', nextAttemptAt: now };
  }
  const wait = waits[claim.attemptNumber - 1];
  if (wait === undefined || isFinal || isLost) {
    return { state: 'failed', finishedAt: now };
  }
  const jittered = Math.round(wait * (1 - JITTER + 2 * JITTER * random));
  const delay = Math.max(jittered, retryAfterMs ?? 0);
  return { state: 'pending', nextAttemptAt: new Date(now.getTime() + delay) };
}
