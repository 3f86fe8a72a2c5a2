/* Aim: no invoice too long, none without need, nothing lost or twice, and credits where the charges are. */
import fc from 'fast-check';
import { splitForInvoices } from '../../src/billing/invoices/invoice-split.js';

const itemsOf = (amounts: readonly number[]): { id: number; amountMinor: bigint }[] =>
  amounts.map((amount, id) => ({ id, amountMinor: BigInt(amount) }));

describe('splitForInvoices', () => {
  it('keeps together what fits', () => {
    const items = itemsOf([3, -1, 2]);
    expect(splitForInvoices(items, 3)).toEqual([items]);
    expect(splitForInvoices([], 3)).toEqual([]);
  });

  it('puts credits on the invoice that charges the most', () => {
    const parts = splitForInvoices(itemsOf([10, 10, 500, 500, -400, -90]), 4);
    expect(parts.map((part) => part.map(({ amountMinor }) => Number(amountMinor)))).toEqual([
      [10, 10],
      [500, 500, -400, -90],
    ]);
  });

  it('has every item once, in order, on as few invoices as hold them', () => {
    const amounts = fc.array(fc.integer({ min: -1_000, max: 1_000 }), { maxLength: 60 });
    fc.assert(
      fc.property(amounts, fc.integer({ min: 1, max: 9 }), (list, max) => {
        const items = itemsOf(list);
        const parts = splitForInvoices(items, max);
        const ids = parts.flatMap((part) => part.map(({ id }) => id));
        expect(ids.toSorted((a, b) => a - b)).toEqual(items.map(({ id }) => id));
        expect(parts.length).toBeLessThanOrEqual(Math.ceil(list.length / max));
        for (const part of parts) {
          const own = part.map(({ id }) => id);
          expect(own.length).toBeGreaterThan(0);
          expect(own.length).toBeLessThanOrEqual(max);
          expect(own).toEqual(own.toSorted((a, b) => a - b));
        }
        expect(splitForInvoices(itemsOf(list), max)).toEqual(parts);
      }),
    );
  });
});
