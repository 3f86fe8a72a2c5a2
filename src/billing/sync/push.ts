import {
  type Rejected,
  type StripeFailure,
  type StripeResult,
} from '../../stripe/stripe-result.js';
import { type InvoiceSighting } from '../invoices/invoice.js';
import { type LedgerService } from '../ledger/ledger.service.js';
import { type SyncFailureCode } from './sync.js';

/** Why it is not sent, and waits for a person. */
export interface PushFailure {
  readonly outcome: 'failed';
  readonly code: SyncFailureCode;
  readonly message: string;
}

/** The draft was deleted at Stripe. */
export interface PushGone {
  readonly outcome: 'gone';
}

/** The draft was Stripe's own and is final without it: the next one carries it. */
export interface PushMissed {
  readonly outcome: 'missed';
  readonly sighting: InvoiceSighting;
  readonly message: string;
}

export type PushVerdict<Found> =
  | PushFailure
  | PushGone
  | PushMissed
  /** Stripe did not say what became of it: a later attempt looks first, and uses a new key. */
  | { readonly outcome: 'unclear'; readonly failure: StripeFailure }
  | { readonly outcome: 'done'; readonly found: Found };

/** How one kind of sync is looked for, sent and recorded. The order of these steps is the push service's. */
export interface Push<Found> {
  /** Whether it is looked for even when nothing can have been sent. */
  readonly alwaysLooks: boolean;
  /** The line items that fail with it. */
  readonly affected: Parameters<LedgerService['advance']>[0];
  /** All that Stripe has of it. Outside any transaction. */
  look(): Promise<StripeResult<readonly Found[]> | PushGone>;
  /** Why it must not be sent; null when nothing stands against it. */
  obstacle(isFresh: boolean): PushFailure | null;
  /** What else has to be written before it is sent; in the transaction that marks it as sent. */
  begin(isFresh: boolean, now: Date): Promise<void>;
  /** Asks Stripe. Outside any transaction. */
  send(idempotencyKey: string, isFresh: boolean): Promise<StripeResult<Found>>;
  /** Takes a refusal, looks at what the invoice is by now, and says what it comes to. */
  refused(refusal: Rejected): Promise<PushVerdict<Found>>;
  /** Why what Stripe has is not what was asked for; null when it is. */
  fault(found: Found): PushFailure | null;
  idOf(found: Found): string;
  /** Keeps what Stripe has; in the transaction that marks it as succeeded. */
  record(found: Found, now: Date): Promise<void>;
}
