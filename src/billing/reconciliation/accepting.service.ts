/*
 * What a person lets stand of the differences between the ledger and Stripe. It is kept by what the
 * difference says: the same is marked as accepted in every report to come, and anything else is reported.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { conflict, notFound } from '../../kernel/errors.js';
import { Database } from '../../platform/database/database.js';
import { fingerprintOf } from './acceptance.js';
import { AcceptancesStore } from './acceptances.store.js';
import { type Difference } from './difference.js';
import { DifferencesStore } from './differences.store.js';

@Injectable()
export class AcceptingService {
  constructor(
    private readonly differences: DifferencesStore,
    private readonly store: AcceptancesStore,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /**
   * Lets a difference stand; one that is accepted already stays as it is.
   *
   * @param by the id of the API key
   * @throws DomainError not_found; conflict `already_settled` when its repair was asked for
   */
  async accept(
    reconciliationId: string,
    id: string,
    { by, reason }: { readonly by: string; readonly reason: string },
  ): Promise<Difference> {
    return await this.database.transaction(async () => {
      const found = await this.locked(reconciliationId, id);
      if (found.state === 'accepted') {
        return found;
      }
      if (found.state !== 'open' && found.state !== 'failed') {
        const detail = `The repair of the difference '${id}' is ${found.state} already.`;
        throw conflict('already_settled', detail);
      }
      const accepted = { by, reason, at: this.clock.now() };
      await this.store.insert(fingerprintOf(found), id, accepted);
      await this.differences.accept(id, accepted);
      return await this.locked(reconciliationId, id);
    });
  }

  /**
   * Takes an acceptance back, of whichever report it was: the difference is open, and the next report
   * has it again. One that is not accepted stays as it is.
   *
   * @throws DomainError not_found
   */
  async reopen(reconciliationId: string, id: string): Promise<Difference> {
    return await this.database.transaction(async () => {
      const found = await this.locked(reconciliationId, id);
      if (found.state === 'accepted') {
        await this.store.delete(fingerprintOf(found));
        await this.differences.reopen(id);
      }
      return await this.locked(reconciliationId, id);
    });
  }

  private async locked(reconciliationId: string, id: string): Promise<Difference> {
    const difference = await this.differences.lock(reconciliationId, id);
    if (difference === null) {
      throw notFound('difference', id);
    }
    return difference;
  }
}
