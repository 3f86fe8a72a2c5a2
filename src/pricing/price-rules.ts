/*
 * What the prices of a plan version must hold beside their form: amounts that can be charged, tiers
 * in order, meters and groups that exist, no usage that two prices claim. Pure; tells every fault.
 */
import { type Decimal } from '../kernel/decimal.js';
import { type FieldError } from '../kernel/errors.js';
import { isChargeable, toMinorUnits } from '../kernel/money.js';
import { type Meter } from '../meters/meter.js';
import {
  type GroupMatch,
  type LimitTerms,
  type FlatTerms,
  type Pricing,
  type Tier,
  type UsageTerms,
} from './plan.js';
import { MAX_AMOUNT_MINOR } from './rate.js';

/** A price as it is asked for; the meter by id or key. */
export type NewPrice = { readonly key: string } & (
  FlatTerms | LimitTerms | (UsageTerms & { readonly meter: string })
);

type NewUsagePrice = NewPrice & { readonly kind: 'usage' };

/** A new price with the meter that it names; null when there is none, or it needs none. */
export interface Candidate {
  readonly price: NewPrice;
  readonly meter: Meter | null;
}

/** A fault of a field of the price. */
type Fault = readonly [field: string, code: string, detail: string];

/** Every fault of the prices of one version, in their order. */
export function priceFaults(candidates: readonly Candidate[], currency: string): FieldError[] {
  return candidates.flatMap((candidate, index) => {
    const { price } = candidate;
    const faults = [
      ...keyFaults(candidates, index),
      ...(price.kind === 'usage'
        ? usageFaults(price, candidate.meter, currency)
        : amountFaults('amount', price.amount, currency)),
      ...(price.kind === 'maximum' ? orderFaults(candidates, price) : []),
      ...matchFaults(candidates, index),
    ];
    return faults.map(([field, code, detail]) => ({
      field: fieldOf(price, index, field),
      code,
      detail,
    }));
  });
}

/**
 * Every fault of the same prices in another currency: of what is money in them, since the rest is the
 * same.
 *
 * @param places where the request says each price in that currency, and last its limits
 */
export function moneyFaults(
  prices: readonly NewPrice[],
  currency: string,
  places: readonly string[],
): FieldError[] {
  const candidates = prices.map((price) => ({ price, meter: null }));
  return prices.flatMap((price, index) => {
    const isLimit = price.kind === 'minimum' || price.kind === 'maximum';
    const place = (isLimit ? places.at(-1) : places[index]) ?? '';
    const faults =
      price.kind === 'usage'
        ? [...pricingFaults(price.pricing), ...limitFaults(price, currency)]
        : [
            ...amountFaults('amount', price.amount, currency),
            ...(price.kind === 'maximum' ? orderFaults(candidates, price) : []),
          ];
    return faults.map(([field, code, detail]) => ({
      field: [place, isLimit ? `${price.kind}_amount` : field].filter(Boolean).join('.'),
      code,
      detail,
    }));
  });
}

/** The limits of a version are fields of their own in requests. */
function fieldOf({ kind }: NewPrice, index: number, field: string): string {
  return kind === 'minimum' || kind === 'maximum' ? `${kind}_amount` : `prices.${index}.${field}`;
}

function keyFaults(candidates: readonly Candidate[], index: number): Fault[] {
  const key = candidates[index]?.price.key;
  const isRepeated = candidates.findIndex(({ price }) => price.key === key) < index;
  return isRepeated
    ? [['key', 'duplicate_key', `a price before it has the key '${key}' already`]]
    : [];
}

function usageFaults(price: NewUsagePrice, meter: Meter | null, currency: string): Fault[] {
  return [
    ...meterFaults(price, meter),
    ...pricingFaults(price.pricing),
    ...limitFaults(price, currency),
  ];
}

function limitFaults({ minimumAmount, maximumAmount }: NewUsagePrice, currency: string): Fault[] {
  const limits = [
    ...amountFaults('minimum_amount', minimumAmount, currency),
    ...amountFaults('maximum_amount', maximumAmount, currency),
  ];
  if (limits.length === 0 && minimumAmount !== null && maximumAmount?.lt(minimumAmount) === true) {
    limits.push(['maximum_amount', 'below_minimum', 'must not be less than minimum_amount']);
  }
  return limits;
}

