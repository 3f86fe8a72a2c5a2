/*
 * What each repair does. At Stripe things are only ever deleted here, by their ids, which may be sent
 * again; that it begins is written before. What has to be made is queued for the push, which knows how to
 * make a thing exactly once. The effect here and the record of the repair commit together.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { Database } from '../../platform/database/database.js';
import { AccountService } from '../../stripe/account.service.js';
import { type StripeFailure, type StripeResult } from '../../stripe/stripe-result.js';
import { LeasesService } from '../sync/leases.service.js';
import { type Lease } from '../sync/leases.store.js';
import { type Found } from './difference.js';
import { type ClaimedDifference, DifferencesStore, type Settlement } from './differences.store.js';
import { type Sight } from './looking.service.js';
import { RebillingService } from './rebilling.service.js';
import { later } from './reconciliation.js';

/** Longer than the one call takes that follows. */
const LEASE_MS = 300_000;

/** A repair that was taken, with the lease of its customer; null when nobody is known. */
export interface Hold {
  readonly difference: ClaimedDifference;
  readonly lease: Lease | null;
}

/** A call that came to nothing. */
export interface Stuck {
  readonly difference: ClaimedDifference;
  readonly failure: StripeFailure;
}

@Injectable()
export class RepairStepsService {
  constructor(
    private readonly account: AccountService,
    private readonly rebilling: RebillingService,
    private readonly leases: LeasesService,
    private readonly store: DifferencesStore,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /**
   * Repairs what was just found, and records it.
   *
   * @returns null when it is settled, else the call to Stripe that came to nothing
   * @throws DomainError when the ledger refuses; StepLost, LeaseLost
   */
  async run(hold: Hold, found: Found, sight: Sight): Promise<Stuck | null> {
    const now = this.clock.now();
    switch (found.repair) {
      case 'delete_item':
        return await this.delete(hold, 'The item was deleted at Stripe.', {
          call: async () => await this.account.deleteItem(found.stripeId ?? ''),
        });
      case 'delete_invoice':
        return await this.deleteDraft(hold, found, sight);
      case 'replace_item':
        return await this.delete(hold, 'The item was deleted, and the line item queued again.', {
          call: async () => await this.account.deleteItem(found.stripeId ?? ''),
          effect: async () => {
            await this.rebilling.sendAgain(found, sight, true);
          },
        });
      case 'follow':
        return await this.record(hold, 'The ledger followed Stripe.', async () => {
          await this.rebilling.follow(found, sight, now);
        });
      case 'send_again':
        return await this.record(hold, 'The line item was queued again.', async () => {
          await this.rebilling.sendAgain(found, sight, found.theirs === null);
        });
      case 'bill_again':
        return await this.record(hold, 'The line item was put on a new invoice.', async () => {
          await this.rebilling.billAgain(found, sight, now);
        });
      case 'by_hand':
        throw new Error(`The difference ${hold.difference.id} is for a person`);
    }
  }

  private async deleteDraft(hold: Hold, found: Found, sight: Sight): Promise<Stuck | null> {
    const isEmpty = sight.side.items.every(({ invoice }) => invoice !== found.stripeId);
    if (!isEmpty) {
      const outcome = 'There is something on the draft.';
      return await this.settle(hold, { state: 'failed', outcome });
    }
    return await this.delete(hold, 'The draft was deleted at Stripe.', {
      call: async () => await this.account.deleteDraft(found.stripeId ?? ''),
    });
  }

  private async delete(
    { difference, lease }: Hold,
    outcome: string,
    step: {
      readonly call: () => Promise<StripeResult<unknown>>;
      readonly effect?: () => Promise<void>;
    },
  ): Promise<Stuck | null> {
    const now = this.clock.now();
    const begun = await this.store.begin(difference, now, later(now, LEASE_MS));
    if (lease !== null) {
      await this.leases.renew(lease);
    }
    const result = await step.call();
    return result.outcome === 'succeeded'
      ? await this.record({ difference: begun, lease }, outcome, step.effect)
      : { difference: begun, failure: result };
  }

  /** Writes the effect of a repair here and that it is done. */
  private async record(
    hold: Hold,
    outcome: string,
    effect: () => Promise<void> = async () => {
      await Promise.resolve();
    },
  ): Promise<null> {
    const run = async (): Promise<null> => {
      await effect();
      return await this.settle(hold, { state: 'repaired', outcome });
    };
    return hold.lease === null
      ? await this.database.transaction(run)
      : await this.leases.holding(hold.lease, run);
  }

  private async settle({ difference }: Hold, settlement: Settlement): Promise<null> {
    await this.store.settle(difference, settlement, this.clock.now());
    return null;
  }
}
