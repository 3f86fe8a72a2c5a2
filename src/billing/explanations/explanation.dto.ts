import { ApiProperty } from '@nestjs/swagger';
import { MeterResponse } from '../../meters/meter-response.js';
import { IsStorableText } from '../../platform/http/validators.js';

const MAX_NAME_LENGTH = 256;

class ExplainedPlan {
  id: string;
  key: string;
  version: number;
  version_id: string;
  /** When the version was made; it never changed since. */
  created_at: string;
}

class ExplainedPrice {
  id: string;
  key: string;
  kind: string;
  /** Null but for usage. */
  @ApiProperty({ type: String, nullable: true })
  model: string | null;
  /** What the price says, as plans have it: `unit_price`, `tiers`, `included`, … by kind and model. */
  @ApiProperty({ type: 'object', additionalProperties: true })
  terms: object;
  /** The usage of these groups only; null: all that no other price of the meter matches. */
  @ApiProperty({ type: 'object', additionalProperties: { type: 'string' }, nullable: true })
  match: Record<string, string> | null;
}

class ExplainedSpan {
  start: string;
  /** Null: it goes on. */
  end: string | null;
}

class ExplainedPeriod {
  id: string;
  start: string;
  end: string;
  time_zone: string;
  /** Spans of the period of which no usage counts. */
  pauses: ExplainedSpan[];
}

class ExplainedDay {
  start: string;
  end: string;
  /** What the day comes to by itself; null when nothing was counted and that is not 0. */
  quantity: string | null;
  /** Of an adjustment: what the day came to before. */
  before: string | null;
}

class ExplainedGroup {
  /** A value of each group of the meter; null: the events have none. */
  @ApiProperty({
    type: 'object',
    additionalProperties: { anyOf: [{ type: 'string' }, { type: 'null' }] },
  })
  group: Record<string, string | null>;
  quantity: string | null;
  /** Of an adjustment: what the group came to before. */
  before: string | null;
}

class ExplainedUsage {
  /**
   * Whether days, and groups, add up to the quantity: `exactly`; `but_for_rounding` at the twelfth digit
   * after the point; or `no`, as a maximum or a number of distinct values does not.
   */
  adds_up: string;
  /** Every day of the period in its time zone; the first and last are cut where the period is. */
  by_day: ExplainedDay[];
  /** The largest first, 1,000 at most; of an adjustment none when there are more. */
  by_group: ExplainedGroup[];
  /** Whether there are more groups than are shown. */
  has_more_groups: boolean;
  /** What those come to together, where groups add up. */
  other_groups: string | null;
}

/** One step of rating; which numbers it has depends on `step`. */
class RatingStepResponse {
  /**
   * `flat`, `included`, `per_unit`, `tier`, `package`, `percentage`, then `round`, whose `amount` is the
   * sum of those before; behind it `minimum` and `maximum`. The last `amount_minor` is that of the line,
   * and of an adjustment that of the whole price in its period.
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

class ExplainedRounding {
  /** `half_up_away_from_zero`, once for the whole line. */
  rule: string;
  /** Before it, in major units. */
  exact_amount: string;
  /** After it, in minor units as Stripe has them. */
  amount_minor: string;
}

class RelatedLineItem {
  line_item: string;
  kind: string;
  quantity: string | null;
  amount: string;
  amount_minor: number;
  cut_off_batch: number;
  state: string;
  description: string;
}

class ExplainedStripe {
  customer_id: string | null;
  invoice_id: string | null;
  invoice_item_id: string | null;
}

