/*
 * What a usage report tells of a billing period: for each price what it comes to, and the difference to
 * what was told last. Differences telescope: whatever is counted, voided or repaired between two reports,
 * and in whatever order they arrive, their sum is the last total. Pure.
 */
import { type Decimal, decimal, formatDecimal } from '../../kernel/decimal.js';
import { formatAmount } from '../../kernel/money.js';
import { type Price } from '../../pricing/plan.js';
import { type Schedule, type ScheduleKind } from './report-schedule.js';

const NOTHING = decimal('0');

/** Of whose usage: one customer's, or that of all who are on a plan. */
export type ReportSubject =
  | { readonly kind: 'customer'; readonly customerId: string }
  | { readonly kind: 'plan'; readonly planId: string };

export interface UsageReport {
  readonly id: string;
  readonly name: string;
  readonly subject: ReportSubject;
  readonly kind: ScheduleKind;
  readonly schedule: Schedule;
  /** Null: every endpoint that wants messages of the type. */
  readonly webhookEndpoint: string | null;
  readonly createdAt: Date;
  /** Null once it is archived. */
  readonly nextSlotAt: Date | null;
  readonly archivedAt: Date | null;
}

/** One slot that was, or is being, reported. */
export interface ReportRun {
  readonly id: string;
  readonly reportId: string;
  readonly slotAt: Date;
  /** The first of the slots that were missed before this one; null when none was. */
  readonly missedFrom: Date | null;
  readonly startedAt: Date;
  readonly messageCount: number;
  /** Null until all billing periods were reported. */
  readonly finishedAt: Date | null;
}

/** What a price of a billing period comes to. */
export interface PriceTotal {
  readonly priceId: string;
  /** The key of the price. */
  readonly price: string;
  readonly kind: Price['kind'];
  /** The key of the meter; null but for usage, as is the unit. */
  readonly meter: string | null;
  readonly unit: string | null;
  /** Null but for usage. */
  readonly quantity: Decimal | null;
  readonly amountMinor: bigint;
}

export interface PriceProgress extends PriceTotal {
  /** More or less than was told last; null but for usage. */
  readonly quantityDelta: Decimal | null;
  readonly deltaMinor: bigint;
}

/**
 * How prices have gone on since they were told last. A price that comes to nothing any more, since all of
 * the period was paused, takes back what was told.
 */
export function progressSince(
  before: readonly PriceTotal[],
  now: readonly PriceTotal[],
): PriceProgress[] {
  const told = new Map(before.map((total) => [total.priceId, total]));
  const present = new Set(now.map(({ priceId }) => priceId));
  const gone = before
    .filter(({ priceId }) => !present.has(priceId))
    .map((total) => ({ ...total, quantity: total.quantity && NOTHING, amountMinor: 0n }));
  return [...now, ...gone].map((total) => {
    const last = told.get(total.priceId);
    return {
      ...total,
      quantityDelta: total.quantity && total.quantity.minus(last?.quantity ?? NOTHING),
      deltaMinor: total.amountMinor - (last?.amountMinor ?? 0n),
    };
  });
}

/** The lines of a message, and what they come to together. */
export function toMessageLines(
  lines: readonly PriceProgress[],
  currency: string,
): Readonly<Record<string, unknown>> {
  const deltaMinor = lines.reduce((sum, line) => sum + line.deltaMinor, 0n);
  const totalMinor = lines.reduce((sum, line) => sum + line.amountMinor, 0n);
  return {
    currency,
    amount: toAmounts(deltaMinor, totalMinor, currency),
    prices: lines.map((line) => ({
      price: line.price,
      kind: line.kind,
      meter: line.meter,
      unit: line.unit,
      quantity: line.quantity && {
        delta: formatDecimal(line.quantityDelta ?? NOTHING),
        total: formatDecimal(line.quantity),
      },
      amount: toAmounts(line.deltaMinor, line.amountMinor, currency),
    })),
  };
}

function toAmounts(deltaMinor: bigint, totalMinor: bigint, currency: string): object {
  return {
    delta: formatAmount(deltaMinor, currency),
    delta_minor: Number(deltaMinor),
    total: formatAmount(totalMinor, currency),
    total_minor: Number(totalMinor),
  };
}
