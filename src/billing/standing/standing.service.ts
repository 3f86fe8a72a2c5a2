/*
 * Judges how customers stand: when an invoice of theirs was followed, in that transaction, and when time
 * has passed. Whatever is heard of Stripe late, twice or in another order, ends the same, since only
 * the present state of each invoice is kept.
 */
import { Inject, Injectable } from '@nestjs/common';
import { CustomersReader } from '../../customers/customers.reader.js';
import { Clock } from '../../kernel/clock.js';
import { CONFIG, type Config } from '../../platform/config.js';
import { Database } from '../../platform/database/database.js';
import { WebhooksService } from '../../webhooks/webhooks.service.js';
import { type Followed, FollowingService } from '../invoices/following.service.js';
import {
  type CustomerStanding,
  debtOf,
  pastDueSince,
  standingOf,
  type UnpaidInvoice,
} from './standing.js';
import { StandingsStore } from './standings.store.js';

/** Judged in one transaction, some milliseconds each. */
const AT_ONCE = 100;
/** Messages are bounded; who owes more invoices, or is suspended by more thresholds, is asked for by the routes. */
const MAX_TOLD = 100;

@Injectable()
export class StandingService {
  constructor(
    following: FollowingService,
    private readonly store: StandingsStore,
    private readonly customers: CustomersReader,
    private readonly webhooks: WebhooksService,
    private readonly database: Database,
    private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config,
  ) {
    following.onFollowed(async (followed) => {
      await this.note(followed);
    });
  }

  /** Judges all who owe something anew: the setting may be another than before. */
  async begin(): Promise<void> {
    await this.store.makeDue(this.clock.now());
  }

  /** Judges those whom the passing of time may have changed, a hundred at most; answers how many. */
  async judgeDue(): Promise<number> {
    return await this.database.transaction(async () => {
      const now = this.clock.now();
      const due = await this.store.lockDue(now, AT_ONCE);
      for (const standing of due) {
        await this.judge(standing, now);
      }
      return due.length;
    });
  }

  /** Judges a customer anew, whose suspensions have changed; in the caller's transaction. */
  async judgeNow(customerId: string, now: Date): Promise<void> {
    await this.judge(await this.store.lock(customerId, now), now);
  }

  private async note({ invoice, sighting, now }: Followed): Promise<void> {
    const debt = debtOf(sighting);
    const { id: invoiceId, customerId } = invoice;
    if (debt !== null) {
      await this.store.saveUnpaid({ invoiceId, customerId, ...debt });
    } else if (!(await this.store.deleteUnpaid(invoiceId))) {
      return;
    }
    await this.judge(await this.store.lock(customerId, now), now);
  }

  /** What is owed is read after the standing was locked, so that whoever comes second sees all of it. */
  private async judge(before: CustomerStanding, now: Date): Promise<void> {
    const { customerId } = before;
    const unpaid = await this.store.listUnpaid([customerId]);
    const suspendedUntil = await this.store.listSuspendedUntil(customerId);
    const { suspendAfterDays } = this.config.standing;
    const judged = standingOf(unpaid, suspendAfterDays, now, suspendedUntil);
    const isChanged = judged.standing !== before.standing;
    const after = { ...before, ...judged, changedAt: isChanged ? now : before.changedAt };
    if (isChanged || after.nextChangeAt?.getTime() !== before.nextChangeAt?.getTime()) {
      await this.store.update(after);
    }
    if (isChanged) {
      await this.tell(before, after, unpaid);
    }
  }

  private async tell(
    before: CustomerStanding,
    after: CustomerStanding,
    unpaid: readonly UnpaidInvoice[],
  ): Promise<void> {
    const customer = await this.customers.get(after.customerId);
    await this.webhooks.publish({
      type: 'customer.standing_changed',
      occurredAt: after.changedAt,
      data: {
        customer: customer.key,
        standing: after.standing,
        standing_before: before.standing,
        past_due_since: pastDueSince(unpaid)?.toISOString() ?? null,
        unpaid_invoices: unpaid.slice(0, MAX_TOLD).map(({ invoiceId }) => invoiceId),
        suspended_by:
          after.standing === 'suspended'
            ? await this.store.listSuspensions(after.customerId, after.changedAt, MAX_TOLD)
            : [],
      },
    });
  }
}
