/*
 * How an endpoint fares, over all its deliveries: when it is left alone for a while (the breaker), when
 * people are warned, and when it is disabled. Pure: takes attempts in the order in which they ended.
 */

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const DAY_MS = 86_400 * SECOND_MS;

/** After as many failures in a row an endpoint is asked by single probes only. Twice what is under way at once. */
export const BREAKER_FAILURES = 10;
/** The wait before the first probe, which doubles up to the longest. */
const FIRST_PROBE_MS = 10 * SECOND_MS;
const LONGEST_PROBE_MS = 10 * MINUTE_MS;
/**
 * 429, 502, 503, 504: it is asked too much (Standard Webhooks 1.0.0, "Delivery"). So long it is left
 * alone, and then asked one at a time until that works, unless it asks for longer itself.
 */
const THROTTLE_MS = SECOND_MS;
const THROTTLING: readonly (number | null)[] = [429, 502, 503, 504];
/** A receiver may have itself left alone no longer: a wait of hours is for the delivery that it refused. */
const LONGEST_THROTTLE_MS = 10 * MINUTE_MS;

/** Nothing but failures for as long, and as many of them, disable an endpoint. */
export const DISABLE_AFTER_MS = 5 * DAY_MS;
export const DISABLE_AFTER_FAILURES = 10;
/** A first failure after so long a silence begins a new count. */
const FORGET_AFTER_MS = DISABLE_AFTER_MS;
/** Of the way to being disabled, when people are warned. */
const WARNINGS = [50, 75, 90] as const;

export interface EndpointHealth {
  /** Null while attempts succeed. */
  readonly failing: {
    /** The first failure after the last success. */
    readonly since: Date;
    readonly lastAt: Date;
    readonly count: number;
    /** The last warning that was given: 0, 50, 75 or 90. */
    readonly warnedPercent: number;
  } | null;
  /** Nothing is sent before it; from it on one at a time, until one succeeds. Null: nothing holds it. */
  readonly heldUntil: Date | null;
}

export const HEALTHY: EndpointHealth = { failing: null, heldUntil: null };

/** What one attempt says of its endpoint. */
export interface HealthSign {
  readonly isSuccess: boolean;
  /** Null when no answer came. */
  readonly status: number | null;
  /** What the receiver asks for; null: nothing. */
  readonly retryAfterMs: number | null;
}

/** What people must be told: that it is failing, disabled for it, or works again after they were told. */
export type HealthNews = 'warning' | 'disable' | 'recovered';

/** How an endpoint fares after an attempt that ended at `now`, and what is to be told of it. */
export function afterAttempt(
  health: EndpointHealth,
  sign: HealthSign,
  now: Date,
): { readonly health: EndpointHealth; readonly news: HealthNews | null } {
  const { failing, heldUntil } = health;
  if (sign.isSuccess) {
    // Calls that were under way when it was held may yet succeed: they do not end the wait.
    const isHeld = heldUntil !== null && heldUntil > now;
    const wasWarned = (failing?.warnedPercent ?? 0) > 0;
    return {
      health: { failing: null, heldUntil: isHeld ? heldUntil : null },
      news: wasWarned ? 'recovered' : null,
    };
  }
  const isForgotten =
    failing === null || now.getTime() - failing.lastAt.getTime() > FORGET_AFTER_MS;
  const since = isForgotten ? now : failing.since;
  const count = isForgotten ? 1 : failing.count + 1;
  const warned = isForgotten ? 0 : failing.warnedPercent;
  const percent = percentToDisabling(now.getTime() - since.getTime(), count);
  const due = WARNINGS.findLast((step) => step <= percent) ?? 0;
  return {
    health: {
      failing: { since, lastAt: now, count, warnedPercent: Math.max(due, warned) },
      heldUntil: later(heldUntil, holdAfter(sign, count, now)),
    },
    news: newsOf(percent >= 100, due > warned),
  };
}

function newsOf(isDisabling: boolean, isWarning: boolean): HealthNews | null {
  if (isDisabling) {
    return 'disable';
  }
  return isWarning ? 'warning' : null;
}

/** Both must be far enough: a day-long failure of one message disables nobody, nor do a hundred in an hour. */
function percentToDisabling(failingMs: number, count: number): number {
  const share = Math.min(failingMs / DISABLE_AFTER_MS, count / DISABLE_AFTER_FAILURES);
  return Math.floor(share * 100);
}

/** Until when nothing is sent after this failure; null when it is no reason to wait. */
function holdAfter(sign: HealthSign, count: number, now: Date): Date | null {
  const waits: number[] = [];
  if (THROTTLING.includes(sign.status)) {
    waits.push(Math.min(Math.max(sign.retryAfterMs ?? 0, THROTTLE_MS), LONGEST_THROTTLE_MS));
  }
  if (count >= BREAKER_FAILURES) {
    const doubled = FIRST_PROBE_MS * 2 ** Math.min(count - BREAKER_FAILURES, 30);
    waits.push(Math.min(doubled, LONGEST_PROBE_MS));
  }
  return waits.length === 0 ? null : new Date(now.getTime() + Math.max(...waits));
}

function later(one: Date | null, other: Date | null): Date | null {
  if (one === null || other === null) {
    return one ?? other;
  }
  return one > other ? one : other;
}
