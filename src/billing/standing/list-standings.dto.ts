import { IsIn, IsOptional } from 'class-validator';
import { PageQuery } from '../../platform/http/page.js';
import { type Standing } from './standing.js';

const LISTED_STANDINGS = ['past_due', 'suspended'] as const satisfies readonly Standing[];

export class StandingsQuery extends PageQuery {
  /** Both by default. */
  @IsOptional()
  @IsIn(LISTED_STANDINGS)
  standing?: (typeof LISTED_STANDINGS)[number];
}

export class UnpaidInvoiceResponse {
  invoice: string;
  /** From when on it is past due, which may be to come; null while it was only finalized. */
  past_due_at: string | null;
  /** Whether it was marked uncollectible at Stripe. */
  written_off: boolean;
}

export class StandingResponse {
  /** The key of the customer. */
  customer: string;
  /** `good`, `past_due` or `suspended`. */
  standing: string;
  /** When it became so; null when it never was anything else. */
  changed_at: string | null;
  /** When it changes if nothing is paid until then; null when it does not. */
  next_change_at: string | null;
  /** When the first unpaid invoice was past due, or is going to be; null when none is. */
  past_due_since: string | null;
  /** Invoices that are final at Stripe and not paid. */
  unpaid_invoices: UnpaidInvoiceResponse[];
}
