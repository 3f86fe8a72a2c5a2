/*
 * Who may change a customer at Stripe now: one process over all replicas. The lease outlives any call,
 * and is renewed before each; whoever lost it neither calls nor writes.
 */
import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { CONFIG, type Config } from '../../platform/config.js';
import { Database } from '../../platform/database/database.js';
import { MAX_WAIT_MS } from '../../stripe/rate-limits.js';
import { type Lease, LeasesStore } from './leases.store.js';

/**
 * Beyond the longest call, which is two timeouts: the library sends again when a connection was closed on
 * it. Each of the two waits for its place twice at most, for its endpoint and among all calls.
 */
const SLACK_MS = 4 * MAX_WAIT_MS + 10_000;

/** The lease is somebody else's by now, or has run out. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

@Injectable()
export class LeasesService {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly store: LeasesStore,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** Leases at most `limit` customers who have something due. */
  async claim(limit: number): Promise<Lease[]> {
    const now = this.clock.now();
    return await this.store.claim(limit, now, this.until(now));
  }

  /** Leases one customer, for changes that are not queued; null while somebody else has them. */
  async claimFor(customerId: string): Promise<Lease | null> {
    const now = this.clock.now();
    return await this.store.claimFor(customerId, now, this.until(now));
  }

  /** Holds on for another call; throws LeaseLost. */
  async renew(lease: Lease): Promise<void> {
    const now = this.clock.now();
    if (!(await this.store.renew(lease, now, this.until(now)))) {
      throw new LeaseLost();
    }
  }

  /** Runs the steps in a transaction in which nobody else can take the lease over; throws LeaseLost. */
  async holding<Result>(lease: Lease, run: () => Promise<Result>): Promise<Result> {
    return await this.database.transaction(async () => {
      if (!(await this.store.lock(lease))) {
        throw new LeaseLost();
      }
      return await run();
    });
  }

  /** The same, and holds on for the call that comes next: its row says so in the transaction that says it is sent. */
  async holdingOn<Result>(lease: Lease, run: () => Promise<Result>): Promise<Result> {
    return await this.database.transaction(async () => {
      await this.renew(lease);
      return await run();
    });
  }

  /** Lets go. */
  async release(lease: Lease): Promise<void> {
    await this.store.release(lease);
  }

  private until(now: Date): Date {
    return new Date(now.getTime() + 2 * this.config.stripe.timeoutMs + SLACK_MS);
  }
}
