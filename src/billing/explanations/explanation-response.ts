/* How explanations and verifications are shown: pure. */
import { type Decimal, formatDecimal } from '../../kernel/decimal.js';
import { formatInstant } from '../../kernel/instant.js';
import { type OpenInterval } from '../../kernel/interval.js';
import { formatAmount } from '../../kernel/money.js';
import { toMeterResponse } from '../../meters/meter-response.js';
import { modelOf, termsText } from '../../pricing/price-terms.js';
import { type CountedEvent } from '../../usage/counted/counted-usage.js';
import { type LineItem, quantityOf } from '../ledger/line-item.js';
import { type BilledEvent, type BillingLine } from './billed-event.service.js';
import { adjustedAfter, billedBefore, type CountedLine } from './counted-line.js';
import { type ExplainedUsage, type Explanation, limitedLines, type Shown } from './explanation.js';
import type {
  CountedEventResponse,
  EventLineItemsResponse,
  ExplanationResponse,
  VerificationResponse,
} from './explanation.dto.js';
import { type Outcome, storedOf, type Verification } from './verification.js';

export function toExplanationResponse(explanation: Explanation): ExplanationResponse {
  const { item, customer, price, measured, usage, ofPeriod } = explanation;
  const before = billedBefore(item, ofPeriod);
  const after = adjustedAfter(item, ofPeriod);
  const all = [...before, item, ...after];
  const total = all.reduce((sum, { amountMinor }) => sum + amountMinor, 0n);
  return {
    line_item: item.id,
    kind: item.charge.kind,
    customer: customer.key,
    subscription: item.subscriptionId,
    period: toPeriod(explanation),
    plan: toPlan(explanation),
    price: {
      id: price.id,
      key: price.key,
      kind: price.kind,
      model: modelOf(price),
      terms: termsText(price),
      match: price.kind === 'usage' ? price.match : null,
    },
    meter: measured && toMeterResponse(measured.meter),
    cut_off_batch: Number(item.cutOffBatch),
    ownership: toOwnership(explanation),
    quantity: toText(quantityOf(item.charge)),
    usage: usage?.outcome === 'counted' ? toUsage(usage, explanation) : null,
    events: measured && `/api/v1/line-items/${item.id}/events`,
    dropped_months: usage?.outcome === 'dropped' ? [...usage.months] : [],
    steps: [...item.steps],
    rounding: toRounding(item),
    looked_at: limitedLines(explanation).map(toRelated),
    amount: formatAmount(item.amountMinor, item.currency),
    amount_minor: Number(item.amountMinor),
    currency: item.currency,
    corrects: before.map(toRelated),
    adjustments: after.map(toRelated),
    total_amount: formatAmount(total, item.currency),
    total_amount_minor: Number(total),
    description: item.description,
    state: item.state,
    invoice: item.invoiceId,
    stripe: {
      customer_id: customer.stripeCustomerId,
      invoice_id: item.stripeInvoiceId,
      invoice_item_id: item.stripeInvoiceItemId,
    },
    created_at: item.createdAt.toISOString(),
  };
}

export function toEventResponse(
  event: CountedEvent,
  { measured }: CountedLine,
): CountedEventResponse {
  return {
    source: event.source,
    id: event.id,
    subject: event.subject,
    time: event.time,
    batch: Number(event.batchId),
    received_at: event.receivedAt.toISOString(),
    group: toGroup(event.groups, measured?.meter.groupBy ?? []),
    value: event.value,
    as: toEffect(event),
  };
}

export function toVerificationResponse(verification: Verification): VerificationResponse {
  const { item, verdict, before } = verification;
  const { currency } = item;
  const stored = storedOf(item);
  const shown = {
    line_item: item.id,
    outcome: verdict.outcome,
    cut_off_batch: Number(item.cutOffBatch),
    ownership: toOwnership(verification),
    currency,
    quantity: toOutcome(stored, currency).quantity,
    amount_minor: toOutcome(stored, currency).amount_minor,
    stored: toOutcome(stored, currency),
    billed_before: before && toOutcome(before, currency),
  };
  if (verdict.outcome === 'unverifiable') {
    const { reason } = verdict;
    return {
      ...shown,
      agrees: null,
      matches: null,
      recomputed_quantity: null,
      recomputed_amount_minor: null,
      reason: reason.code,
      dropped_months: reason.code === 'events_dropped' ? [...reason.months] : [],
      recomputed: null,
      difference: null,
      steps_agree: null,
      steps: [],
    };
  }
  const { recomputed } = verdict;
  const difference: Outcome = {
    quantity:
      recomputed.quantity === null || stored.quantity === null
        ? null
        : recomputed.quantity.minus(stored.quantity),
    amountMinor: recomputed.amountMinor - stored.amountMinor,
  };
  return {
    ...shown,
    agrees: verdict.outcome === 'agrees',
    matches: verdict.outcome === 'agrees',
    recomputed_quantity: toOutcome(recomputed, currency).quantity,
    recomputed_amount_minor: toOutcome(recomputed, currency).amount_minor,
    reason: null,
    dropped_months: [],
    recomputed: toOutcome(recomputed, currency),
    difference: toOutcome(difference, currency),
    steps_agree: verdict.doStepsAgree,
    steps: [...verdict.steps],
  };
}

