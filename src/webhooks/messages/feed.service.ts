/*
 * Messages in an order that never changes, for receivers that would rather pull, or must catch up. A
 * reader who goes on from the cursor that it was given last misses nothing, and sees nothing twice.
 */
import { Injectable } from '@nestjs/common';
import { conflict, invalidField, notFound } from '../../kernel/errors.js';
import { type Page, readCursor, toCursor } from '../../platform/http/page.js';
import { MessagesStore } from '../messages.store.js';
import { type WebhookMessage } from '../webhook-message.js';
import { type MessageFilter, type StateCounts } from './message-filter.js';
import { PositionsStore } from './positions.store.js';

/** The cursor of who has read nothing yet. */
export const FROM_START = 'start';
/** A bigint that PostgreSQL can hold. */
const NUMBER = /^\d{1,18}$/;

/** How far somebody has read. */
interface FeedPosition {
  readonly position: bigint;
  /** Up to where messages had been deleted when he began. */
  readonly deleted: bigint;
}

@Injectable()
export class FeedService {
  constructor(
    private readonly messages: MessagesStore,
    private readonly positions: PositionsStore,
  ) {}

  /**
   * The messages after a cursor, oldest first, and the cursor to go on from, now or later: there always
   * is one. As many as asked for, or there are no more for now.
   *
   * @throws DomainError `cursor_expired` when retention has deleted what it has not read
   */
  async follow(after: string, limit: number, filter: MessageFilter): Promise<Page<WebhookMessage>> {
    const from = after === FROM_START ? await this.start() : positionOf(after);
    await this.positions.placeAll();
    // Before what is read: what the filter leaves out up to here need not be looked at again.
    const last = await this.positions.last();
    const found = await this.messages.listAfter(from.position, limit, filter);
    // After what is read: what was deleted meanwhile may be what is missing.
    if ((await this.positions.lastDeleted()) > max(from.position, from.deleted)) {
      throw conflict(
        'cursor_expired',
        'Messages behind this cursor were deleted, being older than they are kept. Go on from the start.',
      );
    }
    const reached = found.at(-1)?.position ?? from.position;
    const next = found.length < limit ? max(last, reached) : reached;
    return {
      items: found.map(({ message }) => message),
      nextCursor: toCursor([String(next), String(from.deleted)]),
    };
  }

  /** One message with how its deliveries stand; throws not_found. */
  async get(id: string): Promise<{ message: WebhookMessage; deliveries: StateCounts }> {
    const found = await this.messages.find(id);
    if (found === null) {
      throw notFound('webhook message', id);
    }
    return found;
  }

  /** Whoever begins misses nothing of what was deleted by then. */
  private async start(): Promise<FeedPosition> {
    return { position: 0n, deleted: await this.positions.lastDeleted() };
  }
}

function positionOf(cursor: string): FeedPosition {
  const [position = '', deleted = ''] = readCursor(cursor, 2, NUMBER, 'after') ?? [];
  if (!NUMBER.test(deleted)) {
    throw invalidField('after', 'invalid_cursor', 'is not a next_cursor of this list');
  }
  return { position: BigInt(position), deleted: BigInt(deleted) };
}

function max(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}
