/*
 * Aim: all replicas together call Stripe no faster than its limits allow, and heed what it says.
 * Method: the statements with times of the test's own, and clients of two processes on one database.
 */
import { RateLimitsStore } from '../../src/stripe/rate-limits.store.js';
import { StripeClient } from '../../src/stripe/stripe.client.js';
import { limiter, Syncing } from '../support/syncing.js';

const START = new Date('2026-12-01T00:00:00Z').getTime();
const at = (ms: number): Date => new Date(START + ms);

let syncing: Syncing;
let store: RateLimitsStore;
let serial = 0;
const fresh = (): string => `bucket-${(serial += 1)}`;

beforeAll(async () => {
  syncing = await Syncing.start();
  store = new RateLimitsStore(syncing.db.database);
});

afterAll(async () => {
  await syncing.close();
});

const rowOf = async (name: string): Promise<Record<string, unknown> | undefined> => {
  const rows = await syncing.db.database.query<Record<string, unknown>>(
    'SELECT * FROM stripe_rate_limits WHERE name = $1',
    [name],
  );
  return rows[0];
};

describe('slots of a bucket', () => {
  const demand = { count: 1, gapMs: 40, horizonMs: 250 };

  it('follow one another at the gap, whoever takes them', async () => {
    const bucket = fresh();
    const waits: number[] = [];
    for (const count of [1, 2, 3]) {
      const { isTaken, waitMs } = await store.take(bucket, { ...demand, count }, at(0));
      expect(isTaken).toBe(true);
      waits.push(waitMs);
    }
    expect(waits).toEqual([0, 40, 120]);
  });

  it('are not saved up while nobody calls', async () => {
    const bucket = fresh();
    await store.take(bucket, demand, at(0));
    const waits = [];
    for (let count = 0; count < 3; count += 1) {
      waits.push((await store.take(bucket, demand, at(60_000))).waitMs);
    }
    expect(waits).toEqual([0, 40, 80]);
  });

  it('are not given beyond the horizon, and asking takes none', async () => {
    const bucket = fresh();
    await store.take(bucket, { ...demand, count: 10 }, at(0));
    const late = { isTaken: false, waitMs: 400 };
    expect(await store.take(bucket, demand, at(0))).toEqual(late);
    expect(await store.take(bucket, demand, at(0))).toEqual(late);
    expect(await store.take(bucket, demand, at(150))).toEqual({ isTaken: true, waitMs: 250 });
  });

  it('are never more than the rate, taken by many at once', async () => {
    const bucket = fresh();
    const taken: number[] = [];
    for (let ms = 0; ms < 2_000; ms += 50) {
      const answers = await Promise.all(
        [1, 2, 3, 4].map(async (count) => {
          const answer = await store.take(bucket, { ...demand, count }, at(ms));
          return { ...answer, count };
        }),
      );
      for (const { waitMs, count } of answers.filter(({ isTaken }) => isTaken)) {
        for (let index = 0; index < count; index += 1) {
          taken.push(Math.round(ms + waitMs + index * demand.gapMs));
        }
      }
    }
    const slots = taken.toSorted((a, b) => a - b);
    expect(slots.length).toBeGreaterThan(2_000 / demand.gapMs);
    const gaps = slots.slice(1).map((slot, index) => slot - (slots[index] ?? 0));
    expect(new Set(gaps)).toEqual(new Set([demand.gapMs]));
  });
});

describe('a bucket that rests', () => {
  const rest = { firstMs: 250, maxDoublings: 3, forgetMs: 300 };
  const demand = { count: 1, gapMs: 40, horizonMs: 100 };

  it('rests twice as long each time, up to a bound, and forgets when as long again went well', async () => {
    const bucket = fresh();
    const rests: number[] = [];
    let now = 0;
    // How long calls go well after each rest: forgotten is one of 250 ms after 300, of 1,000 after 1,000.
    for (const well of [299, 499, 999, 1_999, 2_000, 299, 301, 301, 500, 300]) {
      await store.rest(bucket, rest, at(now));
      const { waitMs } = await store.take(bucket, demand, at(now));
      rests.push(waitMs);
      now += waitMs + well;
    }
    expect(rests).toEqual([250, 500, 1_000, 2_000, 2_000, 250, 500, 1_000, 2_000, 2_000]);
  });

  it('is struck once by calls that were under way together', async () => {
    const bucket = fresh();
    await store.take(bucket, demand, at(0));
    await store.rest(bucket, rest, at(10));
    await store.rest(bucket, rest, at(20));
    await store.rest(bucket, rest, at(200));
    expect((await store.take(bucket, demand, at(10))).waitMs).toBe(250);
    expect(await rowOf(bucket)).toMatchObject({ strike_count: 1 });
  });
});