/** How the amount came about, from usage to the cent. */
export class ExplanationResponse {
  line_item: string;
  kind: string;
  customer: string;
  subscription: string;
  period: ExplainedPeriod;
  plan: ExplainedPlan;
  price: ExplainedPrice;
  /** Its definition; null but for usage. */
  meter: MeterResponse | null;
  /** Usage of all batches up to this one was counted. */
  cut_off_batch: number;
  /**
   * Whose subjects were when it was counted: `as_seen` then; or `by_clock`, of line items that were
   * written before that was recorded. Null but for usage.
   */
  ownership: string | null;
  quantity: string | null;
  /** Null but for usage, and when events were dropped. */
  usage: ExplainedUsage | null;
  /** Where the very events are listed, page by page with a cursor; null but for usage. */
  events: string | null;
  /** Months of receipt of which events were dropped that may have counted; then `usage` is null. */
  dropped_months: string[];
  steps: RatingStepResponse[];
  /** Null but for fees and usage, which have amounts to round. */
  rounding: ExplainedRounding | null;
  /** Of a `minimum` or `maximum`: the line items whose sum it looked at. */
  looked_at: RelatedLineItem[];
  amount: string;
  amount_minor: number;
  currency: string;
  /** Of an adjustment: what was billed of the same price and period before. */
  corrects: RelatedLineItem[];
  /** The adjustments that corrected it since. */
  adjustments: RelatedLineItem[];
  /** All of these and the line item together. */
  total_amount: string;
  total_amount_minor: number;
  description: string;
  state: string;
  invoice: string | null;
  stripe: ExplainedStripe;
  created_at: string;
}

export class CountedEventResponse {
  source: string;
  id: string;
  subject: string;
  time: string;
  /** The batch in which this body came. */
  batch: number;
  received_at: string;
  @ApiProperty({
    type: 'object',
    additionalProperties: { anyOf: [{ type: 'string' }, { type: 'null' }] },
  })
  group: Record<string, string | null>;
  /** What the meter reads of it; 1 of a count. */
  value: string;
  /**
   * `counted`; `carried` of a level from before that still held; and of an adjustment `taken_back` when it
   * was counted before and is no longer.
   */
  as: string;
}

class ComparedOutcome {
  quantity: string | null;
  amount: string;
  amount_minor: number;
}

/** What a line item comes to when it is computed again. */
export class VerificationResponse {
  line_item: string;
  /** `agrees` to the cent and in its quantity, `differs`, or `unverifiable`. */
  outcome: string;
  /** Null when it cannot be told. */
  @ApiProperty({ type: Boolean, nullable: true })
  agrees: boolean | null;
  /** The same as `agrees`. */
  @ApiProperty({ type: Boolean, nullable: true })
  matches: boolean | null;
  /** What is stored, as in `stored`. */
  quantity: string | null;
  amount_minor: number;
  /** What it comes to, as in `recomputed`; null when it cannot be told. */
  recomputed_quantity: string | null;
  @ApiProperty({ type: Number, nullable: true })
  recomputed_amount_minor: number | null;
  /** Why it cannot be told: `events_dropped` or `not_rated`. */
  reason: string | null;
  dropped_months: string[];
  cut_off_batch: number;
  /** As in the explanation. */
  ownership: string | null;
  currency: string;
  stored: ComparedOutcome;
  recomputed: ComparedOutcome | null;
  /** Recomputed less stored. */
  difference: ComparedOutcome | null;
  /**
   * Of an adjustment: all that was billed of the same price and period before, or dismissed as late usage,
   * which it is the difference to.
   */
  billed_before: ComparedOutcome | null;
  /** Whether the stored steps are those of the recomputed amount. */
  @ApiProperty({ type: Boolean, nullable: true })
  steps_agree: boolean | null;
  /** Of the recomputed amount; of an adjustment those of the whole price in its period. */
  steps: RatingStepResponse[];
}

export class EventLineItemsQuery {
  /** The event's source. */
  @IsStorableText(MAX_NAME_LENGTH)
  source: string;

  /** The event's id. */
  @IsStorableText(MAX_NAME_LENGTH)
  id: string;
}

class EventEffect {
  /** `counted`, `carried` or `taken_back`. */
  as: string;
  value: string;
  time: string;
  subject: string;
}

class EventLineItem {
  line_item: string;
  kind: string;
  customer: string;
  subscription: string;
  billing_period: string;
  period_start: string;
  period_end: string;
  price: string;
  meter: string;
  cut_off_batch: number;
  invoice: string | null;
  /** What it counted of the event; an adjustment may take one body back and count another. */
  effects: EventEffect[];
}

export class EventLineItemsResponse {
  source: string;
  id: string;
  /** Whether the event was dropped, so that nothing can be said. */
  dropped: boolean;
  line_items: EventLineItem[];
}
