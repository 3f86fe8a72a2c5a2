/*
 * Pushes what is queued to Stripe: several customers at once, each of them one change after another.
 * Never two changes of one customer at a time over all replicas, and each change exactly once, though
 * the process dies at any instruction.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { Log } from '../../platform/log.js';
import { StripeService } from '../../stripe/stripe.service.js';
import { LeaseLost, LeasesService } from './leases.service.js';
import { type Lease } from './leases.store.js';
import { LinkPushService } from './link-push.service.js';
import { PushStepsService } from './push-steps.service.js';
import { SyncsStore } from './syncs.store.js';

/**
 * Customers at once in one process. An invoice takes three or four calls of some 300 ms and their places
 * in the pace; so many keep one process at what Stripe allows (25 calls a second to an endpoint), with as many
 * again waiting for their places.
 */
const CONCURRENCY = 48;
/** Then the outside is asked whether to go on: less than a minute's work. */
const MAX_CUSTOMERS_PER_RUN = 480;
/** Then the customer is let go, so that others get their turn. */
const MAX_SYNCS_PER_LEASE = 50;

/** One run of all lanes. */
interface Run {
  /** Lanes that wait for a customer. */
  waiting: number;
  /** Customers claimed so far. */
  begun: number;
  /** Of these, those that no lane has taken yet. */
  readonly claimed: Lease[];
  claiming: Promise<void> | null;
  /** There are no more, or enough for one run. */
  isDry: boolean;
}

@Injectable()
export class PushService {
  private hasToldOfWaiting = false;
  private isStopping = false;

  constructor(
    private readonly store: SyncsStore,
    private readonly leases: LeasesService,
    private readonly links: LinkPushService,
    private readonly steps: PushStepsService,
    private readonly stripe: StripeService,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** No customer and no change is begun any longer; changes under way are made to the end. */
  stop(): void {
    this.isStopping = true;
  }

  /** Pushes what is due, many customers at once; answers how many there were. */
  async pushOnce(): Promise<number> {
    if (!this.stripe.isConfigured) {
      await this.tellOfWaiting();
      return 0;
    }
    const run: Run = { waiting: 0, begun: 0, claimed: [], claiming: null, isDry: false };
    const lanes = Array.from({ length: CONCURRENCY }, async () => {
      let lease = await this.nextLease(run);
      while (lease !== null) {
        await this.pushCustomer(lease);
        lease = await this.nextLease(run);
      }
    });
    // Each to its end, so that no lane works on when the next run has begun.
    const ends = await Promise.allSettled(lanes);
    const fault = ends.find((end) => end.status === 'rejected');
    if (fault !== undefined) {
      throw fault.reason;
    }
    return run.begun;
  }

  /** The next customer of the run, null when there is none: whoever comes meanwhile shares the next claim. */
  private async nextLease(run: Run): Promise<Lease | null> {
    run.waiting += 1;
    try {
      while (run.claimed.length === 0 && !run.isDry) {
        run.claiming ??= this.claim(run).finally(() => {
          run.claiming = null;
        });
        await run.claiming;
      }
      return run.claimed.shift() ?? null;
    } finally {
      run.waiting -= 1;
    }
  }

  private async claim(run: Run): Promise<void> {
    const room = this.isStopping ? 0 : MAX_CUSTOMERS_PER_RUN - run.begun;
    const limit = Math.min(run.waiting, room);
    const leases = limit > 0 ? await this.leases.claim(limit) : [];
    run.claimed.push(...leases);
    run.begun += leases.length;
    run.isDry = leases.length < limit || room === limit;
  }

  /** A fault leaves the lease to run out, which is the wait before anybody tries again. */
  private async pushCustomer(lease: Lease): Promise<void> {
    try {
      await this.links.push(lease);
      for (let count = 0; count < MAX_SYNCS_PER_LEASE && !this.isStopping; count += 1) {
        const sync = await this.store.next(lease.customerId, this.clock.now());
        if (sync === null) {
          break;
        }
        await this.steps.push(lease, sync);
      }
      await this.leases.release(lease);
    } catch (error) {
      if (!(error instanceof LeaseLost)) {
        this.log.problem('provider_sync.broken', error, { customer: lease.customerId });
      }
    }
  }

  private async tellOfWaiting(): Promise<void> {
    if (!this.hasToldOfWaiting && (await this.store.hasPending())) {
      this.hasToldOfWaiting = true;
      this.log.problem('provider_sync.waiting', 'STRIPE_SECRET_KEY is not set; invoices wait.');
    }
  }
}
