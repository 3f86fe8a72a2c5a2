import { ApiProperty } from '@nestjs/swagger';
import { IsIn, IsOptional } from 'class-validator';
import { LINE_FORMATS, type LineFormat } from '../../platform/http/line-format.js';
import { PageQuery } from '../../platform/http/page.js';
import { by, IsInstantText, isStorable, IsStorableText } from '../../platform/http/validators.js';
import {
  DIFFERENCE_CLASSES,
  DIFFERENCE_STATES,
  type DifferenceClass,
  type DifferenceState,
  type Repair,
  REPAIRS,
} from './difference.js';
import { type ReconciliationState } from './reconciliation.js';

const MAX_REASON_LENGTH = 500;
/** Of one request; `all` has no bound. */
const MAX_REPAIRS = 1_000;

const AreDifferences = by(
  'areDifferences',
  (value) =>
    value === 'all' ||
    (Array.isArray(value) &&
      value.length > 0 &&
      value.length <= MAX_REPAIRS &&
      value.every((id) => typeof id === 'string' && isStorable(id))),
  `must be "all" or an array of 1 to ${MAX_REPAIRS} ids of differences`,
);

export class ReconcileDto {
  /** Invoices that were opened here at this time or later, and what was made at Stripe then. */
  @IsInstantText()
  from: string;

  /** Before this time, which must not be in the future. */
  @IsInstantText()
  to: string;
}

export class DifferencesQuery extends PageQuery {
  /** Of this class. */
  @IsOptional()
  @IsIn(DIFFERENCE_CLASSES)
  class?: DifferenceClass;

  /** In this state. */
  @IsOptional()
  @IsIn(DIFFERENCE_STATES)
  state?: DifferenceState;
}

export class AcceptDifferenceDto {
  /** Why it may stay; kept with it. */
  @IsStorableText(MAX_REASON_LENGTH)
  reason: string;
}

export class ReportQuery {
  /** What is answered, whatever the header `Accept` says. */
  @IsOptional()
  @IsIn(LINE_FORMATS)
  format?: LineFormat;
}

export class ReconciliationTotalsResponse {
  currency: string;
  /** What the ledger bills. What was voided counts on neither side. */
  ledger: string;
  ledger_minor: number;
  /** What Stripe bills of it. */
  stripe: string;
  stripe_minor: number;
  /** Stripe less the ledger: what the differences come to. */
  gap: string;
  gap_minor: number;
  /** Line items that were still on their way, which are counted on neither side. */
  in_flight: string;
  in_flight_minor: number;
  in_flight_count: number;
  /** Invoice items at Stripe that were not made here. */
  not_ours: string;
  not_ours_minor: number;
  not_ours_count: number;
}

export class ReconciliationResponse {
  id: string;
  from: string;
  to: string;
  /** The date of the night; null when somebody asked for it. */
  night: string | null;
  @ApiProperty({ enum: ['running', 'completed', 'failed'] })
  state: ReconciliationState;
  /** What the last call to Stripe that came to nothing said; null when none did. */
  error: string | null;
  /** Final once it is completed. */
  totals: ReconciliationTotalsResponse[];
  /** Invoices and line items of the ledger that were compared. */
  invoice_count: number;
  line_item_count: number;
  /** Without those that somebody had accepted before. */
  difference_count: number;
  /** Those that somebody had accepted before; they are part of the gap. */
  accepted_count: number;
  created_at: string;
  /** The id of an API key; null for a nightly one. */
  created_by: string | null;
  finished_at: string | null;
}

export class MoneyResponse {
  amount: string;
  amount_minor: number;
  currency: string;
}

export class ProposedRepairResponse {
  /** `by_hand`: not automatic. */
  @ApiProperty({ enum: REPAIRS })
  kind: Repair;
  /** What it does, or what a person has to do. */
  how: string;
}

export class DifferenceResponse {
  id: string;
  reconciliation: string;
  @ApiProperty({ enum: DIFFERENCE_CLASSES })
  class: DifferenceClass;
  /** As Stripe's metadata names it, whether there is such a one or not; null for an invoice. */
  line_item: string | null;
  /** Ours; null when it is about none of ours. */
  invoice: string | null;
  /** The item or invoice at Stripe; null when it has none. */
  stripe_id: string | null;
  stripe_invoice_id: string | null;
  /** What the ledger bills; null: nothing. */
  ours: MoneyResponse | null;
  /** What Stripe bills; null: nothing. */
  theirs: MoneyResponse | null;
  detail: string;
  repair: ProposedRepairResponse;
  /** `gone`: when it was to be repaired there was nothing left to do; `accepted`: it may stay. */
  @ApiProperty({ enum: DIFFERENCE_STATES })
  state: DifferenceState;
  /** The id of the API key that asked for the repair or accepted it, and when. */
  requested_by: string | null;
  requested_at: string | null;
  settled_at: string | null;
  /** What was done, or why not; why it was accepted. */
  outcome: string | null;
}

/** One reconciliation, with what differs. */
export class ReconciliationWithDifferencesResponse extends ReconciliationResponse {
  /** The first hundred, in the order in which they were found; the list of differences has all. */
  differences: DifferenceResponse[];
}

export class RequestRepairsDto {
  /** The ids of differences, or `all` that need no person. */
  @AreDifferences()
  @ApiProperty({
    oneOf: [
      { type: 'string', enum: ['all'] },
      { type: 'array', items: { type: 'string' }, minItems: 1, maxItems: MAX_REPAIRS },
    ],
  })
  differences: 'all' | string[];
}

export class RepairsResponse {
  reconciliation: string;
  /** How many repairs were queued by this request. */
  queued: number;
}

/** One line of a report: a sum of one currency, or one difference's share of it. */
export class ReportLineResponse {
  /** The lines `difference` of a currency add up to `gap` of its line `total`. */
  @ApiProperty({ enum: ['total', 'in_flight', 'not_ours', 'difference'] })
  record: string;
  currency: string | null;
  ledger: string | null;
  stripe: string | null;
  gap: string | null;
  /** How many line items or items. */
  count: number | null;
  class: string | null;
  difference: string | null;
  line_item: string | null;
  invoice: string | null;
  stripe_id: string | null;
  stripe_invoice_id: string | null;
  repair: string | null;
  state: string | null;
  detail: string | null;
  outcome: string | null;
}
