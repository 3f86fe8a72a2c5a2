/* What a provider event is, and how one is read from Stripe's JSON. */
import { isStorable } from '../platform/http/validators.js';

/**
 * The types that are followed; all others are kept as seen (docs.stripe.com/api/events/types). The
 * event list takes at most 20 types.
 */
export const FOLLOWED_TYPES = [
  'invoice.created',
  'invoice.updated',
  'invoice.finalized',
  'invoice.paid',
  'invoice.payment_succeeded',
  'invoice.payment_failed',
  'invoice.payment_action_required',
  'invoice.payment_attempt_required',
  'invoice.overdue',
  'invoice.voided',
  'invoice.marked_uncollectible',
  'invoice.deleted',
  'invoice.finalization_failed',
  'invoice.overpaid',
  'invoice.will_be_due',
  'invoice.sent',
  'customer.subscription.deleted',
] as const;

/**
 * What is told by thin events only: of meter events that Stripe took and cannot count. Neither in the event
 * list nor about an object of theirs; they are claimed apart from the others.
 */
export const METER_REPORT_TYPES = [
  'v1.billing.meter.error_report_triggered',
  'v1.billing.meter.no_meter_found',
] as const;

/** What provider events are about, and thereby who claims them. */
export type ProviderEventKind = 'billing' | 'meter_reports';

/** What the names of thin events about objects of the API v1 begin with (docs.stripe.com/event-destinations). */
export const THIN_PREFIX = 'v1.';

export const PROVIDER_EVENT_STATES = ['pending', 'processed', 'ignored', 'failed'] as const;

export type ProviderEventState = (typeof PROVIDER_EVENT_STATES)[number];

/** One event of Stripe's, from a webhook or from the event list. */
export interface ReadEvent {
  readonly id: string;
  readonly type: string;
  /** The object it is about; null when it names none. */
  readonly objectId: string | null;
  readonly livemode: boolean;
  readonly occurredAt: Date;
  /** Whether it says nothing of its object but its id (docs.stripe.com/event-destinations). */
  readonly isThin: boolean;
  /** The snapshot event that tells of the same thing; null but for some thin events. */
  readonly snapshotEventId: string | null;
}

/** An event as kept in the inbox. */
export interface ProviderEvent extends Omit<ReadEvent, 'isThin'> {
  readonly via: 'webhook' | 'poll';
  readonly receivedAt: Date;
  readonly state: ProviderEventState;
  readonly attemptCount: number;
  readonly nextAttemptAt: Date;
  readonly lastError: string | null;
  readonly processedAt: Date | null;
  /** The body as signed, or as listed. */
  readonly payload: string;
}

type Json = Readonly<Record<string, unknown>>;

const MAX_NAME_LENGTH = 255;

/**
 * Reads the text of a snapshot event or of a thin one.
 *
 * @returns null when it is neither
 */
export function readEvent(text: string): ReadEvent | null {
  const body = parseObject(text);
  if (body === null || !isName(body['id']) || !isName(body['type'])) {
    return null;
  }
  const isThin = body['object'] === 'v2.core.event';
  const occurredAt = isThin ? new Date(String(body['created'])) : fromSeconds(body['created']);
  if ((!isThin && body['object'] !== 'event') || Number.isNaN(occurredAt.getTime())) {
    return null;
  }
  const about = isThin ? body['related_object'] : objectOf(body)?.['object'];
  const objectId = isObject(about) && isName(about['id']) ? about['id'] : null;
  const livemode = body['livemode'] === true;
  const paired = isThin ? body['snapshot_event'] : null;
  return {
    id: body['id'],
    type: body['type'],
    objectId,
    livemode,
    occurredAt,
    isThin,
    snapshotEventId: isName(paired) ? paired : null,
  };
}

/** Whether an event reports of meter events. */
export function isMeterReport({ type, isThin }: Pick<ReadEvent, 'type' | 'isThin'>): boolean {
  return isThin && (METER_REPORT_TYPES as readonly string[]).includes(type);
}

/** Whether an event is one of a thin kind, by its type. */
export function isThinType(type: string): boolean {
  return type.startsWith(THIN_PREFIX);
}

/** The type of the snapshot event that tells the same as this one. */
export function plainType(type: string): string {
  return isThinType(type) ? type.slice(THIN_PREFIX.length) : type;
}

/** The metadata of the object as it was when the event came about; empty when it had none. */
export function metadataOf(payload: string): Readonly<Record<string, unknown>> {
  const about = objectOf(parseObject(payload) ?? {})?.['object'];
  const metadata = isObject(about) ? about['metadata'] : null;
  return isObject(metadata) ? metadata : {};
}

/** The subscription that an invoice was made for, as the event has it; null when it names none. */
export function subscriptionOf(payload: string): string | null {
  const about = objectOf(parseObject(payload) ?? {})?.['object'];
  const parent = isObject(about) ? about['parent'] : null;
  const details = isObject(parent) ? parent['subscription_details'] : null;
  const subscription = isObject(details) ? details['subscription'] : null;
  return isName(subscription) ? subscription : null;
}

function objectOf(body: Json): Json | null {
  return isObject(body['data']) ? body['data'] : null;
}

function parseObject(text: string): Json | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch (error) {
    if (error instanceof SyntaxError) {
      return null;
    }
    throw error;
  }
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isName(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value !== '' &&
    value.length <= MAX_NAME_LENGTH &&
    isStorable(value)
  );
}

function fromSeconds(seconds: unknown): Date {
  return new Date(typeof seconds === 'number' ? seconds * 1_000 : Number.NaN);
}
