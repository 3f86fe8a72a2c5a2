/*
 * Replays: an endpoint gets messages once more, or those that it has missed. Asking for one only writes
 * what is wanted; the worker queues deliveries step by step, no faster than was asked for, and any
 * replica goes on where another one was killed. A replayed message has the same id, bytes and sequence.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { conflict, invalidField, notFound } from '../../kernel/errors.js';
import { newId } from '../../kernel/ids.js';
import { Database } from '../../platform/database/database.js';
import { type Page } from '../../platform/http/page.js';
import { EndpointsStore } from '../endpoints/endpoints.store.js';
import { type WebhookEndpoint } from '../endpoints/webhook-endpoint.js';
import { PositionsStore } from '../messages/positions.store.js';
import { MissedStore } from './missed.store.js';
import { bringsAllSince, type Replay, type ReplaySelection, roomOf } from './replay.js';
import { ReplaysStore } from './replays.store.js';

const STEP_MS = 1_000;
/** While nothing can be sent to its endpoint. */
const DISABLED_MS = 30_000;
/**
 * An endpoint that is disabled for longer ends its replay: what a replay is going to look at is never deleted, so
 * one that nobody remembers would keep every message for ever.
 */
const LONGEST_DISABLED_MS = 7 * 86_400_000;
/** Places looked at in one step, which bounds it when few of the messages are wanted. */
const EXAMINED_AT_ONCE = 10_000n;

export interface NewReplay {
  readonly endpointId: string;
  readonly selection: ReplaySelection;
  readonly perSecond: number;
}

@Injectable()
export class ReplaysService {
  constructor(
    private readonly store: ReplaysStore,
    private readonly missed: MissedStore,
    private readonly endpoints: EndpointsStore,
    private readonly positions: PositionsStore,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /**
   * Asks for a replay to an endpoint that is in use. Without types, those that the endpoint wants now.
   *
   * @throws DomainError not_found; `endpoint_disabled`; `replay_running`; invalid when an id is of no
   *   message that the endpoint may get
   */
  async request({ endpointId, selection, perSecond }: NewReplay, by: string): Promise<Replay> {
    return await this.database.transaction(async () => {
      const endpoint = await this.getInUse(endpointId);
      const { messageIds } = selection;
      if (messageIds !== null) {
        await this.refuseUnknown(messageIds, endpointId);
      }
      const isAsSubscribed = selection.types.length === 0 && messageIds === null;
      const now = this.clock.now();
      const replay: Replay = {
        id: newId('rpl'),
        endpointId,
        selection: { ...selection, types: isAsSubscribed ? endpoint.types : selection.types },
        perSecond,
        state: 'running',
        progress: null,
        queuedCount: 0,
        nextStepAt: now,
        createdAt: now,
        createdBy: by,
        finishedAt: null,
      };
      await this.store.insert(replay);
      return replay;
    });
  }

  /** One replay; throws not_found. */
  async get(id: string): Promise<Replay> {
    return found(await this.store.find(id), id);
  }

  /** Replays, newest first, of one endpoint or all. */
  async list(
    limit: number,
    before: string | null,
    endpointId: string | null,
  ): Promise<Page<Replay>> {
    return await this.store.list(limit, before, endpointId);
  }

  /** Queues nothing more; what is queued is still delivered. Throws not_found, `not_running`. */
  async cancel(id: string): Promise<Replay> {
    return await this.database.transaction(async () => {
      const replay = found(await this.store.find(id, 'for update'), id);
      if (replay.state !== 'running') {
        throw conflict('not_running', `The replay '${id}' is ${replay.state}.`);
      }
      return await this.finish(replay, 'cancelled');
    });
  }

  /** Makes one step of one replay that is due; answers how many were. */
  async stepOnce(): Promise<number> {
    const now = this.clock.now();
    if (!(await this.store.hasDue(now))) {
      return 0;
    }
    // What was committed before it was asked for has a place by then.
    await this.positions.placeAll();
    return await this.database.transaction(async () => {
      const replay = await this.store.claimDue(now);
      if (replay !== null) {
        await this.step(replay, now);
      }
      return replay === null ? 0 : 1;
    });
  }

  private async step(replay: Replay, now: Date): Promise<void> {
    const endpoint = await this.endpoints.find(replay.endpointId);
    if (endpoint === null || isForgotten(endpoint, now)) {
      await this.finish(replay, 'cancelled');
      return;
    }
    if (endpoint.disabled !== null) {
      await this.store.record({ ...replay, nextStepAt: after(now, DISABLED_MS) });
      return;
    }
    const { perSecond } = replay;
    const progress =
      replay.progress ?? (await this.store.measure(replay, await this.positions.last()));
    const room = roomOf(perSecond, await this.store.countWaiting(replay.id));
    const upTo = min(progress.position + EXAMINED_AT_ONCE, progress.untilPosition);
    const wanted = await this.store.listWanted(replay, progress.position, upTo, room);
    const deliveries = wanted.map(({ id }) => ({ id: newId('dlv'), messageId: id }));
    await this.store.queue(replay, deliveries, now);
    const position = wanted.length < room ? upTo : (wanted.at(-1)?.position ?? progress.position);
    const done: Replay = {
      ...replay,
      progress: { ...progress, position },
      queuedCount: replay.queuedCount + wanted.length,
      nextStepAt: room > 0 && wanted.length === 0 ? now : after(now, STEP_MS),
    };
    if (position < progress.untilPosition) {
      await this.store.record(done);
    } else {
      await this.finish(done, 'completed');
      await this.settleMissed(done, endpoint);
    }
  }

  private async finish(replay: Replay, state: 'completed' | 'cancelled'): Promise<Replay> {
    const finished: Replay = { ...replay, state, finishedAt: this.clock.now() };
    await this.store.record(finished);
    return finished;
  }

  /** What an endpoint missed while it was disabled is offered until it was brought. */
  private async settleMissed(
    { selection, progress }: Replay,
    endpoint: WebhookEndpoint,
  ): Promise<void> {
    const { missedFrom } = endpoint;
    if (
      missedFrom !== null &&
      progress !== null &&
      bringsAllSince(selection, endpoint.types, missedFrom)
    ) {
      await this.missed.settle(endpoint.id, missedFrom, progress.untilPosition);
    }
  }

  private async getInUse(endpointId: string): Promise<WebhookEndpoint> {
    const endpoint = await this.endpoints.find(endpointId);
    if (endpoint === null) {
      throw notFound('webhook endpoint', endpointId);
    }
    if (endpoint.disabled !== null) {
      throw conflict('endpoint_disabled', `The webhook endpoint '${endpointId}' is disabled.`);
    }
    return endpoint;
  }

  private async refuseUnknown(messageIds: readonly string[], endpointId: string): Promise<void> {
    const known = await this.store.findReplayable(messageIds, endpointId);
    const unknown = messageIds.find((id) => !known.has(id));
    if (unknown !== undefined) {
      throw invalidField(
        'messages',
        'unknown_message',
        `'${unknown}' is no message that this endpoint may get`,
      );
    }
  }
}

function found(replay: Replay | null, id: string): Replay {
  if (replay === null) {
    throw notFound('webhook replay', id);
  }
  return replay;
}

function isForgotten({ disabled }: WebhookEndpoint, now: Date): boolean {
  return disabled !== null && now.getTime() - disabled.at.getTime() > LONGEST_DISABLED_MS;
}

function after(instant: Date, ms: number): Date {
  return new Date(instant.getTime() + ms);
}

function min(left: bigint, right: bigint): bigint {
  return left < right ? left : right;
}
