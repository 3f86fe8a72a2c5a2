/*
 * Works off the streams that are due: customers side by side, each of them one step after another under the
 * lease by which invoices are pushed as well. So Stripe is called for one meter of a customer once at a time,
 * as it asks (docs.stripe.com/rate-limits), over all replicas.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { newId } from '../../kernel/ids.js';
import { Log } from '../../platform/log.js';
import { StripeService } from '../../stripe/stripe.service.js';
import { LeaseLost, LeasesService } from '../sync/leases.service.js';
import { MAX_AGE_MS } from './meter-event.js';
import { StreamStepsService } from './stream-steps.service.js';
import { StreamsStore } from './streams.store.js';

/** With calls of some 300 ms, what one endpoint takes at Stripe's limit. */
const CONCURRENCY = 8;
/** Less than a minute's work; then the outside is asked whether to go on. */
const MAX_CUSTOMERS_PER_RUN = 200;
/** Then the customer is let go, so that invoices get their turn. */
const MAX_STEPS_PER_LEASE = 50;
/** Streams made at once. */
const MAX_NEW_STREAMS = 1_000;

@Injectable()
export class StreamRunsService {
  constructor(
    private readonly streams: StreamsStore,
    private readonly steps: StreamStepsService,
    private readonly leases: LeasesService,
    private readonly stripe: StripeService,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Makes the streams of periods that have begun, and works off what is due; answers how many customers had some. */
  async runOnce(): Promise<number> {
    if (!this.stripe.isConfigured) {
      return 0;
    }
    await this.makeStreams();
    const customers = await this.streams.listDueCustomers(this.clock.now(), MAX_CUSTOMERS_PER_RUN);
    let done = 0;
    const lanes = Array.from({ length: CONCURRENCY }, async () => {
      for (let next = customers.shift(); next !== undefined; next = customers.shift()) {
        done += (await this.runCustomer(next)) ? 1 : 0;
      }
    });
    await Promise.all(lanes);
    return done;
  }

  private async makeStreams(): Promise<void> {
    const now = this.clock.now();
    const since = new Date(now.getTime() - MAX_AGE_MS);
    for (const stream of await this.streams.listMissing(now, since, MAX_NEW_STREAMS)) {
      await this.streams.insert(newId('mes'), stream, now);
    }
  }

  /** Whether it was this process's turn. A fault leaves the lease to run out, which is the wait before the next try. */
  private async runCustomer(customerId: string): Promise<boolean> {
    const lease = await this.leases.claimFor(customerId);
    if (lease === null) {
      return false;
    }
    try {
      for (let count = 0; count < MAX_STEPS_PER_LEASE; count += 1) {
        const stream = await this.streams.next(customerId, this.clock.now());
        if (stream === null) {
          break;
        }
        await this.steps.step(lease, stream);
      }
      await this.leases.release(lease);
    } catch (error) {
      if (!(error instanceof LeaseLost)) {
        this.log.problem('meter_events.broken', error, { customer: customerId });
      }
    }
    return true;
  }
}
