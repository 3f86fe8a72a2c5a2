/* What a usage price did with a quantity, in a few words for an invoice. Pure. */
import { ceilingQuotient, type Decimal, formatDecimal } from '../kernel/decimal.js';
import { type UsagePrice } from './plan.js';
import { chargedQuantity, tierOf } from './rate.js';

/** Such as `123457 × 0.0004`, `2500 as 3 packages of 1000 × 5` or `2.5 % of 1234.5`. */
export function describeUsage({ pricing, included }: UsagePrice, quantity: Decimal): string {
  const charged = chargedQuantity(quantity, included);
  const free = included.eq(0) ? '' : ` (${formatDecimal(included)} included)`;
  const used = `${formatDecimal(quantity)}${free}`;
  switch (pricing.model) {
    case 'per_unit':
      return `${used} × ${formatDecimal(pricing.unitPrice)}`;
    case 'graduated':
      return `${used} in ${pricing.tiers.length} tiers`;
    case 'volume': {
      const { unitPrice, flatAmount } = tierOf(pricing.tiers, charged).tier;
      const hasFlat = charged.gt(0) && !flatAmount.eq(0);
      return `${used} × ${formatDecimal(unitPrice)}${hasFlat ? ` + ${formatDecimal(flatAmount)}` : ''}`;
    }
    case 'package': {
      const { packageSize, packagePrice } = pricing;
      const packages = ceilingQuotient(charged, packageSize);
      return `${used} as ${packages} ${packages === 1n ? 'package' : 'packages'} of ${formatDecimal(packageSize)} × ${formatDecimal(packagePrice)}`;
    }
    case 'percentage':
      return `${formatDecimal(pricing.percent)} % of ${used}`;
  }
}

/** The values that a price is for, such as ` (eu, large)`; nothing when it takes the rest. */
export function describeMatch({ match }: UsagePrice): string {
  if (match === null) {
    return '';
  }
  const values = Object.entries(match).toSorted(([one], [other]) => (one < other ? -1 : 1));
  return ` (${values.map(([, value]) => value).join(', ')})`;
}
