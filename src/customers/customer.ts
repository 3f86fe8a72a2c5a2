/** Who pays. */
export interface Customer {
  readonly id: string;
  /** The caller's own name for the customer, unique. */
  readonly key: string;
  readonly name: string;
  readonly email: string | null;
  readonly currency: string;
  readonly timeZone: string;
  readonly stripeCustomerId: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** A subject belongs to one customer for a span of time, `[startsAt, endsAt)`. */
export interface CustomerSubject {
  readonly subject: string;
  readonly customerId: string;
  /** Null: since the first event that was ever sent. */
  readonly startsAt: Date | null;
  /** Null: until it is given to somebody else. */
  readonly endsAt: Date | null;
}

/** A customer whose usage changed from a moment on (null: all of it), since a subject was handed over. */
export interface SubjectChange {
  readonly customerId: string;
  readonly from: Date | null;
}

export type CustomerChanges = Partial<
  Pick<Customer, 'name' | 'email' | 'timeZone' | 'stripeCustomerId' | 'metadata'>
>;
