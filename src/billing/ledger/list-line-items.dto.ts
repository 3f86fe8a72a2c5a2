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

  /** Id of the subscription. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  subscription?: string;

  /** Id of the billing period. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  billing_period?: string;

  /** Id of the invoice. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  invoice?: string;

  /** In this state. */
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
  /** Null but for usage; of an adjustment how much more or less was counted. */
  quantity: string | null;
  amount: string;
  amount_minor: number;
  currency: string;
  description: string;
  state: string;
  /** Null but in state failed. */
  failure: string | null;
  /** The line item that this one corrects; null but for an adjustment. */
  corrects: string | null;
  /** The billing period whose closing wrote an adjustment; null after the subscription had ended. */
  billed_in: string | null;
  /** Why an invoice of its Stripe subscription could not carry it, so that a later one does. */
  carried_over: string | null;
  /** Null when nobody collects it, and until its Stripe subscription makes the draft that carries it. */
  invoice: string | null;
  stripe_invoice_item_id: string | null;
  stripe_invoice_id: string | null;
  /** What the platform that collects it calls it; null until it has said so. */
  external_id: string | null;
  /** The message that told that platform of it; null with another provider. */
  webhook_message: string | null;
  /** When that platform had it; null while it waits for that. */
  acknowledged_at: string | null;
  created_at: string;
}
