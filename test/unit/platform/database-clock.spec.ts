import fc from 'fast-check';
import { aheadBy } from '../../../src/platform/database/database-clock.js';

const AT = Date.parse('2026-11-03T10:00:00.000Z');
const at = (ms: number): Date => new Date(AT + Math.floor(ms));

describe('how far the database is ahead', () => {
  it('is found to within the time that its answer took', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -1e9, max: 1e9, noNaN: true }),
        fc.double({ min: 0, max: 5_000, noNaN: true }),
        fc.double({ min: 0, max: 5_000, noNaN: true }),
        fc.integer({ min: -1e9, max: 1e9 }),
        (trulyMs, thereMs, backMs, wasMs) => {
          const reading = {
            before: at(0),
            database: at(thereMs + trulyMs),
            after: at(thereMs + backMs),
          };
          const error = Math.abs(aheadBy(wasMs, reading) - trulyMs);
          expect(error).toBeLessThanOrEqual(thereMs + backMs + 3);
        },
      ),
    );
  });

  it('stays what it was taken to be while an answer allows it, however slow that is', () => {
    const slow = { before: at(0), database: at(4_000), after: at(9_000) };
    expect(aheadBy(0, slow)).toBe(0);
    expect(aheadBy(-4_000, slow)).toBe(-4_000);
    const quick = { before: at(0), database: at(600_002), after: at(4) };
    expect(aheadBy(0, quick)).toBe(599_997);
    expect(aheadBy(600_000, quick)).toBe(600_000);
    expect(aheadBy(900_000, quick)).toBe(600_003);
  });

  it('is not read off an answer during which the machine was set back', () => {
    expect(aheadBy(7, { before: at(60_000), database: at(0), after: at(10) })).toBe(7);
  });
});