describe('calls to Stripe', () => {
  const strict = (endpointCallsPerSecond: number): Syncing['config'] => ({
    ...syncing.config,
    stripe: { ...syncing.config.stripe, endpointCallsPerSecond },
  });
  const client = (): StripeClient => syncing.client(syncing.config, syncing.db.database);
  const endpoint = 'GET /v1/invoices/:id';

  beforeEach(async () => {
    await syncing.db.database.query('TRUNCATE stripe_rate_limits');
    syncing.double.clearFaults();
    syncing.double.clearRequests();
  });

  it('take one slot each, of their endpoint and of all, over all processes', async () => {
    const [before] = await syncing.db.database.query<{ now: Date }>('SELECT now()');
    const config = strict(500);
    const processes = [1, 2].map(() => limiter(config, syncing.db.database));
    const admissions = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => await processes[index % 2]?.admit(endpoint)),
    );
    expect(admissions.every((admission) => admission?.isAdmitted)).toBe(true);
    const { next_at: next } = (await rowOf(endpoint)) as { next_at: Date };
    const gap = 1_000 / (500 * 0.96);
    expect(next.getTime() - (before?.now.getTime() ?? 0)).toBeGreaterThanOrEqual(60 * gap - 1);
    expect(await rowOf('all')).toBeDefined();
  });

  it('are not made when their turn is too far away', async () => {
    const slow = limiter(strict(0.001), syncing.db.database);
    const other = limiter(strict(0.001), syncing.db.database);
    expect(await slow.admit(endpoint)).toEqual({ isAdmitted: true });
    for (const refused of await Promise.all([slow.admit(endpoint), other.admit(endpoint)])) {
      expect(refused).toMatchObject({ isAdmitted: false });
    }
  });

  it('wait, unsent, while their endpoint rests; others go', async () => {
    await store.rest(endpoint, { firstMs: 3_600_000, maxDoublings: 0, forgetMs: 0 });
    const result = await client().getInvoice('in_none1');
    expect(result).toMatchObject({ outcome: 'unavailable' });
    const { retryAfterMs } = result as { retryAfterMs: number };
    expect(retryAfterMs).toBeGreaterThan(3_000_000);
    expect(syncing.double.requests()).toEqual([]);
    expect(await client().getAccountId()).toMatchObject({ outcome: 'succeeded' });
  });

  it.each([
    ['endpoint-rate', [endpoint]],
    ['endpoint-concurrency', [endpoint]],
    ['global-rate', ['all']],
    ['lock_timeout', []],
    ['resource-specific', []],
  ] as const)('let rest after %s: %j', async (reason, resting) => {
    syncing.double.orderFault({ kind: 'error_429', reason });
    const result = await client().getInvoice('in_none1');
    expect(result).toMatchObject({ outcome: 'unavailable' });
    const rows = await syncing.db.database.query<{ name: string }>(
      'SELECT name FROM stripe_rate_limits WHERE strike_count = 1',
    );
    expect(rows.map(({ name }) => name)).toEqual(resting);
  });

  it('are all that there are: pages of lists and what the library sends again', async () => {
    const { id } = await syncing.sdk.customers.create({});
    syncing.double.orderFault({ kind: 'drop_before' });
    const counting = limiter(syncing.config, syncing.db.database);
    const admitted: string[] = [];
    const { admit } = counting;
    counting.admit = async (asked) => {
      admitted.push(asked);
      return await admit.call(counting, asked);
    };
    const counted = new StripeClient(syncing.config, syncing.db.database, counting);
    const listed = await counted.listInvoices(id, new Date(0));
    expect(listed).toMatchObject({ outcome: 'succeeded' });
    // The test's own client makes the customer.
    expect(syncing.double.requests().map(({ method }) => method)).toEqual(['POST', 'GET', 'GET']);
    expect(admitted).toEqual(['GET /v1/invoices', 'GET /v1/invoices']);
  });
});
