/* Which subjects are a customer's, from when until when, as SQL: as it is, or as it was. Pure. */
import { type Parameters } from './meter-sql.js';

/** A moment in the history of ownership: after the change of a number, or at a time of our clock. */
export type OwnershipMoment =
  | { readonly kind: 'number'; readonly number: bigint }
  | { readonly kind: 'time'; readonly at: Date };

/** Whose usage: a customer's. */
export interface OfCustomer {
  readonly kind: 'customer';
  readonly customerId: string;
  /** Subjects belong to whom they belonged then; to whom they belong now by default. */
  readonly ownedAsOf?: OwnershipMoment;
}

/**
 * A table `owner` of the spans of a customer. A span ends when the subject is given to the next owner,
 * from the end on: as it was, one who came later had not ended it. Index on customer_id; primary key for
 * the next owner.
 */
export function ownedByCustomer(
  { customerId, ownedAsOf: moment }: OfCustomer,
  parameters: Parameters,
): string {
  const customer = parameters.add(customerId);
  if (moment === undefined) {
    return `(SELECT subject, customer_id, starts_at, ends_at FROM customer_subjects
        WHERE customer_id = ${customer}) AS owner`;
  }
  const wasThere =
    moment.kind === 'number'
      ? `number <= ${parameters.add(moment.number.toString())}`
      : `created_at <= ${parameters.add(moment.at)}`;
  return `(SELECT owned.subject, owned.customer_id, owned.starts_at,
      CASE WHEN EXISTS (SELECT FROM customer_subjects AS next
          WHERE next.subject = owned.subject AND next.starts_at = owned.ends_at AND NOT next.${wasThere})
        THEN 'infinity' ELSE owned.ends_at END AS ends_at
    FROM customer_subjects AS owned
    WHERE owned.customer_id = ${customer} AND owned.${wasThere}) AS owner`;
}
