/* What is told to endpoints: the bytes that a message consists of. Pure. */
import { CATALOGUE, type MessageData, type MessageType } from './catalogue/catalogue.js';

export { MESSAGE_TYPE_NAMES, type MessageType } from './catalogue/catalogue.js';

/** The form of `data`; changes when it changes in a way that receivers could not read. */
export const MESSAGE_API_VERSION = '2026-11-01';

/** Standard Webhooks asks for less than 20 KB; beyond this something is wrong with who publishes. */
const MAX_BODY_BYTES = 262_144;

/** What is told: a type, and the `data` that the catalogue defines of it. */
export type MessageContent = {
  readonly [Type in MessageType]: {
    readonly type: Type;
    /** JSON values only: decimals as strings, times as ISO 8601. */
    readonly data: MessageData<Type>;
    /** When what it tells happened. */
    readonly occurredAt: Date;
  };
}[MessageType];

export interface WebhookMessage {
  /** Also the `webhook-id` of every attempt, by which receivers drop what they have seen. */
  readonly id: string;
  /**
   * Drawn when it was published: grows with every message, though one that was published first may
   * commit last; a message of a transaction that was rolled back leaves a gap.
   */
  readonly sequence: number;
  readonly type: MessageType;
  /** The very bytes that are signed and sent. */
  readonly body: string;
  /** The key of the customer whom it is about; null when it is about none. */
  readonly customer: string | null;
  /** The one endpoint that it is for; null: whichever wants its type. */
  readonly endpointId: string | null;
  /** Somebody tried an endpoint: nothing of it has happened. */
  readonly isTest: boolean;
  readonly createdAt: Date;
}

/**
 * The JSON text of a message: `type`, `timestamp` and `data` of Standard Webhooks 1.0.0 (section
 * "Payload structure"), our version and number, and `test` in a test.
 *
 * @throws RangeError when it is longer than 256 KB
 */
export function messageBody(
  { type, data, occurredAt }: MessageContent,
  sequence: number,
  isTest = false,
): string {
  const body = JSON.stringify({
    type,
    timestamp: occurredAt.toISOString(),
    api_version: MESSAGE_API_VERSION,
    sequence,
    ...(isTest && { test: true }),
    data,
  });
  if (Buffer.byteLength(body) > MAX_BODY_BYTES) {
    throw new RangeError(`A message '${type}' is longer than ${MAX_BODY_BYTES} bytes`);
  }
  return body;
}

/** The key of the customer whom `data` names; null when it names none. */
export function customerOf(data: MessageContent['data']): string | null {
  if (!('customer' in data)) {
    return null;
  }
  return typeof data.customer === 'string' ? data.customer : data.customer.key;
}

/** The example of a type, as it would be published. */
export function exampleContent(type: MessageType, occurredAt: Date): MessageContent {
  // The compiler cannot see that type and example are of one row.
  return { type, data: CATALOGUE[type].example, occurredAt } as MessageContent;
}
