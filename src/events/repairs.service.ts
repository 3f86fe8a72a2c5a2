/*
 * Settles what ingest put aside, each once and under a lock of its row. A conflict is settled in the
 * transaction of its correction. A rejected event goes through the queue of ingest, which commits by
 * itself: whoever dies before the row says so leaves it open, and repairing it again finds the event
 * stored.
 */
import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { conflict, invalidField, notFound } from '../kernel/errors.js';
import { CONFIG, type Config } from '../platform/config.js';
import { Database } from '../platform/database/database.js';
import { CorrectionsService } from './corrections.service.js';
import { type EventIdentity } from './event-key.js';
import { IngestQueue } from './ingest-queue.js';
import {
  type ShownConflict,
  type RejectedEvent,
  type Settlement,
  settledOtherwise,
} from './put-aside.js';
import { PutAsideStore } from './put-aside.store.js';
import { type Dialect, isObject, readUsageEvent, type UsageEvent } from './usage-event.js';

/** A repaired event as it was parsed. */
export interface ParsedEvent {
  readonly value: unknown;
  readonly dialect: Dialect;
}

@Injectable()
export class RepairsService {
  private readonly listeners: ((subject: string) => Promise<void>)[] = [];

  constructor(
    private readonly store: PutAsideStore,
    private readonly corrections: CorrectionsService,
    private readonly queue: IngestQueue,
    private readonly database: Database,
    private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * Stores an event in the place of one that was refused. Its age is judged as of when that one came.
   *
   * @throws DomainError not_found; invalid; conflict `event_conflicts`, `already_settled`
   */
  async repairRejection(id: string, parsed: ParsedEvent, by: string): Promise<RejectedEvent> {
    return await this.database.transaction(async () => {
      const rejection = await this.claimRejection(id);
      const event = this.read(parsed, rejection.receivedAt);
      const became = { source: event.source, id: event.id };
      const { state } = rejection.settlement;
      if (state !== 'open') {
        if (state === 'repaired' && isSame(rejection.became, became)) {
          return rejection;
        }
        throw settledOtherwise('rejected event', id, state);
      }
      const [outcome] = await this.queue.submit([event]);
      if (outcome === 'conflict') {
        throw conflict(
          'event_conflicts',
          'Another event with this source and id is stored; this one is among the conflicts now.',
        );
      }
      if (outcome !== 'accepted' && outcome !== 'duplicate') {
        throw invalidField('event', 'unstorable', 'PostgreSQL cannot hold a value of it');
      }
      const settlement = { state: 'repaired', at: this.clock.now(), by, reason: null } as const;
      await this.store.settleRejection(id, settlement, became);
      return { ...rejection, settlement, became };
    });
  }

  /** Nothing is to be counted of it. @throws DomainError not_found; conflict `already_settled` */
  async dismissRejection(id: string, reason: string, by: string): Promise<RejectedEvent> {
    return await this.database.transaction(async () => {
      const rejection = await this.claimRejection(id);
      if (rejection.settlement.state === 'dismissed') {
        return rejection;
      }
      if (rejection.settlement.state === 'repaired') {
        throw settledOtherwise('rejected event', id, 'repaired');
      }
      const settlement = { state: 'dismissed', at: this.clock.now(), by, reason } as const;
      await this.store.settleRejection(id, settlement, null);
      return { ...rejection, settlement };
    });
  }

  /** Calls back after a conflict was resolved here, with the subject of the body that was put aside. */
  onConflictResolved(listener: (subject: string) => Promise<void>): void {
    this.listeners.push(listener);
  }

  /**
   * Says which body of an identity counts: what counts now, or this other one in its place.
   *
   * @throws DomainError not_found; conflict `already_settled`
   */
  async resolveConflict(id: string, take: 'stored' | 'other', by: string): Promise<ShownConflict> {
    const resolved = await this.database.transaction(async () => {
      const found = await this.store.claimConflict(id);
      if (found === null) {
        throw notFound('conflict', id);
      }
      const state = take === 'other' ? 'repaired' : 'dismissed';
      if (found.settlement.state === state) {
        return found;
      }
      if (found.settlement.state !== 'open') {
        throw settledOtherwise('conflict', id, found.settlement.state);
      }
      const { event } = found;
      if (take === 'other') {
        const note = { reason: `The other body of the conflict ${id} was taken.`, by };
        await this.corrections.replace(event, () => event, note);
      }
      const settlement: Settlement = { state, at: this.clock.now(), by, reason: null };
      await this.store.settleConflict(id, settlement);
      return { ...found, settlement };
    });
    for (const listener of this.listeners) {
      await listener(resolved.event.subject);
    }
    const [shown] = await this.store.withStored([resolved]);
    return shown ?? { ...resolved, stored: null };
  }

  private async claimRejection(id: string): Promise<RejectedEvent> {
    const rejection = await this.store.claimRejection(id);
    if (rejection === null) {
      throw notFound('rejected event', id);
    }
    return rejection;
  }

  private read({ value, dialect }: ParsedEvent, receivedAt: Date): UsageEvent {
    const now = this.clock.now();
    const { maxAgeSeconds, maxAheadSeconds } = this.config.ingest;
    const waitedSeconds = (now.getTime() - receivedAt.getTime()) / 1_000;
    const rules = { now, maxAgeSeconds: maxAgeSeconds + waitedSeconds, maxAheadSeconds };
    // Without a time it is of when the refused one came, and not of when somebody repaired it.
    const timed = isObject(value)
      ? { ...value, time: value['time'] ?? receivedAt.toISOString() }
      : value;
    const read = readUsageEvent(timed, rules, dialect);
    if (read.outcome === 'rejected') {
      throw invalidField('event', read.code, read.detail);
    }
    return read.event;
  }
}

function isSame(left: EventIdentity | null, right: EventIdentity): boolean {
  return left?.source === right.source && left.id === right.id;
}
