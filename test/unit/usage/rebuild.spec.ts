import { stepAfter, stepAfterTimeout } from '../../../src/usage/upkeep/rebuild.js';

describe('the hours of a step of a rebuild', () => {
  it.each([
    ['as many when it took as long as it should', 10, 500, 10],
    ['fewer when it took longer', 100, 5_000, 10],
    ['at most eight times as many', 10, 1, 80],
    ['at most a month', 700, 0, 744],
    ['at least one', 1, 60_000, 1],
  ])('are %s', (_, hours, workedMs, next) => {
    expect(stepAfter(hours, workedMs)).toBe(next);
  });

  it.each([
    [744, 93],
    [8, 1],
    [2, 1],
  ])('are an eighth of %i after it did not end in time', (hours, next) => {
    expect(stepAfterTimeout(hours)).toBe(next);
  });
});
