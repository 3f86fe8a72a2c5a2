/* A value that a meter could not read, and how a readable one takes its place: pure. */
import { LosslessNumber, parse, stringify } from 'lossless-json';
import { type RepairState, type Settlement } from '../events/put-aside.js';
import { type Dialect, isObject, readUsageEvent, type UsageEvent } from '../events/usage-event.js';
import { invalidField } from '../kernel/errors.js';

export const QUARANTINE_REASONS = [
  'missing',
  'not_a_number',
  'out_of_range',
  'not_a_value',
] as const;

export type QuarantineReason = (typeof QUARANTINE_REASONS)[number];

export interface QuarantinedValue {
  readonly id: string;
  /** Number of the meter. */
  readonly meter: number;
  readonly source: string;
  readonly eventId: string;
  readonly subject: string;
  readonly time: Date;
  readonly reason: QuarantineReason;
  /** JSON text; null when the event has none. */
  readonly value: string | null;
  /** Repaired when another body counts now; dismissed also when the event is void. */
  readonly settlement: Settlement;
}

export interface QuarantineCount {
  readonly meter: number;
  readonly source: string;
  readonly reason: QuarantineReason;
  readonly state: RepairState;
  readonly count: number;
}

/** What a person gives instead: the one value, or the whole data. */
export interface Amendment {
  readonly field: 'value' | 'data';
  readonly given: unknown;
}

/** Numbers of stored data stay text, whatever the request that amends it looked like. */
const EXACT: Dialect = {
  toText: (value) => stringify(value) ?? 'null',
  isLongNumber: (value) => value instanceof LosslessNumber,
  isSuspicious: true,
};
/** The time was judged when the event came. */
const ANY_TIME = { maxAgeSeconds: Infinity, maxAheadSeconds: Infinity, now: new Date(0) };

/**
 * The event with its data amended; a value goes to the end of the path.
 *
 * @throws DomainError invalid, when no event may hold such data
 */
export function amended(
  event: UsageEvent,
  { field, given }: Amendment,
  path: readonly string[],
): UsageEvent {
  const data = field === 'data' ? given : put(parse(event.data), path, given);
  const { source, id, type, subject, time } = event;
  const read = readUsageEvent({ source, id, type, subject, time, data }, ANY_TIME, EXACT);
  if (read.outcome === 'rejected') {
    throw invalidField(field, read.code, read.detail);
  }
  return { ...event, data: read.event.data };
}

function put(target: unknown, path: readonly string[], value: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) {
    return value;
  }
  const members = target ?? {};
  if (!isObject(members) || EXACT.isLongNumber(members)) {
    throw invalidField('value', 'no_place', `has no place at '${step}'; send the whole data`);
  }
  const inner = Object.hasOwn(members, step) ? members[step] : undefined;
  // Not by assignment: a step may be called __proto__.
  const entry = { value: put(inner, rest, value), enumerable: true, writable: true };
  return Object.defineProperty({ ...members }, step, { ...entry, configurable: true });
}
