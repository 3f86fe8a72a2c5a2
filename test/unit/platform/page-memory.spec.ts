/*
 * Aim: the embedded PostgreSQL takes its share of memory, and neither too little to work nor more than it can write when it stops.
 * Method: tables of machines, and this one.
 */
import { totalmem } from 'node:os';
import { pageMegabytes, usableBytes } from '../../../src/platform/database/page-memory.js';

const GIGABYTE = 1_073_741_824;

describe('pageMegabytes', () => {
  it.each([
    [0.25, 128],
    [1, 128],
    [2, 256],
    [3.9, 499],
    [8, 1_024],
    [24, 3_072],
    [512, 4_096],
  ])('takes of %p GB %p MB', (gigabytes, expected) => {
    expect(pageMegabytes(gigabytes * GIGABYTE)).toBe(expected);
  });
});

describe('usableBytes', () => {
  const constrained = process.constrainedMemory;

  afterEach(() => {
    process.constrainedMemory = constrained;
  });

  it.each([
    ['no limit', 0, totalmem()],
    ['no limit, said as a number beyond all', 2 ** 64, totalmem()],
    ['a container', 268_435_456, 268_435_456],
  ])('knows of %s', (_name, limit, expected) => {
    process.constrainedMemory = () => limit;

    expect(usableBytes()).toBe(expected);
  });

  it('is within the machine', () => {
    expect(usableBytes()).toBeGreaterThan(0);
    expect(usableBytes()).toBeLessThanOrEqual(totalmem());
  });
});
