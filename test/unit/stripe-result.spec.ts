import { classify, mapResult, type StripeFault } from '../../src/stripe/stripe-result.js';

const fault = (change: Partial<StripeFault>): StripeFault => ({
  status: 400,
  type: 'invalid_request_error',
  code: undefined,
  message: 'words',
  headers: {},
  ...change,
});
const replayed = { 'idempotent-replayed': 'true' };

describe('classify', () => {
  it.each([
    ['no answer', { status: undefined }, { outcome: 'unknown', isKeySpent: false }],
    ['a 500', { status: 500 }, { outcome: 'unknown', isKeySpent: false }],
    ['a 503', { status: 503 }, { outcome: 'unknown', isKeySpent: false }],
    [
      'a replayed 500',
      { status: 500, headers: replayed },
      { outcome: 'unknown', isKeySpent: true },
    ],
    [
      'a replayed 429',
      { status: 429, headers: replayed },
      { outcome: 'unknown', isKeySpent: true },
    ],
    ['a replayed 400', { headers: replayed }, { outcome: 'unknown', isKeySpent: true }],
    [
      'a key used otherwise',
      { type: 'idempotency_error' },
      { outcome: 'unknown', isKeySpent: true },
    ],
    [
      'a key in use',
      { status: 409, code: 'idempotency_key_in_use' },
      { outcome: 'unknown', isKeySpent: false },
    ],
    [
      'too many requests',
      { status: 429, code: 'rate_limit' },
      { outcome: 'unavailable', retryAfterMs: null },
    ],
    ['too many, as a 400', { code: 'rate_limit' }, { outcome: 'unavailable', retryAfterMs: null }],
    [
      'a time to wait',
      { status: 429, headers: { 'retry-after': '7' } },
      { outcome: 'unavailable', retryAfterMs: 7_000 },
    ],
    ['a wrong key of ours', { status: 401 }, { outcome: 'unavailable', retryAfterMs: null }],
    ['a key without the right', { status: 403 }, { outcome: 'unavailable', retryAfterMs: null }],
    [
      'a refusal',
      { code: 'invoice_not_editable' },
      { outcome: 'rejected', code: 'invoice_not_editable' },
    ],
    ['a refusal without a code', {}, { outcome: 'rejected', code: null }],
    [
      'a declined card',
      { status: 402, code: 'card_declined' },
      { outcome: 'rejected', code: 'card_declined' },
    ],
    [
      'what is missing',
      { status: 404, code: 'resource_missing' },
      { outcome: 'rejected', code: 'resource_missing' },
    ],
  ])('tells %s', (_, change, expected) => {
    expect(classify(fault(change))).toEqual({ ...expected, message: 'words' });
  });

  it('does not wait longer than an hour, or on nonsense', () => {
    const wait = (text: string): unknown =>
      classify(fault({ status: 429, headers: { 'retry-after': text } }));
    expect(wait('999999')).toMatchObject({ retryAfterMs: 3_600_000 });
    expect(wait('soon')).toMatchObject({ retryAfterMs: null });
    expect(wait('-1')).toMatchObject({ retryAfterMs: null });
  });
});

describe('mapResult', () => {
  it('changes a value and leaves a failure', () => {
    expect(mapResult({ outcome: 'succeeded', value: 1 }, String)).toEqual({
      outcome: 'succeeded',
      value: '1',
    });
    const failure = { outcome: 'rejected', code: null, message: '' } as const;
    expect(mapResult<number, string>(failure, String)).toBe(failure);
  });
});
