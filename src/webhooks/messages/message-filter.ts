/* Which messages a list shows. */
import { type DeliveryState } from '../deliveries/webhook-delivery.js';
import { type MessageType } from '../webhook-message.js';

export interface MessageFilter {
  /** None: any. */
  readonly types: readonly MessageType[];
  /** The key of a customer; null: any, or none. */
  readonly customer: string | null;
  /** Published within `[from, to)`; each null: at any time. */
  readonly from: Date | null;
  readonly to: Date | null;
}

export const ANY_MESSAGE: MessageFilter = { types: [], customer: null, from: null, to: null };

/** How many deliveries of a message are in each state; a state without any is left out. */
export type StateCounts = Readonly<Partial<Record<DeliveryState, number>>>;
