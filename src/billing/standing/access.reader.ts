/*
 * Whether customers may go on. Reads only: that time has changed a standing is seen here at once, though it is
 * judged, kept and told of some seconds later.
 */
import { Inject, Injectable } from '@nestjs/common';
import { notFound } from '../../kernel/errors.js';
import { CONFIG, type Config } from '../../platform/config.js';
import { type Access, AccessStore } from './access.store.js';
import { standingOf } from './standing.js';
import { StandingsStore } from './standings.store.js';

@Injectable()
export class AccessReader {
  constructor(
    private readonly store: AccessStore,
    private readonly standings: StandingsStore,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** By id or key; throws not_found. */
  async get(idOrKey: string, now: Date): Promise<Access> {
    const access = await this.store.find(idOrKey, now);
    if (access === null) {
      throw notFound('customer', idOrKey);
    }
    const { nextChangeAt } = access;
    return nextChangeAt === null || nextChangeAt > now
      ? access
      : await this.judged(access, nextChangeAt, now);
  }

  /** What is going to be judged when somebody comes to it. */
  private async judged(access: Access, changedAt: Date, now: Date): Promise<Access> {
    const { customerId } = access;
    const { standing } = standingOf(
      await this.standings.listUnpaid([customerId]),
      this.config.standing.suspendAfterDays,
      now,
      await this.standings.listSuspendedUntil(customerId),
    );
    return standing === access.standing ? access : { ...access, standing, since: changedAt };
  }
}
