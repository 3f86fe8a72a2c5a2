import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { PageQuery } from '../../platform/http/page.js';
import { IsStorableText } from '../../platform/http/validators.js';
import { LINE_ITEM_STATES, type LineItemState } from './line-item-state.js';

const MAX_NAME_LENGTH = 100;

export class LineItemsQuery extends PageQuery {
  /** Id or key. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  customer?: string;

  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  subscription?: string;

  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  billing_period?: string;

  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  invoice?: string;

  @IsOptional()
  @IsIn(LINE_ITEM_STATES)
  state?: LineItemState;
}

export class LineItemResponse {
  id: string;
  /** The key of the customer. */
  customer: string;
  subscription: string;
  billing_period: string;
  /** The key of the price. */
  price: string;
  kind: string;
  /** Null but for usage. */
  quantity: string | null;
  amount: string;
  amount_minor: number;
  currency: string;
  description: string;
  state: string;
  /** Null but in state failed. */
  failure: string | null;
  /** Why an invoice of its Stripe subscription could not carry it, so that a later one does. */
  carried_over: string | null;
  /** The line item that this one corrects. */
  corrects: string | null;
  /** Null when nobody collects it, and until its Stripe subscription makes the draft that carries it. */
  invoice: string | null;
  stripe_invoice_item_id: string | null;
  stripe_invoice_id: string | null;
  created_at: string;
}

class ExplainedPlan {
  id: string;
  key: string;
  version: number;
  version_id: string;
}

class ExplainedPrice {
  id: string;
  key: string;
  kind: string;
  /** Null but for usage. */
  @ApiProperty({ type: String, nullable: true })
  model: string | null;
  /** The usage of these groups only; null: all that no other price of the meter matches. */
  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' }, nullable: true })
  match: Record<string, string> | null;
}

class ExplainedMeter {
  id: string;
  key: string;
  name: string;
  unit: string;
  event_type: string;
  aggregation: string;
}

class ExplainedPeriod {
  id: string;
  start: string;
  end: string;
  time_zone: string;
}

/** One step of rating; which numbers it has depends on `step`. */
class RatingStepResponse {
  /**
   * `flat`, `included`, `per_unit`, `tier`, `package`, `percentage`, then `round`, whose `amount` is the
   * sum of those before; behind it `minimum` and `maximum`. The last `amount_minor` is that of the line.
   */
  step: string;
  quantity?: string;
  included?: string;
  charged_quantity?: string;
  from?: string;
  @ApiProperty({ type: String, nullable: true, required: false })
  up_to?: string | null;
  unit_price?: string;
  flat_amount?: string;
  package_size?: string;
  packages?: string;
  package_price?: string;
  percent?: string;
  limit?: string;
  total?: string;
  /** Exact, in major units. */
  amount: string;
  rounding?: string;
  currency?: string;
  amount_minor?: string;
}

/** How the amount came about, from usage to the cent. */
export class ExplanationResponse {
  line_item: string;
  customer: string;
  subscription: string;
  period: ExplainedPeriod;
  plan: ExplainedPlan;
  price: ExplainedPrice;
  /** Null but for usage. */
  meter: ExplainedMeter | null;
  /** Usage of all batches up to this one was counted. */
  cut_off_batch: number;
  quantity: string | null;
  steps: RatingStepResponse[];
  amount: string;
  amount_minor: number;
  currency: string;
}
