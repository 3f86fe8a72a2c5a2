import { Body, Controller, Get, HttpCode, Param, Post, Query, UseGuards } from '@nestjs/common';
import { ApiConflictResponse } from '@nestjs/swagger';
import { decimal, formatDecimal } from '../../kernel/decimal.js';
import { formatInstant, instantOf } from '../../kernel/instant.js';
import { formatAmount } from '../../kernel/money.js';
import { NaturallyIdempotent } from '../../platform/access/idempotency.interceptor.js';
import { RequireScope } from '../../platform/access/scope.js';
import {
  ApiPage,
  type PageResponse,
  readCursor,
  toPageResponse,
} from '../../platform/http/page.js';
import {
  type AskedQuantity,
  type InvoicePreview,
  InvoicePreviewService,
} from '../periods/invoice-preview.service.js';
import { type RatedLine } from '../periods/rating.service.js';
import { type SubscriptionSighting } from '../../stripe/stripe-subscription.js';
import { type CancelAt } from './cancellation.js';
import {
  type BillingDto,
  type BillingResponse,
  CancelSubscriptionDto,
  ChangePauseDto,
  CreateSubscriptionDto,
  SubscriptionResponse,
  SubscriptionsQuery,
} from './create-subscription.dto.js';
import { type When } from './pausing.js';
import {
  InvoicePreviewResponse,
  PreviewInvoiceDto,
  type PreviewLineResponse,
  type SupposedQuantityDto,
} from './preview-invoice.dto.js';
import { SightedSubscription, StripeSubscriptionGuard } from './stripe-subscription.guard.js';
import { type Billing } from './subscription.js';
import { type NamedSubscription, SubscriptionsReader } from './subscriptions.reader.js';
import { type NewSubscription, SubscriptionsService } from './subscriptions.service.js';

@Controller('api/v1/subscriptions')
export class SubscriptionsController {
  constructor(
    private readonly subscriptions: SubscriptionsService,
    private readonly reader: SubscriptionsReader,
    private readonly previews: InvoicePreviewService,
  ) {}

  /** Put a customer on a plan, and open the first billing period. */
  @Post()
  @RequireScope('bill')
  @UseGuards(StripeSubscriptionGuard)
  @ApiConflictResponse({
    description:
      'The customer is on the plan at some time of it already (`subscription_overlaps`).',
  })
  async create(
    @Body() body: CreateSubscriptionDto,
    @SightedSubscription() sighting: SubscriptionSighting,
  ): Promise<SubscriptionResponse> {
    const { id } = await this.subscriptions.create(toInput(body), sighting);
    return toResponse(await this.reader.get(id));
  }

  /** List subscriptions, newest first. */
  @Get()
  @RequireScope('read')
  @ApiPage(SubscriptionResponse)
  async list(@Query() query: SubscriptionsQuery): Promise<PageResponse<SubscriptionResponse>> {
    const of = { customer: query.customer ?? null, plan: query.plan ?? null };
    const before = readCursor(query.cursor, 1)?.[0] ?? null;
    return toPageResponse(await this.reader.list(of, query.limit, before), toResponse);
  }

  /** One subscription. */
  @Get(':id')
  @RequireScope('read')
  async get(@Param('id') id: string): Promise<SubscriptionResponse> {
    return toResponse(await this.reader.get(id));
  }

  /** End a subscription: the open billing period ends with it. */
  @Post(':id/cancel')
  @HttpCode(200)
  @RequireScope('bill')
  @ApiConflictResponse({
    description:
      'The subscription has ended, or was told to end before (`subscription_ended`, `already_cancelled`).',
  })
  async cancel(
    @Param('id') id: string,
    @Body() body: CancelSubscriptionDto,
  ): Promise<SubscriptionResponse> {
    await this.subscriptions.cancel(id, toCancelAt(body.at));
    return toResponse(await this.reader.get(id));
  }

  /** Bill nothing of what is used from a time on, until it is resumed. Billing periods go on. */
  @Post(':id/pause')
  @HttpCode(200)
  @RequireScope('bill')
  @ApiConflictResponse({
    description:
      'It is paused already, or has ended (`already_paused`, `too_many_pauses`, `subscription_ended`).',
  })
  async pause(
    @Param('id') id: string,
    @Body() body: ChangePauseDto,
  ): Promise<SubscriptionResponse> {
    await this.subscriptions.pause(id, toWhen(body.at));
    return toResponse(await this.reader.get(id));
  }

  /** End a pause, or take one back that has not begun. */
  @Post(':id/resume')
  @HttpCode(200)
  @RequireScope('bill')
  @ApiConflictResponse({
    description: 'It is not paused, or has ended (`not_paused`, `subscription_ended`).',
  })
  async resume(
    @Param('id') id: string,
    @Body() body: ChangePauseDto,
  ): Promise<SubscriptionResponse> {
    await this.subscriptions.resume(id, toWhen(body.at));
    return toResponse(await this.reader.get(id));
  }

