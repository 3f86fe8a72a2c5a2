import * as fc from 'fast-check';
import {
  bringsAllSince,
  type ReplaySelection,
  roomOf,
  shareDone,
} from '../../src/webhooks/replays/replay.js';

const progress = { fromPosition: 10n, position: 10n, untilPosition: 30n, totalCount: 20 };

describe('shareDone', () => {
  it.each([
    ['not begun', { state: 'running', progress: null }, 0],
    ['begun', { state: 'running', progress }, 0],
    ['half way', { state: 'running', progress: { ...progress, position: 20n } }, 0.5],
    ['done', { state: 'completed', progress: { ...progress, position: 30n } }, 1],
    [
      'nothing to look at',
      { state: 'completed', progress: { ...progress, untilPosition: 10n } },
      1,
    ],
    ['cancelled before it began', { state: 'cancelled', progress: null }, 0],
  ] as const)('is what was looked at: %s', (_, replay, share) => {
    expect(shareDone(replay)).toBe(share);
  });
});

describe('roomOf', () => {
  it.each([
    [20, 0, 20],
    [20, 80, 20],
    [20, 90, 10],
    [20, 100, 0],
    [20, 101, 0],
    [1, 4, 1],
    [1, 5, 0],
  ])('at %d a second with %d waiting is %d', (perSecond, waiting, room) => {
    expect(roomOf(perSecond, waiting)).toBe(room);
  });

  it('is never more than a second takes, and never lets more wait than five take', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000 }), fc.nat(10_000), (perSecond, waiting) => {
        const room = roomOf(perSecond, waiting);
        expect(room).toBeLessThanOrEqual(perSecond);
        expect(room === 0 || waiting + room <= 5 * perSecond).toBe(true);
      }),
    );
  });
});

describe('bringsAllSince', () => {
  const missedFrom = new Date('2026-11-03T10:00:00Z');
  const all: ReplaySelection = {
    scope: 'undelivered',
    messageIds: null,
    types: [],
    customer: null,
    from: missedFrom,
    to: null,
  };

  it.each<[boolean, string, Partial<ReplaySelection>]>([
    [true, 'what is missing since then', {}],
    [true, 'everything since then', { scope: 'all' }],
    [true, 'what is missing at all', { from: null }],
    [true, 'more types than it wants', { types: ['invoice.paid', 'invoice.voided'] }],
    [false, 'what has failed only', { scope: 'failed' }],
    [false, 'some messages only', { messageIds: ['msg_1'] }],
    [false, 'fewer types', { types: ['invoice.voided'] }],
    [false, 'one customer only', { customer: 'acme' }],
    [false, 'what came later only', { from: new Date('2026-11-03T10:00:01Z') }],
    [false, 'up to some time only', { to: new Date('2027-01-01T00:00:00Z') }],
  ])('is %s for %s', (isAll, _, change) => {
    expect(bringsAllSince({ ...all, ...change }, ['invoice.paid'], missedFrom)).toBe(isAll);
  });

  it('is false for some types when the endpoint wants every type', () => {
    const selection: ReplaySelection = { ...all, types: ['invoice.paid'] };
    expect(bringsAllSince(selection, [], missedFrom)).toBe(false);
  });
});
