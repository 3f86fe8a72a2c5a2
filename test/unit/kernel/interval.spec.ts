import { interval, type OpenInterval, without } from '../../../src/kernel/interval.js';

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

describe('without', () => {
  const hole = (start: number, end: number | null): OpenInterval => ({
    start: new Date(start),
    end: end === null ? null : new Date(end),
  });

  it.each([
    ['nothing', [], [[10, 20]]],
    ['what does not touch it', [hole(0, 10), hole(20, 30)], [[10, 20]]],
    ['its start', [hole(5, 12)], [[12, 20]]],
    ['its end', [hole(18, 25)], [[10, 18]]],
    [
      'its middle, twice',
      [hole(11, 12), hole(15, 16)],
      [
        [10, 11],
        [12, 15],
        [16, 20],
      ],
    ],
    [
      'what does not end',
      [hole(11, 12), hole(15, null)],
      [
        [10, 11],
        [12, 15],
      ],
    ],
    ['itself', [hole(10, 20)], []],
    ['more than itself', [hole(0, null)], []],
    [
      'what has no length',
      [hole(15, 15)],
      [
        [10, 15],
        [15, 20],
      ],
    ],
  ])('leaves out %s', (_, holes, left) => {
    const parts = without({ start: new Date(10), end: new Date(20) }, holes);
    expect(parts.map(({ start, end }) => [start.getTime(), end.getTime()])).toEqual(left);
  });
});
