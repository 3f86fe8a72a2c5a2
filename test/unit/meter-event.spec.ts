/*
 * Aim: whatever is used, taken back, refused or forgotten, Stripe counts the whole part of all that was used,
 * or more only by what it does not take back; and it never depends on how usage was cut into events.
 */
import fc from 'fast-check';
import {
  attemptKey,
  identifierOf,
  isInSum,
  isOnlySeen,
  mayMove,
  METER_EVENT_STATES,
  type MeterEvent,
  type MeterEventState,
  minuteOf,
  minutesOf,
  nextMove,
  timeFor,
  wholeOf,
} from '../../src/billing/meter-events/meter-event.js';
import { nextMeasureAt } from '../../src/billing/meter-events/stream.js';
import { decimal, formatDecimal } from '../../src/kernel/decimal.js';
import { interval } from '../../src/kernel/interval.js';

const NOW = new Date('2026-11-10T12:00:30Z');
const HOUR_MS = 3_600_000;
const hours = (count: number): Date => new Date(NOW.getTime() + count * HOUR_MS);

function event(overrides: Partial<MeterEvent> = {}): MeterEvent {
  return {
    id: 'mev_1',
    streamId: 'mes_1',
    sequence: 1,
    identifier: 'mes_1-1',
    value: decimal('10'),
    happenedAt: NOW,
    state: 'accepted',
    sentAt: NOW,
    cancelSentAt: null,
    attemptCount: 0,
    mustLook: false,
    acceptedAt: NOW,
    cancelRefusal: null,
    failureCode: null,
    failure: null,
    createdAt: NOW,
    ...overrides,
  };
}

describe('the states of a meter event', () => {
  /** Written out once more by another rule. */
  const isAllowed = (from: MeterEventState, to: MeterEventState): boolean => {
    const allowed: Partial<Record<MeterEventState, string>> = {
      sent: 'accepted absent failed',
      accepted: 'cancelling absent failed',
      cancelling: 'cancelled accepted failed',
      failed: 'accepted absent',
    };
    return (allowed[from] ?? '').split(' ').includes(to);
  };
  const pairs = METER_EVENT_STATES.flatMap((from) =>
    METER_EVENT_STATES.map((to) => [from, to] as const),
  );

  it.each(pairs)('%s → %s', (from, to) => {
    expect(mayMove(from, to)).toBe(isAllowed(from, to));
  });
});

describe('wholeOf', () => {
  it.each([
    ['0', '0'],
    ['0.999999999999', '0'],
    ['1', '1'],
    ['12345678901234567890.5', '12345678901234567890'],
    ['-0.1', '-1'],
    ['-2', '-2'],
  ])('of %s is %s', (quantity, whole) => {
    expect(formatDecimal(wholeOf(decimal(quantity)))).toBe(whole);
  });
});

describe('nextMove', () => {
  const move = (quantity: string, sent: string, events: MeterEvent[] = []): string => {
    const next = nextMove({ quantity: decimal(quantity), sent: decimal(sent) }, events, NOW);
    switch (next.kind) {
      case 'send':
        return `send ${formatDecimal(next.value)}`;
      case 'cancel':
        return `cancel ${next.event.id}`;
      case 'rest':
        return 'rest';
    }
  };
  const of = (id: string, value: string, more: Partial<MeterEvent> = {}): MeterEvent =>
    event({ id, value: decimal(value), ...more });

  it('sends the whole part of what was not sent', () => {
    expect(move('12.7', '10')).toBe('send 2');
    expect(move('10.9', '10')).toBe('rest');
  });

  it('cancels the smallest event that is enough, else the largest', () => {
    const events = [of('small', '3'), of('large', '50'), of('middle', '7')];
    expect(move('55', '60', events)).toBe('cancel middle');
    expect(move('0', '60', events)).toBe('cancel large');
  });

  it('rests when nothing can be taken back any longer', () => {
    const events = [
      of('old', '9', { sentAt: hours(-23) }),
      of('refused', '9', { cancelRefusal: 'no' }),
      of('gone', '9', { state: 'cancelled' }),
      of('failed', '9', { state: 'failed' }),
    ];
    expect(move('55', '60', events)).toBe('rest');
  });

  it('counts a fraction below nothing as one too much', () => {
    expect(move('59.5', '60', [of('one', '60')])).toBe('cancel one');
  });

  /** Every step that a stream may go through, with a Stripe that takes, refuses and forgets as it likes. */
  const step = fc.oneof(
    fc.record({ use: fc.integer({ min: -3_000, max: 5_000 }) }),
    fc.record({ answer: fc.constantFrom('accepted', 'absent') }),
    fc.record({ hours: fc.integer({ min: 1, max: 30 }) }),
  );

  it('comes to the whole part of what was used, or to no more than was used at the most', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        let used = decimal('0');
        let most = decimal('0');
        let now = NOW;
        let events: MeterEvent[] = [];
        const sent = (): string =>
          formatDecimal(
            events
              .filter(({ state }) => state === 'accepted')
              .reduce((sum, { value }) => sum.plus(value), decimal('0')),
          );
        const settle = (answer: 'accepted' | 'absent'): boolean => {
          const totals = { quantity: used, sent: decimal(sent()) };
          const next = nextMove(totals, events, now);
          if (next.kind === 'send' && answer === 'accepted') {
            const id = String(events.length);
            events.push(event({ id, value: next.value, sentAt: now }));
          } else if (next.kind === 'cancel') {
            events = events.map((one) =>
              one.id === next.event.id ? { ...one, state: 'cancelled' } : one,
            );
          }
          return next.kind !== 'rest';
        };
        for (const one of steps) {
          if ('use' in one) {
            used = used.plus(decimal(String(one.use)).div(8));
            most = used.gt(most) ? used : most;
          } else if ('hours' in one) {
            now = new Date(now.getTime() + one.hours * HOUR_MS);
          } else {
            settle(one.answer);
          }
        }
        let rounds = 0;
        while (settle('accepted')) {
          rounds += 1;
          expect(rounds).toBeLessThan(100);
        }
        const whole = wholeOf(used);
        const total = decimal(sent());
        const mayBeCancelled = events.some(
          ({ state, sentAt }) =>
            state === 'accepted' && now.getTime() - sentAt.getTime() < 23 * HOUR_MS,
        );
        expect(total.gte(whole)).toBe(true);
        expect(total.lte(most.gt(0) ? wholeOf(most) : '0')).toBe(true);
        expect(total.eq(whole) || !mayBeCancelled).toBe(true);
      }),
    );
  });
});

