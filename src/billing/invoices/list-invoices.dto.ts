import { IsIn, IsOptional } from 'class-validator';
import { PageQuery } from '../../platform/http/page.js';
import { IsStorableText } from '../../platform/http/validators.js';
import { INVOICE_STATES, type InvoiceState } from './invoice.js';

const MAX_NAME_LENGTH = 100;

export class InvoicesQuery extends PageQuery {
  /** Id or key. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  customer?: string;

  /** In this state. */
  @IsOptional()
  @IsIn(INVOICE_STATES)
  state?: InvoiceState;
}

export class InvoiceResponse {
  id: string;
  /** The key of the customer. */
  customer: string;
  billing_period: string;
  currency: string;
  /** `stripe`, or `webhook` when another platform collects it and reports its line items. */
  provider: string;
  /** `own_invoice`: made here. `subscription`: Stripe made it for `stripe_subscription`, and finalizes it. */
  mode: string;
  stripe_subscription: string | null;
  /** Whether it is finalized here; else a person does it at Stripe. */
  finalize: boolean;
  /** What Stripe said last; `pending` until it has a draft. With `webhook`: where its line items stand together. */
  state: string;
  number: string | null;
  total: string | null;
  total_minor: number | null;
  amount_paid: string | null;
  amount_paid_minor: number | null;
  hosted_invoice_url: string | null;
  stripe_invoice_id: string | null;
  line_items: string[];
  created_at: string;
  updated_at: string;
}
