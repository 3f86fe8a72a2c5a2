/* What is told to endpoints: the types of messages, and the bytes that a message consists of. Pure. */

/** Every type of message and what it tells; a new type is a row here. */
const MESSAGE_TYPES = {
  'billing_period.closed': 'A billing period was closed and its line items were written.',
  'billing_period.fees_charged':
    'A first billing period began, and line items were written of its fees in advance.',
  'billing_period.held': 'A billing period that is due may not close, since a check does not pass.',
  'billing_period.released': 'A person let a held billing period close.',
  'customer.standing_changed':
    'A customer owes an invoice, is suspended for it, or owes none any longer.',
  'invoice.finalized': 'The provider finalized an invoice that carries our line items.',
  'invoice.finalization_failed':
    'The provider could not finalize an invoice that carries our line items.',
  'invoice.paid': 'An invoice that carries our line items was paid.',
  'invoice.payment_failed': 'A payment of an invoice that carries our line items failed.',
  'invoice.voided': 'An invoice that carries our line items was voided.',
  'invoice.window_closing':
    'Half of the time is over in which a draft of a Stripe subscription can be filled, and something is not on it.',
  'late_usage.billed': 'Late usage was billed on an invoice of its own.',
  'late_usage.held': 'Late usage of a closed billing period waits for a person to decide.',
  'meter.failing':
    'What came of a meter cannot be brought into its figures; answers are read from events.',
  'reconciliation.completed': 'The ledger was compared with Stripe, line by line.',
  'reconciliation.differences_found': 'The ledger and Stripe were found to differ.',
  'reconciliation.failed': 'The ledger could not be compared with Stripe.',
  'source.gap_closed': 'What was told to be missing of a source has come.',
  'source.gap_found': 'Fewer or more came of a source than it says that it sent.',
  'source.rejecting': 'The share of records of a source that are refused has reached its limit.',
  'source.silent': 'Nothing was stored from a source for longer than it is expected to send.',
  'usage.check_failed': 'What meters had counted was not what the stored events come to.',
  'webhook.test': 'Somebody asked for a test of the endpoint.',
} as const satisfies Record<string, string>;

export type MessageType = keyof typeof MESSAGE_TYPES;

export const MESSAGE_TYPE_NAMES = Object.keys(MESSAGE_TYPES) as readonly MessageType[];

/** The form of `data`; changes when it changes in a way that receivers could not read. */
const MESSAGE_API_VERSION = '2026-11-01';

/** Standard Webhooks asks for less than 20 KB; beyond this something is wrong with who publishes. */
const MAX_BODY_BYTES = 262_144;

export interface MessageContent {
  readonly type: MessageType;
  /** JSON values only: decimals as strings, times as ISO 8601. */
  readonly data: Readonly<Record<string, unknown>>;
  /** When what it tells happened. */
  readonly occurredAt: Date;
}

export interface WebhookMessage {
  /** Also the `webhook-id` of every attempt, by which receivers drop what they have seen. */
  readonly id: string;
  /** Grows with every message; a message of a transaction that was rolled back leaves a gap. */
  readonly sequence: number;
  readonly type: MessageType;
  /** The very bytes that are signed and sent. */
  readonly body: string;
  readonly createdAt: Date;
}

/**
 * The JSON text of a message: `type`, `timestamp` and `data` of Standard Webhooks 1.0.0 (section
 * "Payload structure"), and our version and number.
 *
 * @throws RangeError when it is longer than 256 KB
 */
export function messageBody({ type, data, occurredAt }: MessageContent, sequence: number): string {
  const body = JSON.stringify({
    type,
    timestamp: occurredAt.toISOString(),
    api_version: MESSAGE_API_VERSION,
    sequence,
    data,
  });
  if (Buffer.byteLength(body) > MAX_BODY_BYTES) {
    throw new RangeError(`A message '${type}' is longer than ${MAX_BODY_BYTES} bytes`);
  }
  return body;
}
