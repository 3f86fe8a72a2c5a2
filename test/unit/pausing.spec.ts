import { type OpenInterval } from '../../src/kernel/interval.js';
import {
  MAX_PAUSES,
  pausedFrom,
  type PauseContext,
  type Pausing,
  resumedFrom,
  type When,
} from '../../src/billing/subscriptions/pausing.js';

const day = (number: number): Date => new Date(Date.UTC(2026, 10, number));
const span = (start: number, end: number | null): OpenInterval => ({
  start: day(start),
  end: end === null ? null : day(end),
});
type Change = (when: When, context: PauseContext) => Pausing;

function result(
  change: Change,
  when: When,
  {
    pauses = [],
    now = 10,
    endsAt = null as Date | null,
    trial = null as number | null,
  }: {
    pauses?: readonly OpenInterval[];
    now?: number;
    endsAt?: Date | null;
    trial?: number | null;
  },
): unknown {
  const trialEndsAt = trial === null ? null : day(trial);
  const subscription = { startsAt: day(-60), trialEndsAt, endsAt, pauses };
  const openStart = trialEndsAt ?? day(1);
  const outcome = change(when, { subscription, openStart, now: day(now) });
  return outcome.outcome === 'changed' ? outcome.pauses : outcome.outcome;
}

describe('pausedFrom', () => {
  it.each([
    ['now', 'now', {}, [span(10, null)]],
    ['a time to come', day(50), {}, [span(50, null)]],
    ['a time that has passed', day(3), {}, [span(3, null)]],
    ['the start of the open period', day(1), {}, [span(1, null)]],
    ['what is billed', day(0), {}, 'too_early'],
    ['after another', day(8), { pauses: [span(2, 8)] }, [span(2, 8), span(8, null)]],
    ['within another', day(7), { pauses: [span(2, 8)] }, 'too_early'],
    ['a time while it is paused', 'now', { pauses: [span(2, null)] }, 'already_paused'],
    ['a time while another is to come', 'now', { pauses: [span(20, null)] }, 'already_paused'],
    ['a time while one has an end to come', day(13), { pauses: [span(2, 12)] }, 'already_paused'],
    ['the end', day(20), { endsAt: day(20) }, 'after_end'],
    ['a time of the trial', day(3), { trial: 20 }, [span(3, null)]],
    [
      'as often as one may',
      'now',
      { pauses: Array.from({ length: MAX_PAUSES }, () => span(2, 3)) },
      'too_many',
    ],
  ] as const)('%s', (_, when, context, expected) => {
    expect(result(pausedFrom, when, context)).toEqual(expected);
  });
});

describe('resumedFrom', () => {
  it.each([
    ['now', 'now', { pauses: [span(2, null)] }, [span(2, 10)]],
    ['a time to come', day(12), { pauses: [span(2, null)] }, [span(2, 12)]],
    ['another time to come', day(14), { pauses: [span(2, 12)] }, [span(2, 14)]],
    ['a time that has passed', day(5), { pauses: [span(2, null)] }, [span(2, 5)]],
    [
      'now, which takes back what is to come',
      'now',
      { pauses: [span(2, 3), span(20, null)] },
      [span(2, 3)],
    ],
    ['before it', day(2), { pauses: [span(2, null)] }, 'too_early'],
    ['what is billed as paused', day(0), { pauses: [span(-9, null)] }, 'too_early'],
    ['the start of what is not billed', day(1), { pauses: [span(-9, null)] }, [span(-9, 1)]],
    ['without a pause', 'now', {}, 'not_paused'],
    ['again', 'now', { pauses: [span(2, 10)] }, 'not_paused'],
  ] as const)('%s', (_, when, context, expected) => {
    expect(result(resumedFrom, when, context)).toEqual(expected);
  });
});
