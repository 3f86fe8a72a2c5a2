/** Who collects what a subscription costs: nobody but our own ledger, or Stripe by invoices of its own. */
export type Billing =
  | { readonly provider: 'none' }
  | {
      readonly provider: 'stripe';
      /** Whether the invoice is finalized, or left as a draft for a person. */
      readonly finalize: boolean;
    };

/** A customer on a plan, in `[startsAt, endsAt)`. */
export interface Subscription {
  readonly id: string;
  readonly customerId: string;
  readonly planId: string;
  readonly startsAt: Date;
  /** Null until it is cancelled; equal to startsAt when it was withdrawn before it began. */
  readonly endsAt: Date | null;
  /** Periods begin where months of the calendar begin. */
  readonly anchor: 'calendar';
  readonly timeZone: string;
  readonly billing: Billing;
  readonly createdAt: Date;
}
