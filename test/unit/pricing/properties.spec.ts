/*
 * Aim: what must hold of rating whatever the numbers are.
 * Method: random prices and quantities of up to 12 decimals; amounts compared exactly, in whole
 * numbers of 10^-24, before the one rounding and after it.
 */
import fc from 'fast-check';
import { Big } from 'big.js';
import { type BilledLine, differences } from '../../../src/billing/late-usage/difference.js';
import { decimal, formatDecimal } from '../../../src/kernel/decimal.js';
import { fromMinorUnits, toMinorUnits } from '../../../src/kernel/money.js';
import { PRICING_MODELS, type PricingModel, type UsagePrice } from '../../../src/pricing/plan.js';
import { type TermsText, type TierText } from '../../../src/pricing/price-terms.js';
import { rate } from '../../../src/pricing/rate.js';
import { usage } from '../../support/prices.js';

const text = (units: bigint, scale: number): string =>
  formatDecimal(new Big(units.toString()).times(new Big(10).pow(-scale)));
const number = (max: bigint, min = 0n): fc.Arbitrary<string> =>
  fc
    .tuple(fc.bigInt({ min, max }), fc.integer({ min: 0, max: 12 }))
    .map(([units, scale]) => text(units, scale));

const positive = number(10n ** 14n);
const size = number(10n ** 14n, 1n);
const quantity = number(10n ** 14n, -(10n ** 14n));
const currency = fc.constantFrom('usd', 'jpy', 'isk', 'ugx', 'kwd', 'tnd', 'huf');

/** Tiers of which the ends grow by more than nothing. */
const tiersOf = (flatAmount: fc.Arbitrary<string>): fc.Arbitrary<TierText[]> =>
  fc
    .array(fc.record({ width: size, unitPrice: positive, flatAmount }), {
      ...{ minLength: 1, maxLength: 5 },
    })
    .map((parts) => {
      let end = new Big(0);
      return parts.map(({ width, unitPrice, flatAmount: flat_amount }, index) => {
        end = end.plus(width);
        const up_to = index === parts.length - 1 ? null : formatDecimal(end);
        return { up_to, unit_price: unitPrice, flat_amount };
      });
    });
const tiers = tiersOf(positive);
const plainTiers = tiersOf(fc.constant('0'));

const termsOf = (model: PricingModel): fc.Arbitrary<TermsText> => {
  switch (model) {
    case 'per_unit':
      return fc.record({ unit_price: positive });
    case 'graduated':
    case 'volume':
      return fc.record({ tiers });
    case 'package':
      return fc.record({ package_size: size, package_price: positive });
    case 'percentage':
      return fc.record({ percent: positive });
  }
};
const price: fc.Arbitrary<UsagePrice> = fc
  .tuple(fc.constantFrom(...PRICING_MODELS), fc.option(positive, { nil: undefined }))
  .chain(([model, included]) =>
    termsOf(model).map((terms) =>
      usage(model, included === undefined ? terms : { ...terms, included }),
    ),
  );

/** The amount before it is rounded. */
function exactly(of: UsagePrice, used: string | Big): Big {
  const step = rate(of, new Big(used), 'usd').steps.find((one) => one.step === 'round');
  return decimal(step?.amount ?? '');
}

/** Quantities and prices as above stay far below what one line may come to only now and then. */
function ratable(of: UsagePrice, used: string, code: string): boolean {
  try {
    rate(of, decimal(used), code);
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(RangeError);
    return false;
  }
}

