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
import { isId } from '../../kernel/ids.js';
import { parseInstant } from '../../kernel/instant.js';
import { PageQuery } from '../../platform/http/page.js';
import { IsInstantText, IsStorableText, IsTimeZoneName } from '../../platform/http/validators.js';
import { type Anchor, ANCHOR_KINDS } from '../periods/cadence.js';
import { PlanChangeResponse } from './change-plan.dto.js';
import { isStripeSubscriptionId, LAST_BILLS, type LastBill } from './subscription.js';

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

/** The mode `subscription` needs the id of one, and no other takes it. */
const OfSubscriptionMode = (): PropertyDecorator =>
  applyDecorators(
    ValidateIf(
      (billing: BillingDto, value) => value !== undefined || billing.mode === 'subscription',
    ),
    ValidateBy({
      name: 'isStripeSubscription',
      validator: {
        validate: (value, args) =>
          (args?.object as BillingDto | undefined)?.mode === 'subscription' &&
          isStripeSubscriptionId(value),
        defaultMessage: () =>
          'must be the id of a subscription at Stripe (sub_…), with the mode "subscription" only',
      },
    }),
  );

/** Whoever only sends usage makes no invoice that could be finalized. */
const OfInvoices = (): PropertyDecorator =>
  ValidateBy({
    name: 'unknownField',
    validator: {
      validate: (_, args) => (args?.object as BillingDto | undefined)?.mode !== 'meter_events',
      defaultMessage: () => 'is no field of the mode "meter_events"',
    },
  });

/** The provider `webhook` needs an endpoint, and no other takes one. */
const OfWebhookProvider = (): PropertyDecorator =>
  applyDecorators(
    ValidateIf(
      (billing: BillingDto, value) => value !== undefined || billing.provider === 'webhook',
    ),
    ValidateBy({
      name: 'isWebhookEndpoint',
      validator: {
        validate: (value, args) =>
          (args?.object as BillingDto | undefined)?.provider === 'webhook' &&
          typeof value === 'string' &&
          isId('we', value),
        defaultMessage: () =>
          'must be the id of a webhook endpoint (we_…), with the provider "webhook" only',
      },
    }),
  );

/** A calendar is not counted from a time that somebody names. */
const AnniversaryOnly = (): PropertyDecorator =>
  applyDecorators(
    ValidateIf((_, value) => value !== undefined),
    ValidateBy({
      name: 'unknownField',
      validator: {
        validate: (_, args) =>
          (args?.object as CreateSubscriptionDto | undefined)?.anchor === 'anniversary',
        defaultMessage: () => 'is a field of the anchor "anniversary" only',
      },
    }),
  );

export class BillingDto {
  /**
   * `none`: line items stay in the ledger, for somebody else to collect. `webhook`: each is told to
   * `webhook_endpoint`, and the platform behind it reports what becomes of it.
   */
  @IsIn(['stripe', 'webhook', 'none'])
  provider: 'stripe' | 'webhook' | 'none';

  /** With the provider `webhook`: the id of the webhook endpoint that is told of line items. */
  @OfWebhookProvider()
  webhook_endpoint?: string;

  /**
   * `own_invoice` (default; `invoice` means the same): every period becomes an invoice of its own. `subscription`: what a period costs
   * goes on the draft that the subscription at Stripe makes when it renews. `meter_events`: what is used is
   * sent to meters at Stripe, and Stripe's own prices charge it; line items stay in the ledger.
   */
  @IsIn(['own_invoice', 'invoice', 'subscription', 'meter_events'])
  @StripeOnly()
  mode?: 'own_invoice' | 'invoice' | 'subscription' | 'meter_events';

  /** With the mode `subscription`: the id of the subscription at Stripe. */
  @OfSubscriptionMode()
  stripe_subscription?: string;

  /** Whether invoices of our own are finalized, or left as drafts; true by default. Stripe's drafts are left to Stripe. */
  @IsBoolean()
  @OfInvoices()
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

  /** Until then nothing is billed, and the first billing period starts there. Without it: no trial. */
  @IsOptional()
  @IsInstantText()
  trial_ends_at?: string | null;

  /**
   * `calendar` (default): periods begin where days, weeks, months, quarters or years of the calendar
   * do. `anniversary`: at whole intervals from `anchor_at`, by the local clock; a day that a month
   * does not have is its last one.
   */
  @IsOptional()
  @IsIn(ANCHOR_KINDS)
  anchor?: Anchor['kind'];

  /** Of an anniversary: what is counted from; by default, where the first billing period starts. */
  @IsInstantText()
  @AnniversaryOnly()
  anchor_at?: string;

  /** By whose clock periods are cut; the customer's by default. */
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

  /**
   * When the last billing period is billed; without it, as a cancellation before said. `after_grace` (default): as every one. `at_once`: as soon as
   * the subscription has ended. `period_end`: when the period would have been that the end cuts.
   */
  @IsOptional()
  @IsIn(LAST_BILLS)
  bill?: LastBill;
}

export class ChangePauseDto {
  /** `now`, which is the default, or a time, also to come. */
  @IsOptional()
  @ValidateBy({
    name: 'isPauseTime',
    validator: {
      validate: (value) =>
        value === 'now' || (typeof value === 'string' && parseInstant(value) !== null),
      defaultMessage: () =>
        'must be "now" or a time with its offset, such as "2026-11-15T00:00:00+01:00"',
    },
  })
  at?: string;
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
  webhook_endpoint?: string;
  mode?: string;
  stripe_subscription?: string;
  finalize?: boolean;
}

export class PauseResponse {
  /** In the time zone of the subscription, as is `ends_at`. */
  starts_at: string;
  /** Null until it is resumed. */
  ends_at: string | null;
}

export class SubscriptionResponse {
  id: string;
  /** The key of the customer. */
  customer: string;
  /** The key of the plan that it is on, or moves to. */
  plan: string;
  /** Every plan that it was and will be on, by their time; none when it never changed. */
  plan_changes: PlanChangeResponse[];
  /** In the time zone of the subscription, as is `ends_at`. */
  starts_at: string;
  /** Null until it is cancelled. */
  ends_at: string | null;
  /** When its last billing period is billed: `after_grace`, `at_once` or `period_end`. */
  bill: string;
  /** Null without a trial. */
  trial_ends_at: string | null;
  anchor: string;
  /** Null for a calendar anchor. */
  anchor_at: string | null;
  time_zone: string;
  /** Spans of which nothing is billed, in order. */
  pauses: PauseResponse[];
  billing: BillingResponse;
  created_at: string;
}
