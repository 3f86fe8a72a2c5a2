import * as fc from 'fast-check';
import {
  afterAttempt,
  BREAKER_FAILURES,
  DISABLE_AFTER_MS,
  type EndpointHealth,
  type HealthNews,
  type HealthSign,
  HEALTHY,
} from '../../../src/webhooks/endpoints/endpoint-health.js';

const START = Date.parse('2026-11-03T10:00:00Z');
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const at = (ms: number): Date => new Date(START + ms);

const success: HealthSign = { isSuccess: true, status: 200, retryAfterMs: null };
const failure = (status: number | null = 500, retryAfterMs: number | null = null): HealthSign => ({
  isSuccess: false,
  status,
  retryAfterMs,
});

/** Follows signs at times; answers the health at the end and all news. */
function follow(
  signs: readonly (readonly [ms: number, sign: HealthSign])[],
  from: EndpointHealth = HEALTHY,
): { health: EndpointHealth; news: HealthNews[] } {
  const news: HealthNews[] = [];
  let health = from;
  for (const [ms, sign] of signs) {
    const after = afterAttempt(health, sign, at(ms));
    health = after.health;
    news.push(...(after.news === null ? [] : [after.news]));
  }
  return { health, news };
}

const failures = (count: number, everyMs: number): (readonly [number, HealthSign])[] =>
  Array.from({ length: count }, (_, index) => [index * everyMs, failure()] as const);

describe('afterAttempt', () => {
  it('forgets failures at a success', () => {
    expect(follow([...failures(3, 1_000), [5_000, success]])).toEqual({
      health: HEALTHY,
      news: [],
    });
  });

  it('holds an endpoint after ten failures in a row, twice as long each time, up to ten minutes', () => {
    expect(follow(failures(BREAKER_FAILURES - 1, 0)).health.heldUntil).toBeNull();
    const waits = Array.from({ length: 9 }, (_, index) => {
      const { heldUntil } = follow(failures(BREAKER_FAILURES + index, 0)).health;
      return heldUntil === null ? null : (heldUntil.getTime() - START) / 1_000;
    });
    expect(waits).toEqual([10, 20, 40, 80, 160, 320, 600, 600, 600]);
  });

  it('ends the wait with a probe that succeeds, not with a call that was under way before', () => {
    const { health } = follow(failures(BREAKER_FAILURES, 0));
    expect(afterAttempt(health, success, at(9_999)).health).toEqual({
      failing: null,
      heldUntil: at(10_000),
    });
    expect(afterAttempt(health, success, at(10_000)).health).toEqual(HEALTHY);
  });

  it.each([
    [429, null, 1_000],
    [502, null, 1_000],
    [503, null, 1_000],
    [504, null, 1_000],
    [429, 60_000, 60_000],
    [503, 24 * HOUR_MS, 10 * MINUTE_MS],
    [500, 60_000, null],
    [404, null, null],
    [null, null, null],
  ])('throttles at %p that asks for %p ms by %p ms', (status, retryAfterMs, heldMs) => {
    const { heldUntil } = follow([[0, failure(status, retryAfterMs)]]).health;
    expect(heldUntil).toEqual(heldMs === null ? null : at(heldMs));
  });

  it('never shortens a wait', () => {
    const long = follow([[0, failure(429, 5 * MINUTE_MS)]]).health;
    expect(follow([[1_000, failure(503)]], long).health.heldUntil).toEqual(at(5 * MINUTE_MS));
  });

  it('warns at 50, 75 and 90 percent of five days, each once, and then disables', () => {
    const hours = 5 * 24;
    const told: Record<string, HealthNews> = {};
    let health: EndpointHealth = HEALTHY;
    for (let hour = 0; hour <= hours; hour += 1) {
      const after = afterAttempt(health, failure(), at(hour * HOUR_MS));
      health = after.health;
      if (after.news !== null) {
        told[hour] = after.news;
      }
    }
    expect(told).toEqual({ 60: 'warning', 90: 'warning', 108: 'warning', 120: 'disable' });
  });

  it('disables for neither many failures in a short time, nor few in a long one', () => {
    expect(follow(failures(10_000, 1_000)).news).toEqual([]);
    const few: (readonly [number, HealthSign])[] = [0, 2, 4, 6].map((day) => [
      day * 24 * HOUR_MS,
      failure(),
    ]);
    expect(follow(few).news).toEqual([]);
  });

  it('begins a new count after days without an attempt', () => {
    const { health } = follow(failures(20, 1_000));
    const later = 20_000 + DISABLE_AFTER_MS + HOUR_MS;
    expect(follow([[later, failure()]], health)).toEqual({
      health: {
        failing: { since: at(later), lastAt: at(later), count: 1, warnedPercent: 0 },
        heldUntil: health.heldUntil,
      },
      news: [],
    });
  });

  it('tells of a recovery those who were warned', () => {
    const warned = follow(failures(70, HOUR_MS));
    expect(warned.news).toEqual(['warning']);
    expect(follow([[71 * HOUR_MS, success]], warned.health).news).toEqual(['recovered']);
  });

  it('disables only after five days and ten failures since the last success', () => {
    const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 30 * HOUR_MS }), fc.boolean()), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(steps, (given) => {
        let health: EndpointHealth = HEALTHY;
        let ms = 0;
        let since: number | null = null;
        let count = 0;
        for (const [wait, isSuccess] of given) {
          ms += wait;
          const after = afterAttempt(health, isSuccess ? success : failure(), at(ms));
          health = after.health;
          since = isSuccess ? null : (since ?? ms);
          count = isSuccess ? 0 : count + 1;
          const isDue = since !== null && ms - since >= DISABLE_AFTER_MS && count >= 10;
          expect(after.news === 'disable').toBe(isDue);
        }
      }),
    );
  });
});
