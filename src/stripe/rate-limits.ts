/*
 * How fast Stripe may be called. Stripe limits each endpoint and the account as a whole
 * (docs.stripe.com/rate-limits): 25 calls a second to an endpoint; 100 in all with a live key, 25 with
 * one of a sandbox. Pure.
 */
import { type Config } from '../platform/config.js';

/** The bucket of all calls together. */
export const ALL_CALLS = 'all';

/** How long a call waits for its endpoint, and as long again among all calls; then it is not made. */
export const MAX_WAIT_MS = 5_000;
const LIVE_PER_SECOND = 100;
const SANDBOX_PER_SECOND = 25;
/**
 * Of each limit this share is used: calls leave evenly spaced, but do not arrive so, and 25 gaps of
 * exactly 40 ms would let a 26th into a second whenever one was quicker than the one before.
 */
const SHARE = 0.96;
const SECOND_MS = 1_000;

/** A part of a path that names one object: unlike words such as `add_lines`, ids have capitals or digits. */
const OBJECT_ID = /^[a-z]+_\w*[A-Z\d]\w*$/;

/**
 * The endpoint that a request goes to, by which Stripe counts it: its method and path, with `:id` in
 * the place of ids and without its query.
 */
export function endpointOf(method: string, path: string): string {
  const [bare = ''] = path.split('?', 1);
  const parts = bare.split('/').map((part) => (OBJECT_ID.test(part) ? ':id' : part));
  return `${method} ${parts.join('/')}`;
}

/** The time between two calls of a bucket, ms. */
export function gapMs(
  bucket: string,
  { secretKey, callsPerSecond, endpointCallsPerSecond }: Config['stripe'],
): number {
  const isLive = /^[rs]k_live_/.test(secretKey ?? '');
  const inAll = callsPerSecond ?? (isLive ? LIVE_PER_SECOND : SANDBOX_PER_SECOND);
  return SECOND_MS / (SHARE * (bucket === ALL_CALLS ? inAll : endpointCallsPerSecond));
}

/**
 * Which bucket has to rest after a 429 of this reason (header Stripe-Rate-Limited-Reason); null when
 * it says nothing of how fast we call: one object is busy, or somebody else holds its lock.
 */
export function bucketToRest(reason: string | undefined, endpoint: string): string | null {
  if (reason === 'global-rate' || reason === 'global-concurrency') {
    return ALL_CALLS;
  }
  return reason === 'endpoint-rate' || reason === 'endpoint-concurrency' ? endpoint : null;
}
