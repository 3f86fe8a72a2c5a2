/*
 * Line items that another billing platform collects: what it is told of one, what it answers, and where
 * an invoice stands by what it reported of the line items on it. Pure.
 */
import { type Customer } from '../../customers/customer.js';
import { type Decimal, formatDecimal } from '../../kernel/decimal.js';
import { formatInstant } from '../../kernel/instant.js';
import { formatAmount } from '../../kernel/money.js';
import { isStorable } from '../../platform/http/validators.js';
import { type ReportedInvoice } from '../invoices/invoice.js';
import { type BillableLineItem, quantityOf } from '../ledger/line-item.js';
import { type LineItemState } from '../ledger/line-item-state.js';
import { type MessageData } from '../../webhooks/catalogue/catalogue.js';

/** What the platform may report of a line item; acknowledging is what its answer does. */
export const REPORTED_STATES = ['finalized', 'paid', 'uncollectible', 'void'] as const;

export type ReportedState = (typeof REPORTED_STATES)[number];

export const MAX_EXTERNAL_ID_LENGTH = 255;

/** What the line items of one period and price come to, up to one of them. */
export interface ChargeSoFar {
  /** The first of them, which the others correct or go on with: its id stands for all. */
  readonly chargeId: string;
  /** How many there are, this one with them. */
  readonly revision: number;
  /** Null when none has a quantity. */
  readonly quantity: Decimal | null;
  readonly amountMinor: bigint;
}

/** What a message tells of a line item, besides what the line item itself says. */
export interface LineContext {
  readonly soFar: ChargeSoFar;
  readonly customer: Customer;
  /** Null for a fee or a limit. */
  readonly meterKey: string | null;
  readonly timeZone: string;
  readonly now: Date;
}

/**
 * The data of `billing.usage_reported`. `delta` is this line item's own, for receivers that add; `total`
 * is that of all line items of the period and price up to this one, for receivers that set.
 */
export function toMessageData(
  item: BillableLineItem,
  { soFar, customer, meterKey, timeZone, now }: LineContext,
): MessageData<'billing.usage_reported'> {
  const { currency, billingPeriod } = item;
  const quantity = quantityOf(item.charge);
  return {
    line_item: item.id,
    charge: soFar.chargeId,
    revision: soFar.revision,
    customer: { id: customer.id, key: customer.key, metadata: customer.metadata },
    subscription: item.subscriptionId,
    invoice: item.invoiceId,
    price: item.priceKey,
    meter: meterKey,
    kind: item.charge.kind,
    description: item.description,
    period: {
      id: item.billingPeriodId,
      start: formatInstant(billingPeriod.start, timeZone),
      end: formatInstant(billingPeriod.end, timeZone),
      time_zone: timeZone,
    },
    quantity: quantity && {
      delta: formatDecimal(quantity),
      total: formatDecimal(soFar.quantity ?? quantity),
    },
    amount: {
      delta: formatAmount(item.amountMinor, currency),
      delta_minor: Number(item.amountMinor),
      total: formatAmount(soFar.amountMinor, currency),
      total_minor: Number(soFar.amountMinor),
    },
    currency,
    final: isFinal(item, now),
    corrects: item.charge.kind === 'adjustment' ? item.charge.correctsLineItemId : null,
  };
}

/**
 * Whether nothing more comes of its period and price but corrections: a fee is whole from the beginning, and
 * what was billed before the close never is, also of a period that is over and waits out its grace.
 */
function isFinal(
  { charge, billingPeriod, countedSpan = null }: BillableLineItem,
  now: Date,
): boolean {
  return charge.kind === 'flat' || (countedSpan === null && billingPeriod.end <= now);
}

/**
 * What the platform calls a line item, by the body with which it answered: the text `external_id` of a
 * JSON object. Null when the body has none, was cut off, or is anything else.
 */
export function readExternalId(body: string | null): string | null {
  try {
    const answer: unknown = JSON.parse(body ?? '');
    const id: unknown =
      typeof answer === 'object' && answer !== null && 'external_id' in answer
        ? answer.external_id
        : null;
    return typeof id === 'string' &&
      id.length > 0 &&
      id.length <= MAX_EXTERNAL_ID_LENGTH &&
      isStorable(id)
      ? id
      : null;
  } catch {
    // An endpoint may answer whatever it likes: 2xx is what counts.
    return null;
  }
}

/** A line item on an invoice, as far as its platform reported of it. */
export interface ReportedLine {
  readonly state: LineItemState;
  readonly amountMinor: bigint;
  /** Null when the platform has not said. */
  readonly dueAt: Date | null;
}

/**
 * Where an invoice stands, by its line items: a draft once the platform has all of them, open once all
 * are final and one is still owed, and in the end what the last of them became. Since line items only go
 * forward, so does this.
 *
 * @returns null while the platform does not have all of them
 */
export function standOf(
  lines: readonly ReportedLine[],
): Omit<ReportedInvoice, 'number' | 'hostedInvoiceUrl'> | null {
  const status = statusOf(new Set(lines.map(({ state }) => state)));
  if (status === null) {
    return null;
  }
  const paid = lines.filter(({ state }) => state === 'paid');
  const due = lines.flatMap(({ state, dueAt }) =>
    dueAt !== null && (state === 'finalized' || state === 'uncollectible') ? [dueAt.getTime()] : [],
  );
  return {
    status,
    totalMinor: sumOf(lines),
    amountPaidMinor: sumOf(paid),
    collection: {
      dueAt: due.length === 0 ? null : new Date(Math.min(...due)),
      isAttempted: false,
      finalizedAt: null,
    },
  };
}

function statusOf(states: ReadonlySet<LineItemState>): ReportedInvoice['status'] | null {
  if (states.has('pending') || states.has('sent') || states.has('failed') || states.size === 0) {
    return null;
  }
  if (states.has('on_invoice')) {
    return 'draft';
  }
  if (states.has('finalized')) {
    return 'open';
  }
  if (states.has('uncollectible')) {
    return 'uncollectible';
  }
  return states.has('paid') ? 'paid' : 'void';
}

function sumOf(lines: readonly ReportedLine[]): bigint {
  return lines.reduce((sum, { amountMinor }) => sum + amountMinor, 0n);
}
