import {
  cancellationOf,
  type CancelAt,
  type CancelContext,
} from '../../src/billing/subscriptions/cancellation.js';

const day = (number: number): Date => new Date(Date.UTC(2026, 10, number));
const cadence = { interval: 'month', anchor: { kind: 'calendar' }, timeZone: 'UTC' } as const;
const subscription = { startsAt: day(-60), trialEndsAt: null, endsAt: null };

function outcome(when: CancelAt['when'], now: Date, context: Partial<CancelContext> = {}): unknown {
  const open = { window: { start: day(1), end: day(30) }, cadence };
  const cancellation = cancellationOf(
    { when },
    { subscription, open, isCharged: false, now, ...context },
  );
  return cancellation.outcome === 'ends' ? cancellation.endsAt : cancellation.outcome;
}

describe('cancellationOf', () => {
  it.each([
    ['now', 'now', day(10), null, day(10)],
    ['now, the start to come', 'now', new Date(0), null, day(1)],
    ['now, the period over but not closed', 'now', day(35), null, day(35)],
    ['at the end of the period', 'period_end', day(10), null, day(30)],
    [
      'at the end of the next, this one being over but not closed',
      'period_end',
      day(35),
      null,
      day(62),
    ],
    ['at a time of it', day(20), day(10), null, day(20)],
    ['at a time of it that has passed', day(5), day(10), null, day(5)],
    ['after it', day(45), day(10), null, day(45)],
    ['at its start', day(1), day(10), null, 'too_early'],
    ['before it', day(0), day(10), null, 'too_early'],
    ['earlier than before', 'now', day(10), day(30), day(10)],
    ['as before', 'period_end', day(10), day(30), day(30)],
    ['later than before', day(29), day(10), day(20), 'already_cancelled'],
  ] as const)('%s', (...[, when, now, endsAt, expected]) => {
    expect(outcome(when, now, { subscription: { ...subscription, endsAt } })).toEqual(expected);
  });

  describe('of a trial until the 8th, with the period after it open', () => {
    const trial = { startsAt: day(1), trialEndsAt: day(8), endsAt: null };
    const open = { window: { start: day(8), end: day(30) }, cadence };

    it.each([
      ['now', 'now', day(3), day(3)],
      ['now, before it begins', 'now', day(-5), day(1)],
      ['at its end', 'period_end', day(3), day(8)],
      ['at the end of the period, it being over', 'period_end', day(9), day(30)],
      ['at a time of it', day(5), day(3), day(5)],
      ['at its start', day(1), day(3), 'too_early'],
      ['in the period', day(20), day(3), day(20)],
    ] as const)('%s', (_, when, now, expected) => {
      expect(outcome(when, now, { subscription: trial, open })).toEqual(expected);
    });

    it.each([
      ['earlier', 'now', day(3), day(3)],
      ['as it is', 'period_end', day(3), day(8)],
      ['later', day(9), day(3), 'already_cancelled'],
      ['after it', 'now', day(8), 'over'],
    ] as const)('cancelled to its end, %s', (_, when, now, expected) => {
      const cancelled = { ...trial, endsAt: day(8) };
      expect(outcome(when, now, { subscription: cancelled, open: null })).toEqual(expected);
    });
  });

  describe('of a first period that is charged for already', () => {
    const trial = { startsAt: day(-8), trialEndsAt: day(1), endsAt: null };

    it.each([
      ['now', 'now', day(10), day(10)],
      ['now, the instant it begins', 'now', day(1), new Date(day(1).getTime() + 1)],
      ['at its start', day(1), day(10), 'too_early'],
      ['in the trial before it', day(0), day(10), 'too_early'],
      ['at a time of it', day(2), day(10), day(2)],
      ['at its end', 'period_end', day(10), day(30)],
    ] as const)('%s', (_, when, now, expected) => {
      expect(outcome(when, now, { subscription: trial, isCharged: true })).toEqual(expected);
    });
  });

  it('is over when it was withdrawn before it began', () => {
    const withdrawn = { startsAt: day(20), trialEndsAt: null, endsAt: day(20) };
    expect(outcome('now', day(3), { subscription: withdrawn, open: null })).toBe('over');
  });
});