describe('timeFor', () => {
  const window = interval(new Date('2026-11-01T00:00:00Z'), new Date('2026-12-01T00:00:00Z'));
  const at = (now: string, ...taken: string[]): string | undefined =>
    timeFor(
      window,
      taken.map((time) => new Date(time)),
      new Date(now),
    )?.toISOString();

  it('is the minute that has begun', () => {
    expect(at('2026-11-10T12:00:30Z')).toBe('2026-11-10T12:00:00.000Z');
  });

  it('is the last minute that no other event has', () => {
    expect(at('2026-11-10T12:00:30Z', '2026-11-10T12:00:00Z', '2026-11-10T11:59:59Z')).toBe(
      '2026-11-10T11:58:00.000Z',
    );
  });

  it('lies in the period also when it is over', () => {
    expect(at('2026-12-01T01:00:00Z', '2026-11-30T23:59:00Z')).toBe('2026-11-30T23:58:00.000Z');
  });

  it('shares a minute before it leaves the period', () => {
    expect(at('2026-11-01T00:00:40Z', '2026-11-01T00:00:00Z')).toBe('2026-11-01T00:00:40.000Z');
  });

  it('is none when Stripe would take nothing for the period any longer', () => {
    expect(at('2027-01-04T23:30:00Z')).toBeUndefined();
    expect(at('2027-01-04T22:30:00Z')).toBe('2026-11-30T23:59:00.000Z');
  });
});

describe('minutes', () => {
  it('are whole, and those that begin in the window', () => {
    const { start, end } = minuteOf(NOW);
    expect([start, end].map((time) => time.toISOString())).toEqual([
      '2026-11-10T12:00:00.000Z',
      '2026-11-10T12:01:00.000Z',
    ]);
    const window = interval(new Date('2026-11-01T00:00:30Z'), new Date('2026-11-01T00:02:00.500Z'));
    expect(minutesOf(window)).toEqual({
      start: new Date('2026-11-01T00:01:00Z'),
      end: new Date('2026-11-01T00:03:00Z'),
    });
    expect(minutesOf(interval(NOW, new Date(NOW.getTime() + 1_000)))).toBeNull();
  });
});

describe('what tells of an event', () => {
  it('is an identifier that is a function of its place, and a key for each try', () => {
    expect(identifierOf('mes_1', 7)).toBe('mes_1-7');
    expect(attemptKey(event({ state: 'sent', attemptCount: 2 }))).toBe('mes_1-1_s2');
    expect(attemptKey(event({ state: 'cancelling' }))).toBe('mes_1-1_c0');
  });

  it.each([
    ['sent an hour ago', event({ state: 'sent', sentAt: hours(-1) }), false],
    ['sent a day ago', event({ state: 'sent', sentAt: hours(-23) }), true],
    ['to be looked for', event({ state: 'sent', mustLook: true }), true],
    [
      'sent long ago and cancelled lately',
      event({ state: 'cancelling', sentAt: hours(-40), cancelSentAt: hours(-1) }),
      false,
    ],
    ['cancelled a day ago', event({ state: 'cancelling', cancelSentAt: hours(-24) }), true],
  ])('is only seen when %s: %#', (_, one, isSeen) => {
    expect(isOnlySeen(one, NOW)).toBe(isSeen);
  });

  it.each([
    ['15', true],
    ['5', false],
    ['0', null],
    ['25', null],
  ])('is Stripe’s sum of %s beside 5 of others: %p', (atStripe, isThere) => {
    const sums = { atStripe: decimal(atStripe), others: decimal('5') };
    expect(isInSum(decimal('10'), sums)).toBe(isThere);
  });
});

describe('nextMeasureAt', () => {
  const window = interval(new Date('2026-11-01T00:00:00Z'), new Date('2026-12-01T00:00:00Z'));
  const closesAt = new Date('2026-12-01T01:00:00Z');
  const at = (now: string): string =>
    nextMeasureAt({ window, closesAt }, new Date(now), HOUR_MS).toISOString();

  it('is an interval later, soon after the end, and when the period closes', () => {
    expect(at('2026-11-30T20:00:00Z')).toBe('2026-11-30T21:00:00.000Z');
    expect(at('2026-11-30T23:30:00Z')).toBe('2026-12-01T00:01:00.000Z');
    expect(at('2026-12-01T00:01:00Z')).toBe('2026-12-01T01:00:00.000Z');
  });
});
