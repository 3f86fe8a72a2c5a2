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
import { PushStepsService } from './push-steps.service.js';
import { SyncsStore } from './syncs.store.js';

/** Customers at once in one process: with some 300 ms a call that is what Stripe takes in a second (25). */
const CONCURRENCY = 8;
/** Then the customer is let go, so that others get their turn. */
const MAX_SYNCS_PER_LEASE = 50;

@Injectable()
export class PushService {
  private hasToldOfWaiting = false;

  constructor(
    private readonly store: SyncsStore,
    private readonly leases: LeasesService,
    private readonly steps: PushStepsService,
    private readonly stripe: StripeService,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Pushes what is due of up to eight customers; answers how many there were. */
  async pushOnce(): Promise<number> {
    if (!this.stripe.isConfigured) {
      await this.tellOfWaiting();
      return 0;
    }
    const leases = await this.leases.claim(CONCURRENCY);
    await Promise.all(
      leases.map(async (lease) => {
        await this.pushCustomer(lease);
      }),
    );
    return leases.length;
  }

  /** A fault leaves the lease to run out, which is the wait before anybody tries again. */
  private async pushCustomer(lease: Lease): Promise<void> {
    try {
      for (let count = 0; count < MAX_SYNCS_PER_LEASE; count += 1) {
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
