/* Deletes messages, replays and attempts that are older than the settings say, a little at a time. */
import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { CONFIG, type Config } from '../../platform/config.js';
import { Database } from '../../platform/database/database.js';
import { PositionsStore } from '../messages/positions.store.js';
import { RetentionStore } from './retention.store.js';

/** Rows in one transaction, which nobody waits for. */
const BATCH = 1_000;
const DAY_MS = 86_400_000;

@Injectable()
export class RetentionService {
  constructor(
    private readonly store: RetentionStore,
    private readonly positions: PositionsStore,
    private readonly database: Database,
    private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Deletes at most a thousand attempts, messages and replays each; answers how many, 0 when all is done. */
  async deleteOnce(): Promise<number> {
    const { keepAttemptsDays, keepMessagesDays } = this.config.webhooks;
    const attempts = await this.store.deleteAttempts(this.daysAgo(keepAttemptsDays), BATCH);
    // So that whoever follows messages can tell that one was deleted before he saw it.
    await this.positions.placeAll();
    const messages = await this.database.transaction(
      async () => await this.deleteMessages(this.daysAgo(keepMessagesDays)),
    );
    const replays = await this.store.deleteReplays(this.daysAgo(keepMessagesDays), BATCH);
    return attempts + messages + replays;
  }

  private async deleteMessages(before: Date): Promise<number> {
    const old = await this.store.lockMessages(before, BATCH);
    const finished = old.length > 0 ? await this.store.keepFinished(old) : [];
    if (finished.length > 0) {
      await this.store.deleteMessages(finished);
    }
    return finished.length;
  }

  private daysAgo(days: number): Date {
    return new Date(this.clock.now().getTime() - days * DAY_MS);
  }
}
