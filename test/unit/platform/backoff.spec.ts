import fc from 'fast-check';
import { backoffMs } from '../../../src/platform/jobs/backoff.js';

describe('backoffMs', () => {
  it.each([
    [1, 1_000],
    [2, 2_000],
    [3, 4_000],
    [10, 512_000],
    [12, 2_048_000],
    [13, 3_600_000],
    [100, 3_600_000],
    [1e9, 3_600_000],
  ])('after %d tries waits about %d ms', (attempts, middle) => {
    expect(backoffMs(attempts, 0.5)).toBe(middle);
    expect(backoffMs(attempts, 0)).toBe(middle * 0.8);
    expect(backoffMs(attempts, 1)).toBe(middle * 1.2);
  });

  it('never waits less after more tries, and is always a whole number of milliseconds', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (attempts, random) => {
          const wait = backoffMs(attempts, random);
          expect(Number.isSafeInteger(wait) && wait >= 800 && wait <= 4_320_000).toBe(true);
          expect(backoffMs(attempts + 1, random)).toBeGreaterThanOrEqual(wait);
        },
      ),
    );
  });
});
