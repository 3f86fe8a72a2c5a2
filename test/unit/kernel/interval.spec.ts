import { interval } from '../../../src/kernel/interval.js';

const early = new Date('2026-11-01T00:00:00Z');
const late = new Date('2026-12-01T00:00:00Z');

describe('interval', () => {
  it('goes from its start to its end', () => {
    expect(interval(early, late)).toEqual({ start: early, end: late });
  });

  it.each([
    ['empty', early, early],
    ['turned around', late, early],
    ['without a start', new Date(Number.NaN), late],
    ['without an end', early, new Date(Number.NaN)],
  ])('cannot be %s', (_, start, end) => {
    expect(() => interval(start, end)).toThrow(RangeError);
  });
});
