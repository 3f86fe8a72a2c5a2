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
import { type AdjustmentToBill } from '../late-usage/adjusting.service.js';
import { type InvoicePreview, InvoicePreviewService } from '../periods/invoice-preview.service.js';
import { type AskedQuantity } from '../periods/supposing.service.js';
import { type ClosingCharge } from '../periods/period-charges.service.js';
import { type SubscriptionSighting } from '../../stripe/stripe-subscription.js';
import { toBilling, toBillingResponse } from './billing-form.js';
import { type CancelAt } from './cancellation.js';
import { ChangePlanDto } from './change-plan.dto.js';
import {
  CancelSubscriptionDto,
  ChangePauseDto,
  CreateSubscriptionDto,
  SubscriptionResponse,
  SubscriptionsQuery,
} from './create-subscription.dto.js';
import { type When } from './pausing.js';
import { type AskedPlan, PlanChangesService } from './plan-changes.service.js';
import {
  InvoicePreviewResponse,
  type PreviewAdjustmentResponse,
  PreviewInvoiceDto,
  type PreviewLineResponse,
  type SupposedQuantityDto,
} from './preview-invoice.dto.js';
import { SightedSubscription, StripeSubscriptionGuard } from './stripe-subscription.guard.js';
import { type NamedSubscription, SubscriptionsReader } from './subscriptions.reader.js';
import { type NewSubscription, SubscriptionsService } from './subscriptions.service.js';

@Controller('api/v1/subscriptions')
export class SubscriptionsController {
  constructor(
    private readonly subscriptions: SubscriptionsService,
    private readonly reader: SubscriptionsReader,
    private readonly previews: InvoicePreviewService,
    private readonly planChanges: PlanChangesService,
  ) {}

  /** Put a customer on a plan, and open the first billing period. */
  @Post()
  @RequireScope('bill')
  @UseGuards(StripeSubscriptionGuard)
  @ApiConflictResponse({
    description:
      "The customer is on the plan at some time of it already, or sends usage to Stripe's meters (`subscription_overlaps`, `meter_events_overlap`).",
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
    await this.subscriptions.cancel(id, { when: toWhenEnding(body.at), bill: body.bill });
    return toResponse(await this.reader.get(id));
  }

  /** Move to another plan or version, with the next billing period or in the middle of the open one. */
  @Post(':id/change-plan')
  @HttpCode(200)
  @RequireScope('bill')
  @ApiConflictResponse({
    description:
      'It has ended, or the customer is on the plan already (`subscription_ended`, `subscription_overlaps`, `too_many_plan_changes`).',
  })
  async changePlan(
    @Param('id') id: string,
    @Body() body: ChangePlanDto,
  ): Promise<SubscriptionResponse> {
    await this.planChanges.change(id, toAskedPlan(body));
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

function toWhenEnding(at: string): CancelAt['when'] {
  return at === 'now' || at === 'period_end' ? at : instantOf(at);
}

function toAskedPlan(body: ChangePlanDto): AskedPlan {
  return {
    plan: body.plan ?? null,
    version: body.version ?? null,
    at: toWhenEnding(body.at ?? 'period_end'),
  };
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

function toResponse({
  subscription,
  customer,
  plan,
  plans,
}: NamedSubscription): SubscriptionResponse {
  const { timeZone, anchor, endsAt, trialEndsAt, pauses } = subscription;
  return {
    id: subscription.id,
    customer: customer.key,
    plan: plan.key,
    plan_changes: subscription.planChanges.map(({ startsAt, planId, version }) => ({
      starts_at: formatInstant(startsAt, timeZone),
      plan: plans.get(planId)?.key ?? planId,
      version,
    })),
    starts_at: formatInstant(subscription.startsAt, timeZone),
    ends_at: endsAt && formatInstant(endsAt, timeZone),
    bill: subscription.lastBill,
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

function toPreview(preview: InvoicePreview): InvoicePreviewResponse {
  const { period, customer, rated, charges, adjustments } = preview;
  const { subscription, window } = period;
  const own = adjustments.filter(({ currency }) => currency === rated.currency);
  const totalMinor = [
    ...charges.map(({ line }) => line),
    ...own.map(({ difference }) => difference),
  ].reduce((sum, { amountMinor }) => sum + amountMinor, 0n);
  return {
    subscription: subscription.id,
    billing_period: period.id,
    customer: customer.key,
    period_start: formatInstant(window.start, subscription.timeZone),
    period_end: formatInstant(window.end, subscription.timeZone),
    currency: rated.currency,
    amount: formatAmount(totalMinor, rated.currency),
    amount_minor: Number(totalMinor),
    lines: charges.map((charge) => toLineResponse(charge, rated.currency)),
    adjustments: adjustments.map(toAdjustmentResponse),
  };
}

function toAdjustmentResponse(adjustment: AdjustmentToBill): PreviewAdjustmentResponse {
  const { billingPeriodId, currency, difference } = adjustment;
  return {
    corrects: difference.lineItemId,
    billing_period: billingPeriodId,
    quantity: difference.quantity && formatDecimal(difference.quantity),
    amount: formatAmount(difference.amountMinor, currency),
    amount_minor: Number(difference.amountMinor),
    currency,
    description: difference.description,
  };
}

function toLineResponse({ period, line }: ClosingCharge, currency: string): PreviewLineResponse {
  const { price, charge, amountMinor, description } = line;
  const { window, subscription } = period;
  return {
    price: price.key,
    kind: price.kind,
    period_start: formatInstant(window.start, subscription.timeZone),
    period_end: formatInstant(window.end, subscription.timeZone),
    quantity: charge.kind === 'usage' ? formatDecimal(charge.quantity) : null,
    amount: formatAmount(amountMinor, currency),
    amount_minor: Number(amountMinor),
    currency,
    description,
  };
}