describe('rate', () => {
  it('adds up: the steps come to what is rounded, and it is rounded once', () => {
    fc.assert(
      fc.property(price, quantity, currency, (of, used, code) => {
        fc.pre(ratable(of, used, code));
        const { steps, amountMinor } = rate(of, decimal(used), code);
        const rounds = steps.filter((step) => step.step === 'round');
        expect(rounds).toHaveLength(1);
        expect(steps.at(-1)).toBe(rounds[0]);
        const sum = steps
          .filter((step) => step.step !== 'round')
          .reduce((total, step) => total.plus(step.amount), new Big(0));
        expect(rounds[0]?.amount).toBe(formatDecimal(sum));
        expect(amountMinor).toBe(toMinorUnits(sum, code));
        expect(rounds[0]?.amount_minor).toBe(amountMinor.toString());
      }),
    );
  });

  it('keeps the limits of a line, by steps that add up', () => {
    const limits = fc.tuple(fc.bigInt(0n, 10n ** 6n), fc.bigInt(0n, 10n ** 6n));
    fc.assert(
      fc.property(price, quantity, limits, (of, used, [low, more]) => {
        fc.pre(ratable(of, used, 'usd'));
        const bounded = {
          ...of,
          minimumAmount: fromMinorUnits(low, 'usd'),
          maximumAmount: fromMinorUnits(low + more, 'usd'),
        };
        const free = rate(of, decimal(used), 'usd').amountMinor;
        const { steps, amountMinor } = rate(bounded, decimal(used), 'usd');
        const kept = free < low ? low : free;
        expect(amountMinor).toBe(kept > low + more ? low + more : kept);
        const added = steps
          .filter((step) => step.step === 'minimum' || step.step === 'maximum')
          .reduce((total, step) => total.plus(step.amount), fromMinorUnits(free, 'usd'));
        expect(added.eq(fromMinorUnits(amountMinor, 'usd'))).toBe(true);
      }),
    );
  });

  it('never falls when more is used, but for volume', () => {
    fc.assert(
      fc.property(price, quantity, quantity, (of, one, other) => {
        fc.pre(of.pricing.model !== 'volume');
        fc.pre(ratable(of, one, 'usd') && ratable(of, other, 'usd'));
        const [less, more] = decimal(one).lt(other) ? [one, other] : [other, one];
        expect(exactly(of, less).lte(exactly(of, more))).toBe(true);
      }),
    );
  });

  it('does not change when a quantity is split, where nothing depends on how much it is', () => {
    const linear = fc.oneof(
      positive.map((unitPrice) => usage('per_unit', { unit_price: unitPrice })),
      positive.map((percent) => usage('percentage', { percent })),
    );
    fc.assert(
      fc.property(linear, quantity, quantity, (of, one, other) => {
        const whole = formatDecimal(decimal(one).plus(other));
        fc.pre([one, other, whole].every((used) => ratable(of, used, 'usd')));
        expect(exactly(of, one).plus(exactly(of, other)).eq(exactly(of, whole))).toBe(true);
      }),
    );
  });

  it('charges a package more for each package more, from any quantity on', () => {
    const counts = fc.bigInt({ min: -1000n, max: 1000n });
    fc.assert(
      fc.property(termsOf('package'), quantity, counts, (terms, used, count) => {
        const of = usage('package', terms);
        const width = new Big(terms.package_size ?? '').times(count.toString());
        const more = formatDecimal(decimal(used).plus(width));
        fc.pre(ratable(of, used, 'usd') && ratable(of, more, 'usd'));
        const difference = new Big(terms.package_price ?? '').times(count.toString());
        expect(exactly(of, more).eq(exactly(of, used).plus(difference))).toBe(true);
      }),
    );
  });
});

/** What is billed of a price once it has come to a quantity. */
function billedWith(
  before: BilledLine | null,
  of: UsagePrice,
  total: Big,
  code: string,
): BilledLine {
  const rated = rate(of, total, code);
  if (before === null) {
    return { lineItemId: 'li_1', isFee: false, description: '', quantity: total, ...rated };
  }
  const charge = { kind: 'usage', quantity: total } as const;
  const line = { ...rated, price: of, charge, description: '' };
  const [change] = differences([line], new Map([[of.id, before]]));
  return {
    ...before,
    amountMinor: before.amountMinor + (change?.amountMinor ?? 0n),
    quantity: (before.quantity ?? total).plus(change?.quantity ?? '0'),
  };
}

