/*
 * The steps of a delivery: claim (short transaction, lease), call (no transaction), record (short
 * transaction, guarded by the lease). Whoever dies in between loses the lease, and the same message
 * is sent again: at least once, under one webhook-id.
 */
import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { CONFIG, type Config } from '../../platform/config.js';
import { Database } from '../../platform/database/database.js';
import { SealError } from '../../platform/sealer.js';
import {
  type ClaimScope,
  ClaimsStore,
  type DueEndpoint,
  type LockedEndpoint,
} from './claims.store.js';
import { DeliveryClient } from './delivery.client.js';
import { type RecordedAttempt, RecordingService } from './recording.service.js';
import { judge, type JudgedAttempt, LOST_ATTEMPT, sealedAttempt } from './settlement.js';
import { type OutgoingDelivery } from './webhook-delivery.js';

/** Added to twice the deadline of a call, so that a lease never ends under a live call, or before it is recorded. */
const LEASE_MARGIN_MS = 5_000;
/** Expired leases, and pending deliveries of deleted endpoints, handled in one pass. */
const SWEEP_BATCH = 500;

const ANY_ENDPOINT: ClaimScope = { pool: 'any', slowEndpoints: [] };

/** How long a claim holds its delivery. */
export function leaseMsOf({ webhooks }: Pick<Config, 'webhooks'>): number {
  return 2 * webhooks.timeoutMs + LEASE_MARGIN_MS;
}

@Injectable()
export class DeliveriesService {
  /** The last that was listed when there were more: so that everybody has its turn. */
  private listedTo = '';

  constructor(
    private readonly claims: ClaimsStore,
    private readonly client: DeliveryClient,
    private readonly recording: RecordingService,
    private readonly database: Database,
    private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * Endpoints that something due could be sent to, to be claimed of: all that are failing or slow, and at most
   * `quickLimit` of the others, of whom the next call goes on behind those of this one.
   */
  async dueEndpoints(
    quickLimit: number,
    slowEndpoints: readonly string[],
  ): Promise<readonly DueEndpoint[]> {
    const scope = { slowEndpoints, quickLimit, after: this.listedTo };
    const due = await this.claims.listDueEndpoints(this.clock.now(), scope);
    const quick = due.filter(
      ({ id, is_failing: isFailing }) => !isFailing && !slowEndpoints.includes(id),
    );
    const isCut = quickLimit > 0 && quick.length === quickLimit;
    this.listedTo = isCut ? (quick.at(-1)?.id ?? '') : this.listedTo;
    return due;
  }

  /**
   * Takes at most `limit` due deliveries, fairly over endpoints; they are this caller's until the lease ends.
   *
   * @param due of which endpoints at most; they are looked at anew
   */
  async claim(
    limit: number,
    scope: ClaimScope = ANY_ENDPOINT,
    due: readonly DueEndpoint[] | null = null,
  ): Promise<OutgoingDelivery[]> {
    const listed = due ?? (await this.dueEndpoints(limit, scope.slowEndpoints));
    const dueIds = listed.map(({ id }) => id);
    if (dueIds.length === 0) {
      return [];
    }
    const now = this.clock.now();
    return await this.database.transaction(async () => {
      const endpoints = await this.claims.lockDueEndpoints(dueIds, now, limit, scope);
      if (endpoints.length === 0) {
        return [];
      }
      const isOrdered = endpoints.some((endpoint) => endpoint.is_ordered);
      const limits = {
        total: limit,
        order: isOrdered ? { settledTo: await this.claims.settledSequence() } : null,
        leaseToken: randomUUID(),
        leasedUntil: new Date(now.getTime() + leaseMsOf(this.config)),
      };
      const ids = endpoints.map(({ id }) => id);
      const claimed = await this.claims.claim(ids, now, limits);
      await this.pace(endpoints, claimed, now);
      return claimed;
    });
  }

  /** Makes the attempt that was claimed, and records what became of it. */
  async deliver(delivery: OutgoingDelivery): Promise<RecordedAttempt> {
    const startedAt = this.clock.now();
    const judged = await this.attempt(delivery, startedAt);
    return await this.recording.record({ claim: { ...delivery, startedAt }, judged });
  }

  /** Records as lost what workers held too long, and gives up what deleted endpoints left. */
  async sweep(): Promise<RecordedAttempt[]> {
    const now = this.clock.now();
    await this.claims.giveUpDeleted(now, SWEEP_BATCH);
    const expired = await this.claims.findExpired(now, leaseMsOf(this.config), SWEEP_BATCH);
    return await Promise.all(
      expired.map(async (claim) => await this.recording.record({ claim, judged: LOST_ATTEMPT })),
    );
  }

  private async attempt(delivery: OutgoingDelivery, startedAt: Date): Promise<JudgedAttempt> {
    try {
      const { answer, secrets } = await this.client.send(delivery, startedAt);
      const endedAt = this.clock.now();
      const durationMs = Math.max(endedAt.getTime() - startedAt.getTime(), 0);
      return judge(answer, durationMs, endedAt, secrets);
    } catch (error) {
      if (error instanceof SealError) {
        return sealedAttempt(error.message);
      }
      throw error;
    }
  }

  private async pace(
    endpoints: readonly LockedEndpoint[],
    claimed: readonly OutgoingDelivery[],
    now: Date,
  ): Promise<void> {
    const paced = endpoints.filter(({ is_paced: isPaced }) => isPaced).map(({ id }) => id);
    if (paced.length > 0) {
      const counts = paced.map(
        (id) => claimed.filter(({ endpointId }) => endpointId === id).length,
      );
      await this.claims.pace(paced, counts, now);
    }
  }
}
