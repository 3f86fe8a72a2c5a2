import { cancellationOf, type CancelAt } from '../../src/billing/subscriptions/cancellation.js';

const day = (number: number): Date => new Date(Date.UTC(2026, 10, number));
const open = { start: day(1), end: day(30) };

function outcome(when: CancelAt['when'], now: Date, endsAt: Date | null = null): unknown {
  const cancellation = cancellationOf({ when }, { open, endsAt, now, timeZone: 'UTC' });
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
    expect(outcome(when, now, endsAt)).toEqual(expected);
  });
});
