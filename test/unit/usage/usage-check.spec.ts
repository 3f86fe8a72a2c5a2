import { MAX_EVENTS, withinBounds } from '../../../src/usage/upkeep/usage-check.js';

describe('the hours of a check', () => {
  const taken = async (counts: readonly number[]): Promise<readonly number[]> => {
    const asked: number[] = [];
    const hours = await withinBounds(counts, async (count, most) => {
      asked.push(most);
      return await Promise.resolve(Math.min(count, most + 1));
    });
    expect(asked.every((most) => most >= 0 && most <= MAX_EVENTS)).toBe(true);
    return hours;
  };

  it.each([
    ['all, when they are few', [3, 0, 5], [3, 0, 5]],
    ['as many as fit, and one that fits exactly', [MAX_EVENTS - 1, 1, 0], [MAX_EVENTS - 1, 1, 0]],
    ['none that is too large', [MAX_EVENTS + 1, 7], [7]],
    ['none for which nothing is left', [MAX_EVENTS - 5, 9, 5], [MAX_EVENTS - 5, 5]],
  ])('are %s', async (_, counts, expected) => {
    expect(await taken(counts)).toEqual(expected);
  });

  it('come to an end when all are too large', async () => {
    const large = Array.from({ length: 1_000 }, () => MAX_EVENTS + 1);
    expect(await taken([...large, 1])).toEqual([]);
  });
});
