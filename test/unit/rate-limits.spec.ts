import { bucketToRest, endpointOf, gapMs } from '../../src/stripe/rate-limits.js';
import { testConfig } from '../support/config.js';

describe('endpointOf', () => {
  it.each([
    ['POST', '/v1/invoices', 'POST /v1/invoices'],
    ['GET', '/v1/invoices?customer=cus_9s6XKzkNRiz8i3&limit=100', 'GET /v1/invoices'],
    ['GET', '/v1/invoices/in_1MtHbELkdIwHu7ixl4OzzPMv', 'GET /v1/invoices/:id'],
    [
      'POST',
      '/v1/invoices/in_1MtHbELkdIwHu7ixl4OzzPMv/add_lines',
      'POST /v1/invoices/:id/add_lines',
    ],
    ['POST', '/v1/invoices/in_0abc/mark_uncollectible', 'POST /v1/invoices/:id/mark_uncollectible'],
    ['GET', '/v1/credit_notes/cn_1Mt/lines?limit=3', 'GET /v1/credit_notes/:id/lines'],
    ['GET', '/v1/customers/search?query=x', 'GET /v1/customers/search'],
    ['POST', '/v1/billing/meter_events', 'POST /v1/billing/meter_events'],
    ['GET', '/v1/account', 'GET /v1/account'],
  ])('counts %s %s as %s', (method, path, endpoint) => {
    expect(endpointOf(method, path)).toBe(endpoint);
  });
});

describe('gapMs', () => {
  const perSecond = (bucket: string, env: Record<string, string>): number =>
    1_000 / gapMs(bucket, testConfig(env).stripe);

  it.each([
    ['all', { STRIPE_SECRET_KEY: 'sk_live_1' }, 96],
    ['all', { STRIPE_SECRET_KEY: 'rk_live_1' }, 96],
    ['all', { STRIPE_SECRET_KEY: 'sk_test_1' }, 24],
    ['all', { STRIPE_SECRET_KEY: 'sk_test_1', STRIPE_CALLS_PER_SECOND: '500' }, 480],
    ['POST /v1/invoices', { STRIPE_SECRET_KEY: 'sk_live_1' }, 24],
    ['POST /v1/invoices', { STRIPE_ENDPOINT_CALLS_PER_SECOND: '50' }, 48],
  ])('keeps below the limit of %s with %j', (bucket, env, calls) => {
    expect(perSecond(bucket, env)).toBeCloseTo(calls, 6);
  });
});

describe('bucketToRest', () => {
  it.each([
    ['endpoint-rate', 'GET /v1/events'],
    ['endpoint-concurrency', 'GET /v1/events'],
    ['global-rate', 'all'],
    ['global-concurrency', 'all'],
    ['resource-specific', null],
    [undefined, null],
  ])('after %s is %s', (reason, bucket) => {
    expect(bucketToRest(reason, 'GET /v1/events')).toBe(bucket);
  });
});