function meterFaults({ meter: name, pricing, match }: NewUsagePrice, meter: Meter | null): Fault[] {
  if (meter === null) {
    return [['meter', 'unknown_meter', `there is no meter '${name}'`]];
  }
  const faults: Fault[] = [];
  if (meter.archivedAt !== null) {
    const detail = `the meter '${meter.key}' is archived; only versions that are there go on with it`;
    faults.push(['meter', 'archived_meter', detail]);
  }
  if (pricing.model === 'percentage' && meter.aggregation.kind !== 'sum') {
    const detail = `a percentage is taken of a sum of money, and '${meter.key}' is no sum`;
    faults.push(['model', 'not_a_sum', detail]);
  }
  const known = new Set(meter.groupBy.map((group) => group.key));
  for (const group of Object.keys(match ?? {}).filter((key) => !known.has(key))) {
    const detail = `the meter '${meter.key}' has no group '${group}'`;
    faults.push([`match.${group}`, 'unknown_group', detail]);
  }
  return faults;
}

function amountFaults(field: string, amount: Decimal | null, currency: string): Fault[] {
  const isRight =
    amount === null ||
    (isChargeable(amount, currency) && toMinorUnits(amount, currency) <= MAX_AMOUNT_MINOR);
  const detail = `cannot be charged in ${currency}: it is finer than the currency's minor unit, or too large`;
  return isRight ? [] : [[field, 'not_chargeable', detail]];
}

function pricingFaults(pricing: Pricing): Fault[] {
  switch (pricing.model) {
    case 'graduated':
    case 'volume':
      return pricing.tiers.flatMap((tier, index) => tierFaults(pricing.tiers, tier, index));
    case 'package':
      return pricing.packageSize.gt(0)
        ? []
        : [['package_size', 'not_positive', 'must be more than 0']];
    case 'per_unit':
    case 'percentage':
      return [];
  }
}

function tierFaults(tiers: readonly Tier[], { upTo }: Tier, index: number): Fault[] {
  const field = `tiers.${index}.up_to`;
  const isLast = index === tiers.length - 1;
  if (isLast) {
    return upTo === null
      ? []
      : [[field, 'last_tier_ends', 'must be null: the last tier has no end']];
  }
  if (upTo === null) {
    return [[field, 'tier_without_end', 'must be a quantity: only the last tier has no end']];
  }
  const from = tiers[index - 1]?.upTo ?? null;
  const isAscending = from === null ? index > 0 || upTo.gt(0) : upTo.gt(from);
  return isAscending
    ? []
    : [[field, 'not_ascending', 'must be more than 0, and more than that of the tier before']];
}

/** All matches of one meter name the same groups, so that no usage is claimed by two of them. */
function matchFaults(candidates: readonly Candidate[], index: number): Fault[] {
  const match = matchOf(candidates[index]);
  if (match === null) {
    return [];
  }
  const others = candidates
    .slice(0, index)
    .filter(({ meter }) => meter !== null && meter.id === candidates[index]?.meter?.id)
    .flatMap((candidate) => [matchOf(candidate)].filter((other) => other !== null));
  if (others.some((other) => groupsOf(other) !== groupsOf(match))) {
    const detail = 'must name the same groups as the prices of the meter before it';
    return [['match', 'other_groups', detail]];
  }
  const isClaimed = others.some((other) =>
    Object.entries(match).every(([group, value]) => other[group] === value),
  );
  return isClaimed
    ? [['match', 'duplicate_match', 'a price of the meter before it has it already']]
    : [];
}

/** No invoice could keep both limits. */
function orderFaults(candidates: readonly Candidate[], { amount }: LimitTerms): Fault[] {
  const isBelow = candidates.some(
    ({ price }) => price.kind === 'minimum' && amount.lt(price.amount),
  );
  return isBelow ? [['amount', 'below_minimum', 'must not be less than minimum_amount']] : [];
}

function matchOf(candidate: Candidate | undefined): GroupMatch | null {
  return candidate?.price.kind === 'usage' ? candidate.price.match : null;
}

function groupsOf(match: GroupMatch): string {
  return Object.keys(match).toSorted().join();
}
