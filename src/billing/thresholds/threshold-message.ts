/* What messages of thresholds say: pure. */
import { type Decimal, formatDecimal } from '../../kernel/decimal.js';
import { type MessageData } from '../../webhooks/catalogue/catalogue.js';
import { type Crossing, currencyOf, type Threshold } from './threshold.js';

/** Keys of what the threshold and the crossing name by id. */
export interface ThresholdNames {
  readonly customer: string;
  /** Null unless the quantity of a meter is watched. */
  readonly meter: string | null;
  /** Null unless a plan is watched. */
  readonly plan: string | null;
}

/** The `data` of `threshold.crossed`. */
export function crossedData(
  threshold: Threshold,
  crossing: Crossing,
  names: ThresholdNames,
): MessageData<'threshold.crossed'> {
  const { event, lineItemCount } = crossing;
  const before = crossing.valueBefore === null ? null : formatDecimal(crossing.valueBefore);
  const after = formatDecimal(crossing.valueAfter);
  return {
    ...commonData(threshold, crossing, names),
    ...(currencyOf(threshold.measure) === null
      ? { quantity_before: before, quantity_after: after }
      : { amount_before: before, amount_after: after }),
    event,
    actions: threshold.actions,
    line_item_count: lineItemCount,
  };
}

/** The `data` of `threshold.retracted`. */
export function retractedData(
  threshold: Threshold,
  crossing: Crossing,
  value: Decimal,
  names: ThresholdNames,
): MessageData<'threshold.retracted'> {
  const now = formatDecimal(value);
  return {
    ...commonData(threshold, crossing, names),
    ...(currencyOf(threshold.measure) === null ? { quantity: now } : { amount: now }),
    crossed_at: crossing.crossedAt.toISOString(),
  };
}

/** What both say. */
type CommonData = Omit<MessageData<'threshold.retracted'>, 'quantity' | 'amount' | 'crossed_at'>;

function commonData(
  { key, measure, basis, levels }: Threshold,
  { id, scope, grouping, level, bound }: Crossing,
  { customer, meter, plan }: ThresholdNames,
): CommonData {
  const { period } = scope;
  return {
    threshold: key,
    crossing: id,
    customer,
    plan,
    meter,
    price: 'price' in measure ? measure.price : null,
    currency: currencyOf(measure),
    group: grouping,
    level: formatDecimal(level),
    level_kind: levels.kind,
    bound: formatDecimal(bound),
    basis,
    subscription: period?.subscriptionId ?? null,
    period:
      period === null
        ? null
        : { start: period.window.start.toISOString(), end: period.window.end.toISOString() },
  };
}
