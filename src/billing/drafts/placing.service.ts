/*
 * Puts line items that wait on the draft that Stripe made for their time. What Stripe has is looked up
 * first, in no transaction; then one transaction moves line items and queues what has to be sent. A look
 * that is out of date does no harm: an item that comes too late is refused, and waits for the next draft.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { Database } from '../../platform/database/database.js';
import { backoffMs } from '../../platform/jobs/backoff.js';
import { Log } from '../../platform/log.js';
import { DraftSightService } from './draft-sight.service.js';
import { type DraftQueue, DraftQueuesStore, type DraftTurn } from './draft-queues.store.js';
import { OwnInvoicesService } from './own-invoices.service.js';
import { PlacementsService } from './placements.service.js';
import { onlyOf, type Sorted, type WaitingItem } from './subscription-draft.js';

/** At once in one process: with two calls of some 300 ms each that is what Stripe takes in a second (25). */
const CONCURRENCY = 8;
/** Then the outside is asked whether to go on: some minutes' work when Stripe is slow. */
const MAX_QUEUES_PER_RUN = 400;
/** As many as an invoice of Stripe's holds; the rest comes with the next look. */
const MAX_ITEMS = 250;
/** Of what has ended, billed in one transaction; the rest follows at once. */
const MAX_ENDED = 1_000;
/** Longer than two calls take. */
const LEASE_MS = 300_000;
/** Whoever waits is woken by Stripe's events; this finds what neither a webhook nor the poll has told. */
const LOOK_MS = 86_400_000;
/** When there is more to place, or a draft was finalized since it was seen. */
const LOOK_AGAIN_MS = 10_000;

@Injectable()
export class PlacingService {
  private isStopping = false;

  constructor(
    private readonly store: DraftQueuesStore,
    private readonly sight: DraftSightService,
    private readonly placements: PlacementsService,
    private readonly ownInvoices: OwnInvoicesService,
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** No queue is begun any longer; those under way are placed to the end. */
  stop(): void {
    this.isStopping = true;
  }

  /**
   * Looks for drafts for what waits, of eight subscriptions of Stripe's at a time: one that Stripe is slow
   * about holds up no other. Answers how many were taken.
   *
   * @param turn which of them
   */
  async placeOnce(turn: DraftTurn = 'any'): Promise<number> {
    if (!this.sight.isConnected) {
      return 0;
    }
    let taken = 0;
    const lanes = Array.from({ length: CONCURRENCY }, async () => {
      while (!this.isStopping && taken < MAX_QUEUES_PER_RUN) {
        taken += 1;
        const now = this.clock.now();
        const leasedUntil = new Date(now.getTime() + LEASE_MS);
        const queue = await this.store.claim(turn, now, leasedUntil);
        if (queue === null) {
          taken -= 1;
          return;
        }
        await this.placeReporting(queue);
      }
    });
    // Each to its end, so that none works on when the next run has begun.
    const ends = await Promise.allSettled(lanes);
    const fault = ends.find((end) => end.status === 'rejected');
    if (fault !== undefined) {
      throw fault.reason;
    }
    return taken;
  }

  /** A fault leaves the lease to run out, and keeps no other waiting. */
  private async placeReporting(queue: DraftQueue): Promise<void> {
    try {
      await this.place(queue);
    } catch (error) {
      const { stripeSubscriptionId } = queue;
      this.log.problem('line_items.placing_broken', error, {
        stripe_subscription: stripeSubscriptionId,
      });
    }
  }

  private async place(queue: DraftQueue): Promise<void> {
    await this.billEnded(queue);
    const items = await this.listWaiting(queue);
    if (items.length === 0) {
      await this.store.record(queue, null, null);
      return;
    }
    const seen = await this.sight.sort(queue, items);
    if (seen.outcome !== 'succeeded') {
      const wait = backoffMs(queue.attemptCount, Math.random());
      await this.store.record(queue, this.after(wait), seen.message);
      this.log.event('line_items.placing_postponed', {
        stripe_subscription: queue.stripeSubscriptionId,
        outcome: seen.outcome,
        reason: seen.message,
        wait_ms: wait,
      });
      return;
    }
    const sorted = await this.database.transaction(async () => {
      const left = await this.leftOf(queue, items, seen.value);
      const isOutOfDate = !(await this.placements.apply(queue, left));
      const isMore = items.length === MAX_ITEMS && left.placed.length + left.failed.length > 0;
      const wait = isOutOfDate || isMore ? LOOK_AGAIN_MS : LOOK_MS;
      await this.store.record(queue, this.after(wait), null);
      return left;
    });
    this.tell(queue, sorted);
  }

  /**
   * What still waits of what was sorted, under the lock of the queue: while Stripe was asked the queue
   * may have been woken, or the lease have run out, and somebody else have placed it, or billed it.
   */
  private async leftOf(
    queue: DraftQueue,
    items: readonly WaitingItem[],
    sorted: Sorted,
  ): Promise<Sorted> {
    await this.store.lock(queue.stripeSubscriptionId);
    const ids = items.map(({ id }) => id);
    return onlyOf(sorted, await this.store.stillWaiting(ids));
  }

  /** What a subscription leaves that has ended is billed by itself: it may get no draft any more. */
  private async billEnded({ stripeSubscriptionId }: DraftQueue): Promise<void> {
    let count: number;
    do {
      count = await this.database.transaction(async () => {
        await this.store.lock(stripeSubscriptionId);
        const among = { isOver: true };
        const items = await this.store.listWaiting(
          stripeSubscriptionId,
          'pending',
          MAX_ENDED,
          among,
        );
        await this.ownInvoices.bill(items);
        return items.length;
      });
    } while (count === MAX_ENDED);
  }

  private async listWaiting(queue: DraftQueue): Promise<WaitingItem[]> {
    return await this.store.listWaiting(queue.stripeSubscriptionId, 'pending', MAX_ITEMS);
  }

  private tell(queue: DraftQueue, { placed, carried, failed }: Sorted): void {
    const fields = { stripe_subscription: queue.stripeSubscriptionId };
    this.log.event('line_items.placed', {
      ...fields,
      drafts: placed.map(({ draft }) => draft.id),
      line_items: placed.reduce((sum, { items }) => sum + items.length, 0),
      carried_over: carried.length,
    });
    const [first] = failed;
    if (first !== undefined) {
      this.log.problem('line_items.not_placed', first.failure, { ...fields, count: failed.length });
    }
  }

  private after(ms: number): Date {
    return new Date(this.clock.now().getTime() + ms);
  }
}