describe('a quantity that is billed in parts', () => {
  it('comes to what it costs at once, whatever the price, its limits and the parts', () => {
    const limits = fc.tuple(fc.bigInt(0n, 10n ** 6n), fc.bigInt(0n, 10n ** 6n));
    const parts = fc.array(quantity, { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(price, parts, currency, fc.option(limits), (of, used, code, bounds) => {
        const limit = (units: bigint): Big | null =>
          bounds && fromMinorUnits(toMinorUnits(new Big(units.toString()), code), code);
        const [low, more] = bounds ?? [0n, 0n];
        const bounded = { ...of, minimumAmount: limit(low), maximumAmount: limit(low + more) };
        let total = new Big(0);
        let billed: BilledLine | null = null;
        for (const part of used) {
          total = total.plus(part);
          fc.pre(ratable(bounded, formatDecimal(total), code));
          billed = billedWith(billed, bounded, total, code);
        }
        expect(billed?.amountMinor).toBe(rate(bounded, total, code).amountMinor);
        expect(billed?.quantity?.eq(total)).toBe(true);
      }),
    );
  });

  it('costs in graduated tiers what each part costs in the tiers that are left of them', () => {
    const used = number(10n ** 14n);
    fc.assert(
      fc.property(tiers, used, used, (list, one, other) => {
        const start = new Big(one);
        const left = list
          .map((each, index) => ({ ...each, from: new Big(list[index - 1]?.up_to ?? '0') }))
          .filter(({ up_to: end }) => end === null || start.lt(end))
          .map(({ from, up_to: end, ...each }) => ({
            ...each,
            up_to: end === null ? null : formatDecimal(new Big(end).minus(start)),
            // Its fee is due once; it was, if the part before reached into it.
            flat_amount: start.gt(from) ? '0' : (each.flat_amount ?? '0'),
          }));
        const of = usage('graduated', { tiers: list });
        const whole = formatDecimal(start.plus(other));
        fc.pre(ratable(of, whole, 'usd'));
        const parts = exactly(of, one).plus(exactly(usage('graduated', { tiers: left }), other));
        expect(parts.eq(exactly(of, whole))).toBe(true);
      }),
    );
  });
});

describe('tiers', () => {
  it('of a graduated price join without a jump when they have no fees', () => {
    fc.assert(
      fc.property(plainTiers, (list) => {
        const of = usage('graduated', { tiers: list });
        const atom = new Big('0.000000000001');
        list.slice(0, -1).forEach(({ up_to: end, unit_price: before }, index) => {
          fc.pre(ratable(of, formatDecimal(new Big(end ?? '').plus(atom)), 'usd'));
          const at = exactly(of, end ?? '');
          expect(at.minus(exactly(of, new Big(end ?? '').minus(atom))).eq(atom.times(before))).toBe(
            true,
          );
          const next = atom.times(list[index + 1]?.unit_price ?? '');
          expect(
            exactly(of, new Big(end ?? '').plus(atom))
              .minus(at)
              .eq(next),
          ).toBe(true);
        });
      }),
    );
  });

  it('of graduated and volume agree up to the end of the first, and below zero', () => {
    fc.assert(
      fc.property(tiers, quantity, (list, used) => {
        const end = list[0]?.up_to ?? null;
        const within = end !== null && decimal(used).gt(end) ? end : used;
        fc.pre(ratable(usage('volume', { tiers: list }), within, 'usd'));
        const [graduated, volume] = (['graduated', 'volume'] as const).map((model) =>
          rate(usage(model, { tiers: list }), decimal(within), 'usd'),
        );
        expect(graduated).toEqual(volume);
      }),
    );
  });

  it('of one price are the price per unit', () => {
    fc.assert(
      fc.property(plainTiers, positive, quantity, (list, unitPrice, used) => {
        const same = list.map((one) => ({ ...one, unit_price: unitPrice }));
        const of = usage('per_unit', { unit_price: unitPrice });
        fc.pre(ratable(of, used, 'usd'));
        for (const model of ['graduated', 'volume'] as const) {
          expect(exactly(usage(model, { tiers: same }), used).eq(exactly(of, used))).toBe(true);
        }
      }),
    );
  });

  it('that are split in two of the same price change nothing of a graduated price', () => {
    fc.assert(
      fc.property(plainTiers, quantity, (list, used) => {
        const halves = list.flatMap((one, index) => {
          const from = new Big(list[index - 1]?.up_to ?? '0');
          const middle = one.up_to === null ? from.plus(1) : from.plus(one.up_to).times('0.5');
          return [{ ...one, up_to: formatDecimal(middle) }, one];
        });
        const of = usage('graduated', { tiers: list });
        fc.pre(ratable(of, used, 'usd'));
        expect(exactly(usage('graduated', { tiers: halves }), used).eq(exactly(of, used))).toBe(
          true,
        );
      }),
    );
  });
});
