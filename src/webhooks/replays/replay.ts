/* Messages that an endpoint is to get once more, or at last: which, how fast, and how far that is. Pure. */
import { type MessageType } from '../webhook-message.js';

export const REPLAY_SCOPES = ['all', 'undelivered', 'failed'] as const;

/**
 * `all`: whatever was delivered before; `undelivered`: what the endpoint has not taken, whether it was
 * ever tried or not; `failed`: what was tried, given up, and not taken since. What is under way to the
 * endpoint already is in none of them.
 */
export type ReplayScope = (typeof REPLAY_SCOPES)[number];

export type ReplayState = 'running' | 'completed' | 'cancelled';

/** Which messages are asked for. */
export interface ReplaySelection {
  readonly scope: ReplayScope;
  /** Null: all that the rest says. */
  readonly messageIds: readonly string[] | null;
  /** None: every type. */
  readonly types: readonly MessageType[];
  /** The key of a customer; null: any, or none. */
  readonly customer: string | null;
  /** Published within `[from, to)`; each null: at any time. */
  readonly from: Date | null;
  readonly to: Date | null;
}

/** Where it is among the places of messages. */
export interface ReplayProgress {
  /** It begins behind this place, */
  readonly fromPosition: bigint;
  /** has looked at all up to this one, */
  readonly position: bigint;
  /** and ends with this one. */
  readonly untilPosition: bigint;
  /** How many messages it found when it began. */
  readonly totalCount: number;
}

export interface Replay {
  readonly id: string;
  readonly endpointId: string;
  readonly selection: ReplaySelection;
  /** Deliveries that are queued in a second, at most. */
  readonly perSecond: number;
  readonly state: ReplayState;
  /** Null until its first step. */
  readonly progress: ReplayProgress | null;
  readonly queuedCount: number;
  readonly nextStepAt: Date;
  readonly createdAt: Date;
  /** The id of an API key. */
  readonly createdBy: string;
  /** Null while it is running. */
  readonly finishedAt: Date | null;
}

/** From 0 to 1: how much of what it has to look at it has looked at. */
export function shareDone({ state, progress }: Pick<Replay, 'state' | 'progress'>): number {
  if (progress === null) {
    return state === 'completed' ? 1 : 0;
  }
  const { fromPosition, position, untilPosition } = progress;
  const all = untilPosition - fromPosition;
  return all <= 0n ? 1 : Number(((position - fromPosition) * 1_000n) / all) / 1_000;
}

/** How many waiting deliveries of a replay an endpoint may have, in seconds of its rate. */
const WAITING_SECONDS = 5;

/**
 * How many deliveries the next step may queue: as many as one second takes, and none while the
 * endpoint is behind, so that what happens now does not wait behind what is replayed.
 */
export function roomOf(perSecond: number, waitingCount: number): number {
  return Math.max(Math.min(perSecond, perSecond * WAITING_SECONDS - waitingCount), 0);
}

/** Whether it brings all that the endpoint has missed since then, whatever it was about. */
export function bringsAllSince(
  { scope, messageIds, types, customer, from, to }: ReplaySelection,
  endpointTypes: readonly MessageType[],
  missedFrom: Date,
): boolean {
  const isOfAllTypes =
    types.length === 0 ||
    (endpointTypes.length > 0 && endpointTypes.every((type) => types.includes(type)));
  return (
    scope !== 'failed' &&
    messageIds === null &&
    customer === null &&
    isOfAllTypes &&
    to === null &&
    (from === null || from <= missedFrom)
  );
}
