/*
 * Writes what became of attempts: delivery, attempt and endpoint together, guarded by the lease, and
 * many attempts in one transaction while the one before is under way. Whether a delivery is repeated
 * must never hang on what is merely kept for people: what cannot be kept is left out, bit by bit.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { Database } from '../../platform/database/database.js';
import { isDatabaseAway } from '../../platform/database/pg-errors.js';
import { Log } from '../../platform/log.js';
import { ClaimsStore } from './claims.store.js';
import { FollowUpService } from './follow-up.service.js';
import { type Attempted, settle, type Settlement } from './settlement.js';
import { type AttemptResult, type ClaimedDelivery } from './webhook-delivery.js';

/** Of one transaction: a few hundred kilobytes of answers at most. */
const MAX_BATCH = 100;
/** While the database is away and the lease lasts, what came of a call is tried to be written so often. */
const AWAY_WAIT_MS = 250;
const MAX_AWAY_WAITS = 200;

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

interface Waiting {
  readonly attempted: Attempted;
  readonly resolve: (recorded: RecordedAttempt) => void;
  readonly reject: (error: unknown) => void;
}

/** How much is written: all; without what the receiver sent; without the attempt and what follows for its endpoint. */
type Extent = 'all' | 'without texts' | 'delivery only';
const EXTENTS: readonly Extent[] = ['all', 'without texts', 'delivery only'];

@Injectable()
export class RecordingService {
  private waiting: Waiting[] = [];
  private isWriting = false;
  private readonly listeners: ((answer: Answer) => Promise<void>)[] = [];

  constructor(
    private readonly claims: ClaimsStore,
    private readonly followUp: FollowUpService,
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /**
   * Calls back in the transaction that records a delivery as succeeded, whatever else of it can be kept. A
   * listener that throws has the message sent again.
   */
  onAnswered(listener: (answer: Answer) => Promise<void>): void {
    this.listeners.push(listener);
  }

  /** Writes what became of an attempt, unless its lease was lost. Throws when the database stays away. */
  async record(attempted: Attempted): Promise<RecordedAttempt> {
    return await new Promise((resolve, reject) => {
      this.waiting.push({ attempted, resolve, reject });
      void this.write();
    });
  }

  private async write(): Promise<void> {
    if (this.isWriting) {
      return;
    }
    this.isWriting = true;
    try {
      while (this.waiting.length > 0) {
        await this.writeBatch(this.waiting.splice(0, MAX_BATCH));
      }
    } finally {
      this.isWriting = false;
    }
  }

  private async writeBatch(batch: readonly Waiting[]): Promise<void> {
    try {
      const recorded = await this.writeAll(
        batch.map(({ attempted }) => attempted),
        'all',
      );
      for (const [index, { resolve }] of batch.entries()) {
        resolve(recorded[index] as RecordedAttempt);
      }
    } catch {
      // One of them may be to blame: each by itself.
      for (const { attempted, resolve, reject } of batch) {
        await this.writeOne(attempted).then(resolve, reject);
      }
    }
  }

  private async writeOne(attempted: Attempted): Promise<RecordedAttempt> {
    for (let waits = 0; ; waits += 1) {
      try {
        return await this.writeWhatCanBe(attempted);
      } catch (error) {
        const isOver = attempted.claim.leasedUntil <= this.clock.now() || waits >= MAX_AWAY_WAITS;
        if (!isDatabaseAway(error) || isOver) {
          throw error;
        }
        await sleep(AWAY_WAIT_MS);
      }
    }
  }

  private async writeWhatCanBe(attempted: Attempted): Promise<RecordedAttempt> {
    for (const extent of EXTENTS) {
      try {
        const [recorded] = await this.writeAll([attempted], extent);
        return recorded as RecordedAttempt;
      } catch (error) {
        if (extent === 'delivery only' || isDatabaseAway(error)) {
          throw error;
        }
        this.log.problem('delivery.not_kept', error, { delivery_id: attempted.claim.id, extent });
      }
    }
    throw new Error('There is no extent to try');
  }

  private async writeAll(
    attempts: readonly Attempted[],
    extent: Extent,
  ): Promise<RecordedAttempt[]> {
    const now = this.clock.now();
    const { releases, released } = await this.database.transaction(async () => {
      const read = await this.followUp.readAnew(attempts);
      const settled = read.map(({ claim, judged }) => ({
        claim,
        settlement: settle(judged, claim, now, Math.random()),
      }));
      const ids = await this.claims.release(settled);
      const ours = read.filter(({ claim }) => ids.has(claim.id));
      await this.handOver(ours);
      if (ours.length > 0 && extent !== 'delivery only') {
        await this.claims.insertAttempts(
          ours.map(({ claim, judged }) => ({ claim, result: kept(judged.result, extent) })),
        );
        await this.followUp.follow(ours, now);
      }
      return { releases: settled, released: ids };
    });
    return releases.map(({ claim, settlement }, index) => ({
      claim,
      result: (attempts[index] as Attempted).judged.result,
      state: released.has(claim.id) ? settlement.state : 'lease_lost',
    }));
  }

  private async handOver(attempts: readonly Attempted[]): Promise<void> {
    for (const { claim, judged } of attempts) {
      if (judged.result.outcome === 'succeeded') {
        const { messageId, endpointId } = claim;
        for (const listener of this.listeners) {
          await listener({ messageId, endpointId, body: judged.result.response });
        }
      }
    }
  }
}

function kept(result: AttemptResult, extent: Extent): AttemptResult {
  return extent === 'all'
    ? result
    : {
        ...result,
        detail: 'The answer could not be stored.',
        response: null,
        responseHeaders: null,
      };
}
