/* From a request to a threshold: what may be combined with what. Pure; names are looked up by then. */
import { type Decimal, decimal } from '../../kernel/decimal.js';
import { type DomainError, invalidField } from '../../kernel/errors.js';
import { isChargeable } from '../../kernel/money.js';
import { type Meter } from '../../meters/meter.js';
import {
  type Levels,
  type NewThreshold,
  type ThresholdAction,
  type ThresholdBasis,
  type ThresholdMeasure,
  type Watched,
} from './threshold.js';

/** A request, its fields checked one by one, its names looked up. */
export interface AskedThreshold {
  readonly key: string;
  readonly name: string | null;
  readonly customerId: string | null;
  readonly planId: string | null;
  readonly measure: 'quantity' | 'amount' | null;
  readonly meter: Meter | null;
  readonly price: string | null;
  readonly groupBy: readonly string[];
  readonly currency: string | null;
  readonly levels: readonly string[] | null;
  readonly percents: readonly string[] | null;
  readonly every: string | null;
  readonly basis: ThresholdBasis;
  readonly actions: readonly ThresholdAction[];
  readonly firesAtCreation: boolean;
}

/** @throws DomainError invalid, with the field that does not go with the others */
export function readThreshold(asked: AskedThreshold): NewThreshold {
  const measure = measureOf(asked);
  const levels = levelsOf(asked, measure);
  if (asked.basis === 'lifetime') {
    if (measure.kind === 'price_quantity') {
      throw goesNotWith('price', 'a lifetime; name its meter, since prices change with plans');
    }
    if (asked.actions.includes('bill')) {
      throw goesNotWith('actions', 'a lifetime: `bill` bills a billing period');
    }
  }
  return {
    key: asked.key,
    name: asked.name ?? asked.key,
    watched: watchedOf(asked),
    measure,
    levels,
    basis: asked.basis,
    actions: asked.actions,
    firesAtCreation: asked.firesAtCreation,
  };
}

function watchedOf({ customerId, planId }: AskedThreshold): Watched {
  if (customerId !== null && planId !== null) {
    throw goesNotWith('plan', 'a customer');
  }
  if (customerId !== null) {
    return { kind: 'customer', customerId };
  }
  return planId === null ? { kind: 'everyone' } : { kind: 'plan', planId };
}

function measureOf(asked: AskedThreshold): ThresholdMeasure {
  const { meter, price, groupBy, currency } = asked;
  const isAmount = (asked.measure ?? (currency === null ? 'quantity' : 'amount')) === 'amount';
  const unknown = groupBy.find((key) => !(meter?.groupBy ?? []).some((group) => group.key === key));
  if (unknown !== undefined) {
    throw invalidField('group_by', 'unknown_group', `the meter has no group '${unknown}'`);
  }
  if (isAmount) {
    if (meter !== null) {
      throw goesNotWith('meter', 'an amount; name a price');
    }
    if (currency === null) {
      throw invalidField('currency', 'required', 'must say what amounts are in');
    }
    return price === null
      ? { kind: 'whole_amount', currency }
      : { kind: 'price_amount', price, currency };
  }
  if (currency !== null) {
    throw goesNotWith('currency', 'a quantity');
  }
  if (meter !== null) {
    if (price !== null) {
      throw goesNotWith('price', 'a meter');
    }
    return { kind: 'meter_quantity', meterId: meter.id, groupBy };
  }
  if (price === null) {
    throw invalidField('meter', 'required', 'must say, or `price`, whose quantity counts');
  }
  return { kind: 'price_quantity', price };
}

function levelsOf({ levels, percents, every }: AskedThreshold, measure: ThresholdMeasure): Levels {
  const given = [levels, percents, every].filter((one) => one !== null);
  if (given.length !== 1) {
    throw invalidField(
      'levels',
      'exactly_one',
      'must be given, or one of `percents_of_included` and `every`, and no two of them',
    );
  }
  if (every !== null) {
    return { kind: 'every', step: levelOf('every', every, measure) };
  }
  if (percents !== null) {
    if (measure.kind !== 'price_quantity') {
      throw goesNotWith('percents_of_included', 'anything but the quantity of a price');
    }
    return { kind: 'percent', levels: distinct('percents_of_included', percents, measure) };
  }
  return { kind: 'absolute', levels: distinct('levels', levels ?? [], measure) };
}

function distinct(
  field: string,
  texts: readonly string[],
  measure: ThresholdMeasure,
): readonly Decimal[] {
  const levels = texts.map((text) => levelOf(field, text, measure));
  const isRepeated = levels.some((level, index) =>
    levels.slice(0, index).some((other) => other.eq(level)),
  );
  if (isRepeated) {
    throw invalidField(field, 'duplicate', 'has the same level twice');
  }
  return levels.toSorted((one, other) => one.cmp(other));
}

function levelOf(field: string, text: string, measure: ThresholdMeasure): Decimal {
  const level = decimal(text);
  if (level.eq('0')) {
    throw invalidField(field, 'not_positive', 'must be more than 0');
  }
  if ('currency' in measure && !isChargeable(level, measure.currency)) {
    throw invalidField(field, 'not_chargeable', `is finer than ${measure.currency} is charged in`);
  }
  return level;
}

function goesNotWith(field: string, what: string): DomainError {
  return invalidField(field, 'is_exclusive', `does not go with ${what}`);
}
