/*
 * Every type of message that there is, one definition each, by the folder that tells it. A type that is
 * not here cannot be published, nor asked for by an endpoint; its `data` must be what is defined here.
 */
import { BILLING_PERIOD_MESSAGES } from './billing-period-messages.js';
import { INVOICE_MESSAGES } from './invoice-messages.js';
import { type MessageDefinition } from './message-definition.js';
import { type Of } from './shape.js';
import { METER_EVENT_MESSAGES } from './meter-event-messages.js';
import { REPORTED_MESSAGES } from './reported-messages.js';
import { SOURCE_MESSAGES } from './source-messages.js';
import { THRESHOLD_MESSAGES } from './threshold-messages.js';
import { USAGE_MESSAGES } from './usage-messages.js';
import { WEBHOOK_MESSAGES } from './webhook-messages.js';

export const CATALOGUE = {
  ...BILLING_PERIOD_MESSAGES,
  ...INVOICE_MESSAGES,
  ...METER_EVENT_MESSAGES,
  ...REPORTED_MESSAGES,
  ...SOURCE_MESSAGES,
  ...THRESHOLD_MESSAGES,
  ...USAGE_MESSAGES,
  ...WEBHOOK_MESSAGES,
} as const satisfies Record<string, MessageDefinition<object>>;

export type MessageType = keyof typeof CATALOGUE;

/** What `data` of a message of the type is. */
export type MessageData<Type extends MessageType> = Of<(typeof CATALOGUE)[Type]['data']>;

/** In the order of the alphabet. */
export const MESSAGE_TYPE_NAMES = (Object.keys(CATALOGUE) as MessageType[]).toSorted();

/** Whether there is such a type. */
export function isMessageType(text: string): text is MessageType {
  return Object.hasOwn(CATALOGUE, text);
}
