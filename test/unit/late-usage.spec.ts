import fc from 'fast-check';
import { type BilledLine, differences, totalOf } from '../../src/billing/late-usage/difference.js';
import {
  isOpen,
  LATE_USAGE_STATES,
  LATE_USAGE_TRANSITIONS,
} from '../../src/billing/late-usage/late-usage.js';
import { decimal } from '../../src/kernel/decimal.js';
import { type MinorUnits } from '../../src/kernel/money.js';

const line = (
  id: string,
  amountMinor: bigint,
  quantity: string | null,
): Parameters<typeof differences>[0][number] => ({
  price: { id },
  charge: quantity === null ? { kind: 'minimum' } : { kind: 'usage', quantity: decimal(quantity) },
  amountMinor: amountMinor as MinorUnits,
  steps: [],
  description: `${id} ${quantity ?? ''}`,
});

const billed = (
  lines: Record<string, readonly [bigint, string | null]>,
  isFee = false,
): ReadonlyMap<string, BilledLine> =>
  new Map(
    Object.entries(lines).map(([id, [amountMinor, quantity]]) => [
      id,
      {
        lineItemId: `li_${id}`,
        isFee,
        description: `${id} before`,
        amountMinor,
        quantity: quantity === null ? null : decimal(quantity),
      },
    ]),
  );

describe('the differences of a closed period', () => {
  it.each([
    ['more', 500n, '50', 300n, '30', [200n, '20']],
    ['less', 100n, '10', 300n, '30', [-200n, '-20']],
    ['a quantity below zero', -20n, '-2', 10n, '1', [-30n, '-3']],
    ['more for nothing, as what is included', 0n, '40', 0n, '30', [0n, '10']],
    ['another amount for as much, as a percentage that was rounded', 3n, '30', 2n, '30', [1n, '0']],
  ] as const)('tell %s', (_, amount, quantity, before, quantityBefore, expected) => {
    const [found] = differences(
      [line('a', amount, quantity)],
      billed({ a: [before, quantityBefore] }),
    );
    expect([found?.amountMinor, found?.quantity?.toFixed()]).toEqual(expected);
    expect(found).toMatchObject({
      lineItemId: 'li_a',
      priceId: 'a',
      description: `Adjustment: a ${quantity}`,
    });
  });

  it('give back what was billed and makes no line any more, but for fees', () => {
    expect(differences([], billed({ a: [500n, '50'], b: [-30n, null], c: [0n, '0'] }))).toEqual([
      {
        ...{ lineItemId: 'li_a', priceId: 'a', quantity: decimal('-50'), amountMinor: -500n },
        ...{ steps: [], description: 'Adjustment: a before' },
      },
      {
        ...{ lineItemId: 'li_b', priceId: 'b', quantity: null, amountMinor: 30n },
        ...{ steps: [], description: 'Adjustment: b before' },
      },
    ]);
    expect(differences([], billed({ a: [500n, null] }, true))).toEqual([]);
  });

  it('are none where neither amount nor quantity differs', () => {
    const lines = [line('a', 5n, '1.0'), line('b', -3n, null)];
    expect(differences(lines, billed({ a: [5n, '1'], b: [-3n, null] }))).toEqual([]);
  });

  it('have no quantity where a limit of the invoice differs', () => {
    const [found] = differences([line('b', 0n, null)], billed({ b: [700n, null] }));
    expect(found).toMatchObject({ quantity: null, amountMinor: -700n });
  });

  it('leave out fees, and what the period billed no line for', () => {
    const fee = { ...line('a', 900n, null), charge: { kind: 'flat' } as const };
    expect(differences([fee, line('b', 5n, '1')], billed({ a: [0n, null] }))).toEqual([]);
  });

  it('add up to the last rating, however often and to whatever it is rated', () => {
    const rating = fc.record({
      amount: fc.bigInt({ min: -1_000_000n, max: 1_000_000n }),
      quantity: fc.bigInt({ min: -1_000n, max: 1_000n }),
    });
    fc.assert(
      fc.property(fc.array(rating, { minLength: 1, maxLength: 12 }), ([first, ...later]) => {
        const start = first ?? { amount: 0n, quantity: 0n };
        let amountMinor = start.amount;
        let quantity = decimal(start.quantity);
        for (const { amount, quantity: next } of later) {
          const before = new Map([
            ['a', { lineItemId: 'li_a', isFee: false, description: '', amountMinor, quantity }],
          ]);
          const found = differences([line('a', amount, next.toString())], before);
          amountMinor += totalOf(found);
          quantity = quantity.plus(found[0]?.quantity ?? '0');
        }
        const last = later.at(-1) ?? start;
        expect([amountMinor, quantity.toFixed()]).toEqual([last.amount, last.quantity.toString()]);
      }),
    );
  });
});

describe('late usage', () => {
  it('is decided of once, and only while it is open', () => {
    const to = (state: string): readonly string[] =>
      LATE_USAGE_TRANSITIONS[state as keyof typeof LATE_USAGE_TRANSITIONS];
    expect(LATE_USAGE_STATES.filter((state) => isOpen(state))).toEqual(['unbilled', 'held']);
    expect(LATE_USAGE_STATES.filter((state) => to(state).includes('dismissed'))).toEqual(
      LATE_USAGE_STATES.filter((state) => isOpen(state)),
    );
    expect(to('to_bill')).toEqual(['billed']);
    expect([...to('billed'), ...to('dismissed')]).toEqual([]);
  });
});
