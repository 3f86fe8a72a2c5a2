/*
 * The steps of a delivery: claim (short transaction, lease), call (no transaction), record (short
 * transaction, guarded by the lease). Whoever dies in between loses the lease, and the same message
 * is sent again: at least once, under one webhook-id.
 */
import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { Database } from '../../platform/database/database.js';
import { ClaimsStore } from './claims.store.js';
import { DeliveryClient } from './delivery.client.js';
import { judge, type JudgedAttempt, LOST_ATTEMPT, settle, type Settlement } from './settlement.js';
import {
  type AttemptResult,
  type ClaimedDelivery,
  type OutgoingDelivery,
} from './webhook-delivery.js';

/** Of one endpoint under way at once, by all replicas: a slow receiver cannot take all places. */
export const MAX_PER_ENDPOINT = 5;
/** Twice the longest deadline that a call can be given, so that a lease never ends under a live call. */
export const LEASE_MS = 60_000;
/** Expired leases, and pending deliveries of deleted endpoints, handled in one pass. */
const SWEEP_BATCH = 500;

export interface RecordedAttempt {
  readonly claim: ClaimedDelivery;
  readonly result: AttemptResult;
  /** What the delivery is now; `lease_lost`: it was somebody else's by then, and nothing was written. */
  readonly state: Settlement['state'] | 'lease_lost';
}

/** What an endpoint answered to a message that it has taken. */
export interface Answer {
  readonly messageId: string;
  readonly endpointId: string;
  /** The first 4 KB of the body; null when there was none. */
  readonly body: string | null;
}

@Injectable()
export class DeliveriesService {
  private readonly listeners: ((answer: Answer) => Promise<void>)[] = [];

  constructor(
    private readonly claims: ClaimsStore,
    private readonly client: DeliveryClient,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** Calls back in the transaction that records a delivery as succeeded. */
  onAnswered(listener: (answer: Answer) => Promise<void>): void {
    this.listeners.push(listener);
  }

  /** Takes at most `limit` due deliveries, fairly over endpoints; they are this caller's for a minute. */
  async claim(limit: number): Promise<OutgoingDelivery[]> {
    const now = this.clock.now();
    return await this.database.transaction(async () => {
      const endpointIds = await this.claims.lockDueEndpoints(now, MAX_PER_ENDPOINT, limit);
      if (endpointIds.length === 0) {
        return [];
      }
      return await this.claims.claim(endpointIds, now, {
        total: limit,
        perEndpoint: MAX_PER_ENDPOINT,
        leaseToken: randomUUID(),
        leasedUntil: new Date(now.getTime() + LEASE_MS),
      });
    });
  }

  /** Makes the attempt that was claimed, and records what became of it. */
  async deliver(delivery: OutgoingDelivery): Promise<RecordedAttempt> {
    const startedAt = this.clock.now();
    const answer = await this.client.send(delivery, startedAt);
    const endedAt = this.clock.now();
    const durationMs = Math.max(endedAt.getTime() - startedAt.getTime(), 0);
    const judged = judge(answer, durationMs, endedAt);
    return await this.record({ ...delivery, startedAt }, judged, async () => {
      const { messageId, endpointId } = delivery;
      for (const listener of this.listeners) {
        await listener({ messageId, endpointId, body: judged.result.response });
      }
    });
  }

  /** Records as lost what workers held too long, and gives up what deleted endpoints left. */
  async sweep(): Promise<RecordedAttempt[]> {
    const now = this.clock.now();
    await this.claims.giveUpDeleted(now, SWEEP_BATCH);
    const lost: RecordedAttempt[] = [];
    for (const claim of await this.claims.findExpired(now, LEASE_MS, SWEEP_BATCH)) {
      lost.push(await this.record(claim, LOST_ATTEMPT));
    }
    return lost;
  }

  /** Attempt, delivery and endpoint change together or, when the lease is lost, not at all. */
  private async record(
    claim: ClaimedDelivery,
    judged: JudgedAttempt,
    whenSucceeded: () => Promise<void> = async () => {},
  ): Promise<RecordedAttempt> {
    const now = this.clock.now();
    const { result } = judged;
    const settlement = settle(judged, claim.attemptNumber, now, Math.random());
    const isRecorded = await this.database.transaction(async () => {
      if (!(await this.claims.release(claim, settlement))) {
        return false;
      }
      await this.claims.insertAttempt(claim, result);
      if (settlement.state === 'succeeded') {
        await whenSucceeded();
      }
      if (judged.isGone) {
        await this.claims.disableGone(claim.endpointId, now);
      }
      return true;
    });
    return { claim, result, state: isRecorded ? settlement.state : 'lease_lost' };
  }
}
