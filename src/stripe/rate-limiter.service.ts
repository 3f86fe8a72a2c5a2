/*
 * Lets calls to Stripe go at the pace that all replicas keep together. Whoever has to wait too long is
 * told so, and nothing was sent. Holds no state that matters: slots taken and not used are lost.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../platform/config.js';
import { Log } from '../platform/log.js';
import { ALL_CALLS, bucketToRest, gapMs, MAX_WAIT_MS } from './rate-limits.js';
import { RateLimitsStore } from './rate-limits.store.js';

/** Slots are taken in lots, so that a call costs a part of a statement only; never beyond the horizon. */
const LOT = 5;
/** Of some ten slots: long enough for the next lot to be taken in time, short enough to heed a rest. */
const HORIZON_MS = 250;
/**
 * From a quarter of a second to half a minute. What came before is forgotten when calls went well for as
 * long as the rest was, a second at least: one call that arrives too early now and then costs a quarter of a
 * second, and beside somebody who takes most of what Stripe allows we call for as long as we rest.
 */
const REST = { firstMs: 250, maxDoublings: 7, forgetMs: 1_000 };

/** Whether a call may go; if not, when it may be tried again. */
export type Admission =
  { readonly isAdmitted: true } | { readonly isAdmitted: false; readonly retryAfterMs: number };

interface Waiting {
  readonly until: number;
  settle(admission: Promise<Admission>): void;
}

@Injectable()
export class RateLimiterService {
  /** Who waits in this process, by bucket; a bucket is here while somebody serves it. */
  private readonly buckets = new Map<string, Waiting[]>();

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly store: RateLimitsStore,
    private readonly log: Log,
  ) {}

  /** Answers when a call to the endpoint may go, or that it may not for long. Outside any transaction. */
  async admit(endpoint: string): Promise<Admission> {
    const admission = await this.waitFor(endpoint);
    return admission.isAdmitted ? await this.waitFor(ALL_CALLS) : admission;
  }

  /** Heeds a 429: everybody lets the endpoint, or all of Stripe, rest. */
  async heed(endpoint: string, reason: string | undefined): Promise<void> {
    const bucket = bucketToRest(reason, endpoint);
    if (bucket !== null) {
      this.log.event('stripe.rate_limited', { endpoint, reason });
      await this.store.rest(bucket, REST);
    }
  }

  private async waitFor(bucket: string): Promise<Admission> {
    return await new Promise<Admission>((resolve) => {
      const waiting = { until: performance.now() + MAX_WAIT_MS, settle: resolve };
      const queue = this.buckets.get(bucket);
      if (queue === undefined) {
        const fresh = [waiting];
        this.buckets.set(bucket, fresh);
        void this.serve(bucket, fresh);
      } else {
        queue.push(waiting);
      }
    });
  }

  /** Takes lots until nobody waits. Never throws: a fault is the answer of all who wait. */
  private async serve(bucket: string, queue: Waiting[]): Promise<void> {
    try {
      while (queue.length > 0) {
        const waitMs = await this.serveLot(bucket, queue);
        if (waitMs > 0 && queue.length > 0) {
          await sleep(waitMs);
        }
      }
    } catch (error) {
      for (const waiting of queue.splice(0)) {
        waiting.settle(Promise.reject(error instanceof Error ? error : new Error(String(error))));
      }
    } finally {
      // In the same step in which the queue was seen empty, so that nobody is left in it.
      this.buckets.delete(bucket);
    }
  }

  /** Answers how long to wait before asking again, ms. */
  private async serveLot(bucket: string, queue: Waiting[]): Promise<number> {
    const gap = gapMs(bucket, this.config.stripe);
    const count = Math.max(1, Math.min(queue.length, LOT, Math.floor(HORIZON_MS / gap)));
    const { isTaken, waitMs } = await this.store.take(bucket, {
      count,
      gapMs: gap,
      horizonMs: HORIZON_MS,
    });
    if (isTaken) {
      for (const [index, waiting] of queue.splice(0, count).entries()) {
        waiting.settle(admittedAfter(waitMs + index * gap));
      }
      return 0;
    }
    const at = performance.now() + waitMs;
    for (const waiting of queue.filter(({ until }) => until < at)) {
      queue.splice(queue.indexOf(waiting), 1);
      waiting.settle(Promise.resolve({ isAdmitted: false, retryAfterMs: waitMs }));
    }
    return Math.max(1, waitMs - HORIZON_MS / 2);
  }
}

async function admittedAfter(ms: number): Promise<Admission> {
  if (ms >= 1) {
    await sleep(ms);
  }
  return { isAdmitted: true };
}