  /** What the open billing period would bill now, line by line. */
  @Get(':id/invoice-preview')
  @RequireScope('read')
  @ApiConflictResponse({ description: 'The subscription has ended (`subscription_ended`).' })
  async preview(@Param('id') id: string): Promise<InvoicePreviewResponse> {
    const { subscription } = await this.reader.get(id);
    return toPreview(await this.previews.preview(subscription.id));
  }

  /** What the open billing period would bill with other quantities than measured. Stores nothing. */
  @Post(':id/invoice-preview')
  @HttpCode(200)
  @RequireScope('read')
  @NaturallyIdempotent()
  @ApiConflictResponse({ description: 'The subscription has ended (`subscription_ended`).' })
  async previewSupposed(
    @Param('id') id: string,
    @Body() body: PreviewInvoiceDto,
  ): Promise<InvoicePreviewResponse> {
    const { subscription } = await this.reader.get(id);
    return toPreview(await this.previews.preview(subscription.id, body.quantities.map(toAsked)));
  }
}

function toInput(body: CreateSubscriptionDto): NewSubscription {
  return {
    customer: body.customer,
    plan: body.plan,
    startsAt: instantOf(body.starts_at),
    endsAt: typeof body.ends_at === 'string' ? instantOf(body.ends_at) : null,
    trialEndsAt: typeof body.trial_ends_at === 'string' ? instantOf(body.trial_ends_at) : null,
    anchor:
      body.anchor === 'anniversary'
        ? {
            kind: 'anniversary',
            at: body.anchor_at === undefined ? null : instantOf(body.anchor_at),
          }
        : { kind: 'calendar' },
    timeZone: body.time_zone ?? null,
    billing: toBilling(body.billing ?? { provider: 'none' }),
  };
}

function toBilling(body: BillingDto): Billing {
  return body.provider === 'stripe'
    ? {
        provider: 'stripe',
        finalize: body.finalize ?? true,
        ...(body.stripe_subscription !== undefined && {
          stripeSubscription: body.stripe_subscription,
        }),
      }
    : { provider: 'none' };
}

function toCancelAt(at: string): CancelAt {
  return { when: at === 'now' || at === 'period_end' ? at : instantOf(at) };
}

function toWhen(at = 'now'): When {
  return at === 'now' ? at : instantOf(at);
}

/** The DTO has made sure that there is a price or a meter. */
function toAsked({ price, meter = '', quantity }: SupposedQuantityDto): AskedQuantity {
  return {
    of: price === undefined ? { kind: 'meter', meter } : { kind: 'price', price },
    quantity: decimal(quantity),
  };
}

function toResponse({ subscription, customer, plan }: NamedSubscription): SubscriptionResponse {
  const { timeZone, anchor, endsAt, trialEndsAt, pauses } = subscription;
  return {
    id: subscription.id,
    customer: customer.key,
    plan: plan.key,
    starts_at: formatInstant(subscription.startsAt, timeZone),
    ends_at: endsAt && formatInstant(endsAt, timeZone),
    trial_ends_at: trialEndsAt && formatInstant(trialEndsAt, timeZone),
    anchor: anchor.kind,
    anchor_at: anchor.kind === 'anniversary' ? formatInstant(anchor.at, timeZone) : null,
    time_zone: timeZone,
    pauses: pauses.map(({ start, end }) => ({
      starts_at: formatInstant(start, timeZone),
      ends_at: end && formatInstant(end, timeZone),
    })),
    billing: toBillingResponse(subscription.billing),
    created_at: subscription.createdAt.toISOString(),
  };
}

function toBillingResponse(billing: Billing): BillingResponse {
  if (billing.provider === 'none') {
    return { provider: 'none' };
  }
  const { finalize, stripeSubscription } = billing;
  return stripeSubscription === undefined
    ? { provider: 'stripe', mode: 'invoice', finalize }
    : {
        provider: 'stripe',
        mode: 'subscription',
        stripe_subscription: stripeSubscription,
        finalize,
      };
}

function toPreview({ period, customer, rated }: InvoicePreview): InvoicePreviewResponse {
  const { subscription, window } = period;
  const totalMinor = rated.lines.reduce((sum, line) => sum + line.amountMinor, 0n);
  return {
    subscription: subscription.id,
    billing_period: period.id,
    customer: customer.key,
    period_start: formatInstant(window.start, subscription.timeZone),
    period_end: formatInstant(window.end, subscription.timeZone),
    currency: rated.currency,
    amount: formatAmount(totalMinor, rated.currency),
    amount_minor: Number(totalMinor),
    lines: rated.lines.map((line) => toLineResponse(line, rated.currency)),
  };
}

function toLineResponse(line: RatedLine, currency: string): PreviewLineResponse {
  const { price, charge, amountMinor, description } = line;
  return {
    price: price.key,
    kind: price.kind,
    quantity: charge.kind === 'usage' ? formatDecimal(charge.quantity) : null,
    amount: formatAmount(amountMinor, currency),
    amount_minor: Number(amountMinor),
    currency,
    description,
  };
}
