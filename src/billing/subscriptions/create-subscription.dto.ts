import { applyDecorators } from '@nestjs/common';
import { Type } from 'class-transformer';
import {
  IsBoolean,
  IsIn,
  IsObject,
  IsOptional,
  ValidateBy,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { parseInstant } from '../../kernel/instant.js';
import { PageQuery } from '../../platform/http/page.js';
import { IsInstantText, IsStorableText, IsTimeZoneName } from '../../platform/http/validators.js';

const MAX_NAME_LENGTH = 100;

/** What only Stripe understands is an error with another provider, not ignored. */
const StripeOnly = (): PropertyDecorator =>
  applyDecorators(
    ValidateIf((_, value) => value !== undefined),
    ValidateBy({
      name: 'unknownField',
      validator: {
        validate: (_, args) => (args?.object as BillingDto | undefined)?.provider === 'stripe',
        defaultMessage: () => 'is a field of the provider "stripe" only',
      },
    }),
  );

export class BillingDto {
  /** `none`: line items stay in the ledger, for somebody else to collect. */
  @IsIn(['stripe', 'none'])
  provider: 'stripe' | 'none';

  /** `own_invoice`: every period becomes an invoice of its own. */
  @IsIn(['own_invoice'])
  @StripeOnly()
  mode?: 'own_invoice';

  /** Whether invoices are finalized, or left as drafts; true by default. */
  @IsBoolean()
  @StripeOnly()
  finalize?: boolean;
}

export class CreateSubscriptionDto {
  /** Id or key. */
  @IsStorableText(MAX_NAME_LENGTH)
  customer: string;

  /** Id or key. */
  @IsStorableText(MAX_NAME_LENGTH)
  plan: string;

  /** To the millisecond. A start in the past is caught up, period by period. */
  @IsInstantText()
  starts_at: string;

  /** For a subscription whose end is known: its last period ends there. Without it: until cancelled. */
  @IsOptional()
  @IsInstantText()
  ends_at?: string | null;

  /** `calendar`: periods begin where the months of the calendar begin. */
  @IsOptional()
  @IsIn(['calendar'])
  anchor?: 'calendar';

  /** Where months begin; the customer's by default. */
  @IsOptional()
  @IsTimeZoneName()
  time_zone?: string;

  @IsOptional()
  @IsObject()
  @ValidateNested()
  @Type(() => BillingDto)
  billing?: BillingDto;
}

const WORDS: readonly unknown[] = ['now', 'period_end'];

export class CancelSubscriptionDto {
  /** `now`, `period_end`, or a time after the start of the open billing period. */
  @ValidateBy({
    name: 'isCancelTime',
    validator: {
      validate: (value) =>
        WORDS.includes(value) || (typeof value === 'string' && parseInstant(value) !== null),
      defaultMessage: () =>
        'must be "now", "period_end" or a time with its offset, such as "2026-11-15T00:00:00+01:00"',
    },
  })
  at: string;
}

export class SubscriptionsQuery extends PageQuery {
  /** Id or key. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  customer?: string;

  /** Id or key. */
  @IsOptional()
  @IsStorableText(MAX_NAME_LENGTH)
  plan?: string;
}

export class BillingResponse {
  provider: string;
  mode?: string;
  finalize?: boolean;
}

export class SubscriptionResponse {
  id: string;
  /** The key of the customer. */
  customer: string;
  /** The key of the plan. */
  plan: string;
  /** In the time zone of the subscription, as is `ends_at`. */
  starts_at: string;
  /** Null until it is cancelled. */
  ends_at: string | null;
  anchor: string;
  time_zone: string;
  billing: BillingResponse;
  created_at: string;
}

export class PreviewLineResponse {
  /** The key of the price. */
  price: string;
  kind: string;
  quantity: string | null;
  amount: string;
  amount_minor: number;
  currency: string;
  description: string;
}

/** What the open period would bill if it closed now. */
export class InvoicePreviewResponse {
  subscription: string;
  billing_period: string;
  customer: string;
  period_start: string;
  period_end: string;
  currency: string;
  amount: string;
  amount_minor: number;
  lines: PreviewLineResponse[];
}