export function toBilledEventResponse(
  identity: { readonly source: string; readonly id: string },
  { isDropped, lines }: BilledEvent,
): EventLineItemsResponse {
  return { ...identity, dropped: isDropped, line_items: lines.map(toEventLineItem) };
}

function toEventLineItem({
  line,
  counted,
}: BillingLine): EventLineItemsResponse['line_items'][number] {
  const { item, customer, price, period, measured } = line;
  const { timeZone } = period.subscription;
  return {
    line_item: item.id,
    kind: item.charge.kind,
    customer: customer.key,
    subscription: item.subscriptionId,
    billing_period: item.billingPeriodId,
    period_start: formatInstant(period.window.start, timeZone),
    period_end: formatInstant(period.window.end, timeZone),
    price: price.key,
    meter: measured?.meter.key ?? '',
    cut_off_batch: Number(item.cutOffBatch),
    invoice: item.invoiceId,
    effects: counted.map((event) => ({
      as: toEffect(event),
      value: event.value,
      time: event.time,
      subject: event.subject,
    })),
  };
}

function toEffect({ sign, isCarried }: CountedEvent): string {
  if (sign === -1) {
    return 'taken_back';
  }
  return isCarried ? 'carried' : 'counted';
}

function toPeriod({ period }: CountedLine): ExplanationResponse['period'] {
  const { id, window, subscription } = period;
  const { timeZone, pauses } = subscription;
  const isWithin = ({ start, end }: OpenInterval): boolean =>
    start < window.end && (end === null || end > window.start);
  return {
    id,
    start: formatInstant(window.start, timeZone),
    end: formatInstant(window.end, timeZone),
    time_zone: timeZone,
    pauses: pauses.filter(isWithin).map(({ start, end }) => ({
      start: formatInstant(start, timeZone),
      end: end && formatInstant(end, timeZone),
    })),
  };
}

function toPlan({ plan, version }: CountedLine): ExplanationResponse['plan'] {
  return {
    id: plan.id,
    key: plan.key,
    version: version.version,
    version_id: version.id,
    created_at: version.createdAt.toISOString(),
  };
}

function toOwnership({ item, measured }: CountedLine): string | null {
  if (measured === null) {
    return null;
  }
  return item.ownershipNumber === null ? 'by_clock' : 'as_seen';
}

function toUsage(
  usage: Extract<ExplainedUsage, { outcome: 'counted' }>,
  { period, measured }: CountedLine,
): NonNullable<ExplanationResponse['usage']> {
  const { timeZone } = period.subscription;
  return {
    adds_up: usage.addsUp,
    by_day: usage.days.map(({ day, ...shown }) => ({
      start: formatInstant(day.start, timeZone),
      end: formatInstant(day.end, timeZone),
      ...toShown(shown),
    })),
    by_group: usage.groups.map(({ groups, ...shown }) => ({
      group: toGroup(groups, measured?.meter.groupBy ?? []),
      ...toShown(shown),
    })),
    has_more_groups: usage.hasMoreGroups,
    other_groups: toText(usage.otherGroups),
  };
}

function toShown({ quantity, before }: Shown): { quantity: string | null; before: string | null } {
  return { quantity: toText(quantity), before: toText(before) };
}

function toGroup(
  values: readonly (string | null)[],
  keys: readonly { readonly key: string }[],
): Record<string, string | null> {
  return Object.fromEntries(keys.map(({ key }, index) => [key, values[index] ?? null]));
}

function toRounding({ steps }: LineItem): ExplanationResponse['rounding'] {
  const step = steps.find((each) => each.step === 'round');
  return step === undefined
    ? null
    : { rule: step.rounding, exact_amount: step.amount, amount_minor: step.amount_minor };
}

function toRelated(item: LineItem): ExplanationResponse['adjustments'][number] {
  return {
    line_item: item.id,
    kind: item.charge.kind,
    ...toOutcome(storedOf(item), item.currency),
    cut_off_batch: Number(item.cutOffBatch),
    state: item.state,
    description: item.description,
  };
}

function toOutcome(
  { quantity, amountMinor }: Outcome,
  currency: string,
): { quantity: string | null; amount: string; amount_minor: number } {
  return {
    quantity: toText(quantity),
    amount: formatAmount(amountMinor, currency),
    amount_minor: Number(amountMinor),
  };
}

function toText(quantity: Decimal | null): string | null {
  return quantity === null ? null : formatDecimal(quantity);
}
