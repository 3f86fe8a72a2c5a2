import fc from 'fast-check';
import {
  type PriceProgress,
  type PriceTotal,
  progressSince,
  toMessageLines,
} from '../../src/billing/usage-reports/usage-report.js';
import { decimal } from '../../src/kernel/decimal.js';

const usage = (priceId: string, quantity: string, amountMinor: bigint): PriceTotal => ({
  priceId,
  price: `key-of-${priceId}`,
  kind: 'usage',
  meter: 'requests',
  unit: 'request',
  quantity: decimal(quantity),
  amountMinor,
});
const fee = (priceId: string, amountMinor: bigint): PriceTotal => ({
  ...{ priceId, price: `key-of-${priceId}`, kind: 'flat', meter: null, unit: null },
  quantity: null,
  amountMinor,
});

describe('progressSince', () => {
  it('is all of it when nothing was told', () => {
    expect(progressSince([], [usage('a', '2.5', 250n), fee('b', 500n)])).toMatchObject([
      { priceId: 'a', quantityDelta: decimal('2.5'), deltaMinor: 250n },
      { priceId: 'b', quantityDelta: null, deltaMinor: 500n },
    ]);
  });

  it('goes down when something was voided', () => {
    const [line] = progressSince([usage('a', '2.5', 250n)], [usage('a', '2.4', 240n)]);
    expect(line).toMatchObject({ quantityDelta: decimal('-0.1'), deltaMinor: -10n });
  });

  it('takes back what comes to nothing any more', () => {
    expect(progressSince([usage('a', '2.5', 250n), fee('b', 500n)], [])).toMatchObject([
      { priceId: 'a', quantity: decimal('0'), quantityDelta: decimal('-2.5'), deltaMinor: -250n },
      { priceId: 'b', quantity: null, quantityDelta: null, deltaMinor: -500n },
    ]);
  });

  it('has differences whose sum is the last total, in whatever order they arrive', () => {
    const total = fc.tuple(
      fc.constantFrom('a', 'b', 'c'),
      fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }),
      fc.bigInt({ min: -(10n ** 12n), max: 10n ** 12n }),
    );
    const told = fc.array(
      fc
        .uniqueArray(total, { selector: ([id]) => id })
        .map((totals) =>
          totals.map(([id, units, amount]) =>
            usage(id, decimal(units).div(1_000).toFixed(), amount),
          ),
        ),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(
      fc.property(told, fc.func(fc.integer()), (reports, place) => {
        let before: readonly PriceTotal[] = [];
        const messages: PriceProgress[] = [];
        for (const report of reports) {
          const lines = progressSince(before, report);
          messages.push(...lines);
          before = lines;
        }
        const arrived = messages.toSorted((one, other) => place(one) - place(other));
        for (const { priceId, quantity, amountMinor } of before) {
          const own = arrived.filter((line) => line.priceId === priceId);
          const sum = own.reduce((all, line) => all.plus(line.quantityDelta ?? 0), decimal('0'));
          expect(sum.toFixed()).toBe(quantity?.toFixed());
          expect(own.reduce((all, line) => all + line.deltaMinor, 0n)).toBe(amountMinor);
        }
      }),
    );
  });
});

describe('toMessageLines', () => {
  it('tells each price, and all together', () => {
    const lines = progressSince([usage('a', '1', 100n)], [usage('a', '3', 300n), fee('b', 50n)]);
    expect(toMessageLines(lines, 'usd')).toEqual({
      currency: 'usd',
      amount: { delta: '2.50', delta_minor: 250, total: '3.50', total_minor: 350 },
      prices: [
        {
          ...{ price: 'key-of-a', kind: 'usage', meter: 'requests', unit: 'request' },
          quantity: { delta: '2', total: '3' },
          amount: { delta: '2.00', delta_minor: 200, total: '3.00', total_minor: 300 },
        },
        {
          ...{ price: 'key-of-b', kind: 'flat', meter: null, unit: null },
          quantity: null,
          amount: { delta: '0.50', delta_minor: 50, total: '0.50', total_minor: 50 },
        },
      ],
    });
  });
});
