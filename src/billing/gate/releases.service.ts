/* A person lets a held period go: it closes in the same transaction in which that is recorded. */
import { Injectable } from '@nestjs/common';
import { conflict, notFound } from '../../kernel/errors.js';
import { ClosingService } from '../periods/closing.service.js';
import { PeriodsStore } from '../periods/periods.store.js';
import { type Hold, type Release } from './hold.js';
import { HoldsService } from './holds.service.js';

@Injectable()
export class ReleasesService {
  constructor(
    private readonly periods: PeriodsStore,
    private readonly holds: HoldsService,
    private readonly closing: ClosingService,
  ) {}

  /**
   * Closes a held period whatever its checks say; one that was released already stays as it is.
   *
   * @throws DomainError not_found; conflict `not_held`
   */
  async release(id: string, release: Release): Promise<void> {
    const period = await this.periods.find(id);
    if (period === null) {
      throw notFound('billing period', id);
    }
    const hold = await this.holds.find(id);
    const isHeld = hold !== null && period.status.state === 'open';
    if (isHeld && (await this.closing.closeReleased(id, release))) {
      return;
    }
    // Somebody else may have let it go meanwhile, or long ago.
    if (!isReleased(await this.holds.find(id))) {
      throw conflict('not_held', 'The billing period is not held.');
    }
  }
}

function isReleased(hold: Hold | null): boolean {
  return hold !== null && hold.release !== null;
}
