import fc from 'fast-check';
import { checksMade, nextCheckAt } from '../../src/billing/gate/hold.js';
import { ownedWithin } from '../../src/billing/gate/owned-spans.js';

const at = (ms: number): Date => new Date(ms);

describe('nextCheckAt', () => {
  const MINUTE_MS = 60_000;

  it.each([
    ['at once', 0, 5_000],
    ['after 20 s', 20_000, 5_000],
    ['after 4 min', 4 * MINUTE_MS, MINUTE_MS],
    ['after 20 min', 20 * MINUTE_MS, 5 * MINUTE_MS],
    ['after a month', 30 * 24 * 60 * MINUTE_MS, 5 * MINUTE_MS],
  ])('waits the longer the longer it was held: %s', (_, heldMs, waitMs) => {
    expect(nextCheckAt(at(1_000), at(1_000 + heldMs))).toEqual(at(1_000 + heldMs + waitMs));
  });
});

describe('checksMade', () => {
  it('asks for the level before quarantined values, which are found by counting', () => {
    expect(checksMade(['quarantined_values'])).toEqual(['usage_level', 'quarantined_values']);
    expect(checksMade(['usage_level', 'quarantined_values'])).toHaveLength(2);
    expect(checksMade(['conflicts'])).toEqual(['conflicts']);
    expect(checksMade([])).toEqual([]);
  });
});

describe('ownedWithin', () => {
  const instant = fc.integer({ min: 0, max: 30 });
  const span = fc
    .tuple(instant, fc.integer({ min: 1, max: 10 }))
    .map(([start, length]) => ({ start: at(start), end: at(start + length) }));
  const owned = fc.tuple(fc.option(instant), fc.option(instant)).map(([starts, ends]) => ({
    ...{ subject: 'key', customerId: 'cus' },
    startsAt: starts === null ? null : at(starts),
    endsAt: ends === null ? null : at(ends),
  }));

  it('has exactly the instants that are owned and within a span', () => {
    fc.assert(
      fc.property(owned, span, instant, (subject, within, ms) => {
        const holds = (from: Date | null, to: Date | null): boolean =>
          (from === null || from.getTime() <= ms) && (to === null || ms < to.getTime());
        const found = ownedWithin([subject], [within]);
        expect(found.some(({ start, end }) => holds(start, end))).toBe(
          holds(subject.startsAt, subject.endsAt) && holds(within.start, within.end),
        );
        expect(found.every(({ start, end }) => start < end)).toBe(true);
      }),
    );
  });
});
