import {
  idempotencyKey,
  isProvenAbsent,
  KEY_LIFE_MS,
  mayBeSent,
  nextStep,
  retryAt,
} from '../../src/billing/sync/sync.js';

const now = new Date('2026-12-02T00:00:00Z');
const before = (ms: number): Date => new Date(now.getTime() - ms);

describe('nextStep', () => {
  const sync = { generation: 3, firstSentAt: before(1_000), isKeySpent: false };

  const sends = [
    ['sends what was never sent under its key', { firstSentAt: null }, [3, true]],
    ['sends again under the same key what is not there', {}, [3, false]],
    [
      'keeps the key until an hour before Stripe forgets it',
      { firstSentAt: before(KEY_LIFE_MS - 1) },
      [3, false],
    ],
    [
      'takes a new key when Stripe may have forgotten it',
      { firstSentAt: before(KEY_LIFE_MS) },
      [4, true],
    ],
    ['takes a new key when the old one only repeats a failure', { isKeySpent: true }, [4, true]],
  ] as const;

  it.each(sends)('%s', (_, change, [generation, isFresh]) => {
    expect(nextStep({ ...sync, ...change }, 0, now)).toEqual({ step: 'send', generation, isFresh });
  });

  it.each([
    [{}],
    [{ firstSentAt: null }],
    [{ isKeySpent: true }],
    [{ firstSentAt: before(KEY_LIFE_MS * 2) }],
  ])('never sends what is there: %j', (change) => {
    expect(nextStep({ ...sync, ...change }, 1, now)).toEqual({ step: 'adopt' });
    expect(nextStep({ ...sync, ...change }, 2, now)).toEqual({ step: 'ask_person' });
  });
});

describe('idempotencyKey', () => {
  it('is a function of the row alone', () => {
    expect(idempotencyKey({ id: 'psync_1', generation: 2 })).toBe('psync_1_g2');
  });
});

describe('mayBeSent', () => {
  it('is so from the moment that it is written down', () => {
    expect(mayBeSent({ firstSentAt: null })).toBe(false);
    expect(mayBeSent({ firstSentAt: now })).toBe(true);
  });
});

describe('retryAt', () => {
  const wait = (retryAfterMs: number | null, attempts: number): number =>
    retryAt({ outcome: 'unavailable', message: '', retryAfterMs }, attempts, {
      now,
      random: 0.5,
    }).getTime() - now.getTime();

  it('doubles up to an hour', () => {
    expect([1, 2, 3, 30].map((attempts) => wait(null, attempts))).toEqual([
      1_000, 2_000, 4_000, 3_600_000,
    ]);
  });

  it('waits as long as Stripe asks, if that is longer', () => {
    expect(wait(30_000, 1)).toBe(30_000);
    expect(wait(500, 3)).toBe(4_000);
  });
});

describe('isProvenAbsent', () => {
  it('holds only for what a final invoice does not carry', () => {
    expect(isProvenAbsent('invoice_not_editable')).toBe(true);
    expect(isProvenAbsent('not_on_invoice')).toBe(true);
    expect(isProvenAbsent('amount_mismatch')).toBe(false);
    expect(isProvenAbsent('ambiguous')).toBe(false);
    expect(isProvenAbsent('rejected')).toBe(false);
    expect(isProvenAbsent(null)).toBe(false);
  });
});
