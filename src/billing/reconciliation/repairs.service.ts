/*
 * Carries out repairs that a person asked for, one at a time under the lease of the customer, so that no
 * push changes the same things at Stripe meanwhile. A repair does not trust its report: it looks again,
 * does only what is still to be done, and may be killed and repeated at any moment.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { conflict, DomainError, notFound } from '../../kernel/errors.js';
import { Database } from '../../platform/database/database.js';
import { Log } from '../../platform/log.js';
import { type StripeFailure } from '../../stripe/stripe-result.js';
import { LeaseLost, LeasesService } from '../sync/leases.service.js';
import { retryAt } from '../sync/sync.js';
import { type Difference, type Found, wordsOf } from './difference.js';
import { type ClaimedDifference, DifferencesStore, type Settlement } from './differences.store.js';
import { LookingService, type Sight } from './looking.service.js';
import { later } from './reconciliation.js';
import { StepLost } from './reconciliations.store.js';
import { type Hold, RepairStepsService } from './repair-steps.service.js';

/** Longer than the calls of any repair take. */
const LEASE_MS = 300_000;
/** While the customer's line items are being sent. */
const WAIT_MS = 30_000;
/** Some hours, with the waits between them. */
const MAX_ATTEMPTS = 30;

@Injectable()
export class RepairsService {
  constructor(
    private readonly store: DifferencesStore,
    private readonly looking: LookingService,
    private readonly steps: RepairStepsService,
    private readonly leases: LeasesService,
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /**
   * Queues the repair of one difference; one that is queued or done already stays as it is.
   *
   * @throws DomainError not_found; conflict `by_hand` with what a person has to do
   */
  async request(reconciliationId: string, id: string, by: string): Promise<Difference> {
    return await this.database.transaction(async () => {
      await this.queue(reconciliationId, id, by);
      return await this.locked(reconciliationId, id);
    });
  }

  /** The same of several, all or none. Answers how many were not queued or done already. */
  async requestSome(reconciliationId: string, ids: readonly string[], by: string): Promise<number> {
    return await this.database.transaction(async () => {
      let queued = 0;
      // In one order, so that two who ask for the same wait for each other.
      for (const id of [...new Set(ids)].toSorted()) {
        queued += await this.queue(reconciliationId, id, by);
      }
      return queued;
    });
  }

  /** Queues all repairs of a reconciliation that can be done here. Answers how many. */
  async requestAll(reconciliationId: string, by: string): Promise<number> {
    return await this.store.queue(reconciliationId, null, { by, now: this.clock.now() });
  }

  /** Carries out the next repair that is due. Answers 1, or 0 when there is none. */
  async repairOnce(): Promise<number> {
    const now = this.clock.now();
    const difference = await this.store.claim(now, later(now, LEASE_MS));
    if (difference === null) {
      return 0;
    }
    try {
      await this.underLease(difference);
    } catch (error) {
      // Whoever has it by now looks again.
      if (!(error instanceof StepLost || error instanceof LeaseLost)) {
        throw error;
      }
    }
    return 1;
  }

  private async queue(reconciliationId: string, id: string, by: string): Promise<number> {
    const difference = await this.locked(reconciliationId, id);
    if (difference.repair === 'by_hand') {
      throw conflict('by_hand', `${id}: ${wordsOf(difference.repair, difference.class)}`);
    }
    return await this.store.queue(reconciliationId, id, { by, now: this.clock.now() });
  }

  private async locked(reconciliationId: string, id: string): Promise<Difference> {
    const difference = await this.store.lock(reconciliationId, id);
    if (difference === null) {
      throw notFound('difference', id);
    }
    return difference;
  }

  /** Of a customer who is not known here nothing is ever pushed: there is nobody to keep away. */
  private async underLease(difference: ClaimedDifference): Promise<void> {
    if (difference.customerId === null) {
      await this.repair(difference, null);
      return;
    }
    const lease = await this.leases.claimFor(difference.customerId);
    if (lease === null) {
      await this.wait(difference, 'Line items of the customer are being sent.');
      return;
    }
    try {
      await this.repair(difference, lease);
    } finally {
      await this.leases.release(lease);
    }
  }

  private async repair(difference: ClaimedDifference, lease: Hold['lease']): Promise<void> {
    const { invoiceId, lookedAt } = difference;
    const isOrphan = difference.class === 'orphan';
    const look = await this.looking.look({
      invoiceId: isOrphan ? null : invoiceId,
      places: lookedAt,
    });
    switch (look.outcome) {
      case 'in_flight':
      case 'moving':
        await this.wait(difference, 'The invoice is still on its way to Stripe.');
        return;
      case 'rejected':
      case 'unavailable':
      case 'unknown':
        await this.postpone(difference, look);
        return;
      case 'seen':
        await this.carryOut(difference, look, lease);
    }
  }

  private async carryOut(
    difference: ClaimedDifference,
    sight: Sight,
    lease: Hold['lease'],
  ): Promise<void> {
    const found = sight.comparison.found.find((one) => isSameThing(one, difference));
    if (found === undefined) {
      await this.settle(difference, nothingLeft(difference));
      return;
    }
    if (difference.repair === 'follow' && found.repair !== 'follow') {
      // The whole invoice follows with the first of its line items.
      const outcome = 'The ledger follows Stripe already. What is left is another difference.';
      await this.settle(difference, { state: 'gone', outcome });
      return;
    }
    if (!isStillWanted(found, difference)) {
      const outcome = `It differs otherwise by now (${found.class}: ${found.detail}) Reconcile again.`;
      await this.settle(difference, { state: 'failed', outcome });
      return;
    }
    const hold: Hold = { difference, lease };
    try {
      const failure = await this.steps.run(hold, found, sight);
      if (failure !== null) {
        await this.postpone(failure.difference, failure.failure);
      }
    } catch (error) {
      if (!(error instanceof DomainError)) {
        throw error;
      }
      await this.settle(difference, { state: 'failed', outcome: error.message });
    }
  }

  private async settle(difference: ClaimedDifference, settlement: Settlement): Promise<void> {
    await this.store.settle(difference, settlement, this.clock.now());
    this.log.event('reconciliation.repaired', {
      reconciliation: difference.reconciliationId,
      difference: difference.id,
      state: settlement.state,
    });
  }

  private async wait(difference: ClaimedDifference, why: string): Promise<void> {
    if (difference.attemptCount + 1 >= MAX_ATTEMPTS) {
      await this.settle(difference, { state: 'failed', outcome: why });
      return;
    }
    const waited = WAIT_MS * (difference.attemptCount + 1);
    await this.store.postpone(difference, later(this.clock.now(), waited));
  }

  private async postpone(difference: ClaimedDifference, failure: StripeFailure): Promise<void> {
    const attempts = difference.attemptCount + 1;
    if (failure.outcome === 'rejected' || attempts >= MAX_ATTEMPTS) {
      await this.settle(difference, { state: 'failed', outcome: failure.message });
      return;
    }
    const at = { now: this.clock.now(), random: Math.random() };
    await this.store.postpone(difference, retryAt(failure, attempts, at));
  }
}

const isSurplus = ({ class: one }: Pick<Found, 'class'>): boolean =>
  one === 'duplicate' || one === 'orphan';

/** What is too much is one thing at Stripe; all else is about a line item. */
function isSameThing(found: Found, difference: Difference): boolean {
  return isSurplus(difference)
    ? isSurplus(found) && found.stripeId === difference.stripeId
    : !isSurplus(found) && found.lineItemId === difference.lineItemId;
}

/** The same repair; or the second half of one that was interrupted after the first. */
function isStillWanted(found: Found, { repair, begunAt }: Difference): boolean {
  return (
    found.repair === repair ||
    (repair === 'replace_item' && begunAt !== null && found.repair === 'send_again')
  );
}

function nothingLeft({ begunAt }: Difference): Settlement {
  return begunAt === null
    ? { state: 'gone', outcome: 'There was nothing left to do: it was put right meanwhile.' }
    : { state: 'repaired', outcome: 'It is done.' };
}
