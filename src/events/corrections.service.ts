/*
 * Takes stored events out of the count, or puts another body in their place: by adding rows, never
 * by changing one. Each correction is one transaction under the lock of its event's key; whoever
 * dies in the middle leaves nothing.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { notFound } from '../kernel/errors.js';
import { Database } from '../platform/database/database.js';
import {
  type CorrectionNote,
  type RecordedCorrection,
  type SignedEvent,
  type Standing,
} from './correction.js';
import { CorrectionsStore } from './corrections.store.js';
import { type EventIdentity } from './event-key.js';
import { type UsageEvent } from './usage-event.js';

@Injectable()
export class CorrectionsService {
  private readonly listeners: (() => void)[] = [];

  constructor(
    private readonly store: CorrectionsStore,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** Calls back once a correction made here is committed: a signal to look, nothing more. */
  onCorrected(listener: () => void): void {
    this.listeners.push(listener);
  }

  /**
   * From now on the event counts nothing, nor will it when it is sent again. One that is void already
   * stays as it was voided first.
   *
   * @param type when given, the event must be of this type
   * @throws DomainError not_found
   */
  async void(
    identity: EventIdentity,
    note: CorrectionNote,
    type: string | null = null,
  ): Promise<RecordedCorrection> {
    return await this.database.transaction(async () => {
      const standing = await this.claim(identity);
      if (type !== null && standing.event.type !== type) {
        throw notFound(`event of the type '${type}'`, identity.id);
      }
      if (standing.kind === 'voided') {
        return standing.correction;
      }
      const now = this.clock.now();
      await this.append([{ sign: -1, event: standing.event }], note, now);
      return { ...note, at: now };
    });
  }

  /**
   * From now on the event counts as `next` makes it from what it counts now, also after it was voided.
   * Sent again, each of its bodies is a duplicate.
   *
   * @throws DomainError not_found
   */
  async replace(
    identity: EventIdentity,
    next: (standing: Standing) => Promise<UsageEvent> | UsageEvent,
    note: CorrectionNote,
  ): Promise<void> {
    await this.database.transaction(async () => {
      const standing = await this.claim(identity);
      const event = { ...(await next(standing)), ...identity };
      const added: SignedEvent = { sign: 1, event };
      const rows: SignedEvent[] =
        standing.kind === 'voided' ? [added] : [{ sign: -1, event: standing.event }, added];
      await this.append(rows, note, this.clock.now());
    });
  }

  private async append(
    rows: readonly SignedEvent[],
    note: CorrectionNote,
    now: Date,
  ): Promise<void> {
    await this.store.append(rows, note, now);
    this.database.afterCommit(() => {
      for (const listener of this.listeners) {
        listener();
      }
    });
  }

  /**
   * What the identity counts, locked until the transaction ends.
   *
   * @throws DomainError not_found
   */
  private async claim(identity: EventIdentity): Promise<Standing> {
    const batchId = await this.store.lock(identity);
    const standing = batchId === null ? null : await this.store.findStanding(identity, batchId);
    if (standing === null) {
      throw notFound('event', `${identity.source} ${identity.id}`);
    }
    return standing;
  }
}
