import * as fc from 'fast-check';
import { type OutboundResult } from '../../src/platform/outbound/outbound-http.js';
import {
  judge,
  LOST_ATTEMPT,
  MAX_ATTEMPTS,
  MAX_LOST_ATTEMPTS,
  readRetryAfter,
  sealedAttempt,
  settle,
  USUAL_WAITS_MS,
} from '../../src/webhooks/deliveries/settlement.js';

const now = new Date('2026-11-03T10:00:00Z');
const DAY_MS = 86_400_000;

const answered = (
  status: number,
  more: Partial<Extract<OutboundResult, { kind: 'answered' }>> = {},
): OutboundResult => ({
  kind: 'answered',
  status,
  headers: {},
  address: '192.0.2.1',
  start: 'text',
  cutBy: null,
  ...more,
});

const after = (attemptNumber: number, retryWaitsSeconds: number[] | null = null) => ({
  attemptNumber,
  retryWaitsSeconds,
});

const delayAfter = (
  number: number,
  answer: OutboundResult,
  random = 0.5,
  waits: number[] | null = null,
): number | null => {
  const settlement = settle(judge(answer, 5, now, []), after(number, waits), now, random);
  return settlement.state === 'pending' ? settlement.nextAttemptAt.getTime() - now.getTime() : null;
};

describe('judge', () => {
  it.each([
    [200, 'succeeded', null],
    [204, 'succeeded', null],
    [299, 'succeeded', null],
    [300, 'failed', 'http'],
    [302, 'failed', 'http'],
    [400, 'failed', 'http'],
    [410, 'failed', 'http'],
    [429, 'failed', 'http'],
    [500, 'failed', 'http'],
  ])('takes %i as %s', (status, outcome, error) => {
    const { result } = judge(answered(status), 5, now, []);
    expect(result).toEqual({
      outcome,
      error,
      status,
      durationMs: 5,
      detail: null,
      address: '192.0.2.1',
      responseHeaders: {},
      response: 'text',
    });
  });

  it('takes 410 alone as gone', () => {
    expect([200, 404, 410].map((status) => judge(answered(status), 5, now, []).disables)).toEqual([
      null,
      null,
      'gone',
    ]);
  });

  it('takes a 2xx that was cut off as a success, and says what cut it', () => {
    expect(judge(answered(200, { cutBy: 'too_large' }), 5, now, []).result).toMatchObject({
      outcome: 'succeeded',
      error: 'too_large',
    });
  });

  it('keeps the fault of a call without an answer', () => {
    const { result } = judge(
      { kind: 'failed', fault: 'dns', detail: 'no such name', address: null },
      5,
      now,
      [],
    );
    expect(result).toMatchObject({
      outcome: 'failed',
      status: null,
      error: 'dns',
      detail: 'no such name',
      response: null,
    });
  });

  it.each([
    [500, 'disable', { isFinal: true, disables: 'receiver' }],
    [204, ' Disable ', { isFinal: true, disables: 'receiver' }],
    [410, 'abort-message', { isFinal: true, disables: 'gone' }],
    [503, 'abort-message', { isFinal: true, disables: null }],
    [503, 'later', { isFinal: false, disables: null }],
  ])('reads of a %i with webhook-delivery: %s what the receiver wants', (status, header, wish) => {
    const headers = { 'webhook-delivery': header };
    expect(judge(answered(status, { headers }), 5, now, [])).toMatchObject(wish);
  });

  it('blames no endpoint for our own proxy, key or death', () => {
    const proxy = { kind: 'failed', fault: 'proxy', detail: 'refused', address: null } as const;
    const own = [judge(proxy, 5, now, []), sealedAttempt('no key'), LOST_ATTEMPT];
    expect(own.map(({ isTelling }) => isTelling)).toEqual([false, false, false]);
    expect(judge(answered(500), 5, now, []).isTelling).toBe(true);
  });

  it('keeps no secret that the receiver repeats, nor any of its own', () => {
    const headers = {
      'x-echo': 'token-of-ours',
      'set-cookie': 'a=b',
      'x-api-key': 'k',
      via: '1.1 x',
    };
    const start = '{"authorization":"token-of-ours"}';
    const { result } = judge(answered(500, { headers, start }), 5, now, ['token-of-ours', 'a']);
    expect(result).toMatchObject({
      response: '{"authorization":"[redacted]"}',
      responseHeaders: {
        'x-echo': '[redacted]',
        'set-cookie': '[redacted]',
        'x-api-key': '[redacted]',
        via: '1.1 x',
      },
    });
  });

  it('makes an answer storable', () => {
    const { result } = judge(answered(500, { start: 'a\0b\uD800' }), 5, now, []);
    expect(result.response).toBe('a\uFFFDb\uFFFD');
  });
});

