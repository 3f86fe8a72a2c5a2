/* Aim: folds are as large as their time allows, and get smaller at once where events cost more. */
import fc from 'fast-check';
import { FIRST_FOLD_EVENTS, foldSizeAfter, MAX_FOLD_EVENTS } from '../../src/usage/fold-size.js';

describe('the size of a fold', () => {
  it.each([
    // limit, events, ms, next
    [10_000, 10_000, 300, 20_000],
    [40_000, 39_000, 1_999, 50_000],
    [10_000, 5_000, 300, 10_000],
    [10_000, 100, 5, 10_000],
    [50_000, 50_000, 13_000, 7_692],
    [50_000, 3_000, 13_000, 1_000],
    [1_000, 5_000, 20_000, 1_000],
  ])('after %i at most, %i in %i ms is %i', (limit, events, workedMs, next) => {
    expect(foldSizeAfter(limit, events, workedMs)).toBe(next);
  });

  it('comes to a time of two seconds whatever an event costs, if a thousand can be folded in that', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 2, noNaN: true }), (costMs) => {
        let limit = FIRST_FOLD_EVENTS;
        for (let fold = 0; fold < 8; fold += 1) {
          limit = foldSizeAfter(limit, limit, limit * costMs);
        }
        const next = foldSizeAfter(limit, limit, limit * costMs);
        expect(Math.min(limit, next) * costMs).toBeLessThanOrEqual(2_000);
        expect(Math.max(limit, next)).toBeGreaterThanOrEqual(
          Math.min(MAX_FOLD_EVENTS, Math.floor(1_000 / costMs)),
        );
      }),
    );
  });
});
