/* Which meter of ours goes to which of Stripe's. */

/** How events for the meter are written at Stripe. */
export interface MeterAtStripe {
  readonly stripeMeterId: string;
  readonly customerKey: string;
  readonly valueKey: string;
  /** Null when the key may not tell. */
  readonly accountId: string | null;
}

export interface MeterLink {
  readonly meterId: string;
  readonly eventName: string;
  /** Null until it was found at Stripe. */
  readonly found: MeterAtStripe | null;
  /** Why it cannot be used, as of lookedAt; null when it can, or was not looked for. */
  readonly failure: string | null;
  readonly lookedAt: Date | null;
  readonly createdAt: Date;
}

/** Whether usage can be sent to it now. */
export type UsableMeter =
  | { readonly isUsable: true; readonly eventName: string; readonly at: MeterAtStripe }
  | { readonly isUsable: false; readonly reason: string };