describe('readRetryAfter', () => {
  it.each([
    [null, null],
    ['', null],
    ['soon', null],
    ['-5', null],
    ['1.5', null],
    ['0', 0],
    ['120', 120_000],
    ['999999999', DAY_MS],
    ['Tue, 03 Nov 2026 10:05:00 GMT', 300_000],
    ['Tue, 03 Nov 2026 09:00:00 GMT', 0],
    ['Tue, 03 Nov 2037 09:00:00 GMT', DAY_MS],
    ['Tue, 99 Nov 2026 09:00:00 GMT', null],
  ])('reads %p as %p ms', (header, ms) => {
    expect(readRetryAfter(header, now)).toBe(ms);
  });
});

describe('settle', () => {
  it('follows the schedule and then gives up', () => {
    const minutes = [...USUAL_WAITS_MS, null].map((_, index) =>
      delayAfter(index + 1, answered(500)),
    );
    const expected = [5, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
    expect(minutes).toEqual([...expected.map((seconds) => seconds * 1_000), null]);
    expect(settle(judge(answered(500), 5, now, []), after(MAX_ATTEMPTS), now, 0.5)).toEqual({
      state: 'failed',
      finishedAt: now,
    });
  });

  it('stays within a fifth of the schedule, and grows with chance', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: MAX_ATTEMPTS - 1 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (number, random) => {
          const wait = USUAL_WAITS_MS[number - 1] as number;
          const delay = delayAfter(number, answered(500), random) as number;
          expect(Math.abs(delay - wait)).toBeLessThanOrEqual(wait * 0.2 + 1);
        },
      ),
    );
  });

  it('waits as long as the receiver asks, but never less than the schedule', () => {
    expect(delayAfter(1, answered(429, { headers: { 'retry-after': '120' } }))).toBe(120_000);
    expect(delayAfter(1, answered(503, { headers: { 'retry-after': '0' } }))).toBe(5_000);
    expect(delayAfter(1, answered(503, { headers: { 'retry-after': '99999999' } }))).toBe(DAY_MS);
  });

  it('follows the waits of an endpoint, and then gives up', () => {
    const waits = [1, 2, 4].map((_, index) => delayAfter(index + 1, answered(500), 0.5, [1, 4, 9]));
    expect(waits).toEqual([1_000, 4_000, 9_000]);
    expect(delayAfter(4, answered(500), 0.5, [1, 4, 9])).toBeNull();
    expect(delayAfter(1, answered(500), 0.5, [])).toBeNull();
  });

  it('ends with a success, and with 410', () => {
    expect(settle(judge(answered(200), 5, now, []), after(1), now, 0.5).state).toBe('succeeded');
    expect(settle(judge(answered(410), 5, now, []), after(1), now, 0.5).state).toBe('failed');
  });

  it('repeats a lost attempt at once, but not for ever', () => {
    expect(settle(LOST_ATTEMPT, after(1), now, 0.5)).toEqual({
      state: 'pending',
      nextAttemptAt: now,
    });
    expect(settle(LOST_ATTEMPT, after(MAX_ATTEMPTS), now, 0.5).state).toBe('pending');
    const most = MAX_ATTEMPTS + MAX_LOST_ATTEMPTS;
    expect(settle(LOST_ATTEMPT, after(most - 1), now, 0.5).state).toBe('pending');
    expect(settle(LOST_ATTEMPT, after(most), now, 0.5).state).toBe('failed');
  });
});
