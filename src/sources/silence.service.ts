/* Notes that sources send, and tells when one of which something is expected has stopped. */
import { Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { Database } from '../platform/database/database.js';
import { Outage } from '../platform/database/outage.js';
import { WebhooksService } from '../webhooks/webhooks.service.js';
import { SourceActivityStore } from './source-activity.store.js';

/** How often it is written down that a source sends, by each replica; and so what a note may be behind. */
const NOTE_EVERY_MS = 5_000;
/** Silences that are told in one transaction, for which their first requests may have to wait. */
const AT_ONCE = 20;

@Injectable()
export class SilenceService {
  /** When this replica last noted each source. */
  private readonly noted = new Map<string, number>();

  constructor(
    private readonly store: SourceActivityStore,
    private readonly webhooks: WebhooksService,
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly outage: Outage,
  ) {}

  /**
   * Notes that something of a source is stored; to be awaited before that is answered, so that nothing
   * that was answered goes unnoted. Never fails: what is stored is stored.
   */
  async noteStored(sourceId: string): Promise<void> {
    const now = this.clock.now();
    const last = this.noted.get(sourceId);
    if (last !== undefined && Math.abs(now.getTime() - last) < NOTE_EVERY_MS) {
      return;
    }
    // Before it is done, so that requests beside this one do not write the same.
    this.noted.set(sourceId, now.getTime());
    try {
      await this.store.note(sourceId, now);
    } catch (error) {
      this.noted.delete(sourceId);
      this.outage.report('source.note_failed', error);
    }
  }

  /**
   * Tells of sources that have become silent, once each until they send again.
   *
   * @returns how many
   */
  async tellSilent(): Promise<number> {
    return await this.database.transaction(async () => {
      const now = this.clock.now();
      const silent = await this.store.beginSilences(now, NOTE_EVERY_MS / 1000, AT_ONCE);
      for (const source of silent) {
        await this.webhooks.publish({
          type: 'source.silent',
          data: {
            source: source.id,
            key: source.key,
            name: source.name,
            expected_every: source.expectedEvery,
            last_event_at: source.lastStoredAt?.toISOString() ?? null,
            silent_since: source.silentSince.toISOString(),
          },
          occurredAt: now,
        });
      }
      return silent.length;
    });
  }
}
