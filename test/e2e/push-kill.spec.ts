/*
 * Aim: kill -9 of the service at each call of the push leaves every line item at Stripe exactly once.
 * Method: the double holds one call after the other, before or after doing what it says; the service
 * is killed while it waits, and started again. What died with it is the answer, never the line.
 */
import { CALM_TIME_ZONE, firstOfLastMonth } from '../support/calm-calendar.js';
import { startStripeDouble, type StripeDouble } from '../support/stripe-double/stripe-double.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { eventually, startService, type TestService } from '../support/service-process.js';

const HOLD_MS = 2_000;
const CALLS = ['draft', 'items', 'finalization'];
const FEES = ['base', 'seats', 'support'];

describe('the push to Stripe', () => {
  let db: TestDatabase;
  let double: StripeDouble;
  let service: TestService;
  const start = async (): Promise<void> => {
    service = await startService(db.url, {
      STRIPE_SECRET_KEY: 'sk_test_push',
      STRIPE_API_BASE: double.url,
      STRIPE_TIMEOUT_MS: '10000',
      STRIPE_POLL_SECONDS: '1',
    });
  };

  beforeAll(async () => {
    db = await createTestDatabase();
    double = await startStripeDouble();
    await start();
    const prices = FEES.map((key) => ({ key, kind: 'flat', amount: '10.00' }));
    const plan = { key: 'pro', name: 'Pro', currency: 'usd', interval: 'month', grace_seconds: 0 };
    await service.post('/api/v1/plans', { ...plan, prices });
  });

  afterAll(async () => {
    await service.kill('SIGKILL');
    await double.close();
    await db.drop();
  });

  const stripe = async (method: string, path: string, form = ''): Promise<Response> =>
    await fetch(`${double.url}${path}`, {
      method,
      headers: {
        authorization: 'Bearer sk_test_push',
        'content-type': 'application/x-www-form-urlencoded',
      },
      ...(form !== '' && { body: form }),
    });

  /** A customer whose last month is to be billed; answers its id at Stripe. */
  const subscribe = async (key: string): Promise<string> => {
    const created = (await (await stripe('POST', '/v1/customers', `name=${key}`)).json()) as {
      id: string;
    };
    const stripeCustomer = created.id;
    await service.post('/api/v1/customers', {
      key,
      name: key,
      currency: 'usd',
      stripe_customer_id: stripeCustomer,
    });
    await service.post('/api/v1/subscriptions', {
      customer: key,
      plan: 'pro',
      starts_at: firstOfLastMonth(),
      time_zone: CALM_TIME_ZONE,
      billing: { provider: 'stripe', finalize: true },
    });
    return stripeCustomer;
  };

  const list = async (path: string): Promise<{ metadata: Record<string, string> }[]> => {
    const page = (await (await stripe('GET', path)).json()) as {
      data: { metadata: Record<string, string> }[];
    };
    return page.data;
  };

  it.each(
    CALLS.flatMap((call, index) => [
      [call, 'before', index] as const,
      [call, 'after', index] as const,
    ]),
  )(
    'leaves each line once when it is killed at the %s, %s Stripe has done it',
    async (call, when, index) => {
      const key = `${call.replaceAll(' ', '-')}-${when}`;
      double.orderFault({
        kind: 'slow',
        when,
        delayMs: HOLD_MS,
        method: 'POST',
        path: '^/v1/invoices',
        skip: index,
      });
      const stripeCustomer = await subscribe(key);
      await eventually(async () => await Promise.resolve(double.pendingFaults().length === 0));
      await service.kill('SIGKILL');
      await start();
      // The lease of the dead outlives it by the longest call; waiting for that is not what is tested.
      await db.database.query('DELETE FROM provider_leases');
      const invoice = await eventually(async () => {
        const page = await service.get(`/api/v1/invoices?customer=${key}`);
        const [found] = page.body.data;
        return found?.state === 'open' ? found : null;
      });
      const items = await service.get(`/api/v1/line-items?customer=${key}`);
      expect(items.body.data.map(({ state }: { state: string }) => state)).toEqual([
        'finalized',
        'finalized',
        'finalized',
      ]);
      expect(await list(`/v1/invoices?customer=${stripeCustomer}`)).toHaveLength(1);
      const atStripe = await list(`/v1/invoiceitems?customer=${stripeCustomer}&limit=100`);
      expect(
        atStripe.map(({ metadata }) => String(metadata['meterline_line_item'])).toSorted(),
      ).toEqual(items.body.data.map(({ id }: { id: string }) => id).toSorted());
      expect(invoice.total).toBe('30.00');
    },
  );

  it('leaves nothing for a reconciliation to find but what somebody else did, which it files and puts right', async () => {
    const [{ id: item }] = (await list('/v1/invoiceitems?limit=1')) as unknown as [{ id: string }];
    const copied = (await (await stripe('GET', `/v1/invoiceitems/${item}`)).json()) as {
      customer: string;
      metadata: Record<string, string>;
    };
    const lineItem = copied.metadata['meterline_line_item'] ?? '';
    const form = `customer=${copied.customer}&currency=usd&amount=5&metadata[meterline_line_item]=${lineItem}`;
    const from = firstOfLastMonth();
    const reconcile = async (): Promise<{ id: string } & Record<string, unknown>> => {
      // Stripe counts whole seconds, and what was made in this one is not before now.
      const second = Math.ceil((Date.now() + 1) / 1_000) * 1_000;
      const body = { from, to: new Date(second).toISOString() };
      const begun = await eventually(async () => {
        const answer = await service.post('/api/v1/reconciliations', body);
        return answer.status === 201 ? answer.body : null;
      });
      return await eventually(async () => {
        // The second look waits for what is on its way; nothing is here.
        await db.database.query('UPDATE reconciliation_doubts SET next_look_at = $1', [new Date()]);
        await db.database.query(
          `UPDATE reconciliations SET next_step_at = now() WHERE phase = 'recheck' AND attempt_count = 0
             AND next_step_at < now() + interval '125 seconds'`,
        );
        const { body: run } = await service.get(`/api/v1/reconciliations/${begun.id}`);
        return run.state === 'running' ? null : run;
      });
    };
    await stripe('POST', '/v1/invoiceitems', form);
    const { id } = await reconcile();
    const base = `/api/v1/reconciliations/${id}`;
    const { body: found } = await service.get(`${base}/differences?class=duplicate&limit=1`);
    expect(found).toMatchObject({
      data: [
        {
          class: 'duplicate',
          line_item: lineItem,
          ours: null,
          theirs: { amount: '0.05', amount_minor: 5, currency: 'usd' },
          repair: { kind: 'delete_item' },
          state: 'open',
        },
      ],
      next_cursor: null,
    });
    const csv = await service.request('GET', `${base}/report`, { headers: { accept: 'text/csv' } });
    expect(csv.headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
    expect(String(csv.body).split('\r\n')).toEqual([
      expect.stringMatching(/^record,currency,ledger,stripe,gap,/),
      expect.stringMatching(/^total,usd,180\.00,180\.05,0\.05,/),
      expect.stringMatching(/^in_flight,usd,0\.00,,,0,/),
      expect.stringMatching(/^not_ours,usd,,0\.00,,0,/),
      expect.stringMatching(/^difference,usd,,0\.05,0\.05,,duplicate,/),
      '',
    ]);
    const lines = await service.get(`${base}/report?format=ndjson`);
    expect(lines.headers.get('content-type')).toBe('application/x-ndjson');
    expect(await service.post(`${base}/repair`)).toMatchObject({
      status: 200,
      body: { queued: 1 },
    });
    const [{ id: difference }] = found.data;
    expect(await service.post(`${base}/differences/${difference}/repair`)).toMatchObject({
      status: 200,
    });
    await eventually(async () => {
      const { body } = await service.get(`${base}/differences?state=repaired`);
      return body.data.length === 1;
    });
    expect(await reconcile()).toMatchObject({
      state: 'completed',
      difference_count: 0,
      line_item_count: 18,
      totals: [{ currency: 'usd', ledger: '180.00', stripe: '180.00', gap: '0.00' }],
    });
  });

  describe('with the mode subscription', () => {
    const atStripe = async (customer: string, currency = 'usd'): Promise<string> => {
      const inDays = (days: number): Date => new Date(Date.now() + days * 86_400_000);
      const period = { start: inDays(-10), end: inDays(20) };
      return (await double.subscribe({ customer, currency, amount: 1, ...period })).id;
    };
    const named = async (key: string): Promise<string> => {
      const { id } = (await (await stripe('POST', '/v1/customers', `name=${key}`)).json()) as {
        id: string;
      };
      const customer = { key, name: key, currency: 'usd', stripe_customer_id: id };
      await service.post('/api/v1/customers', customer);
      return id;
    };
    const body = (customer: string, id: string): object => ({
      customer,
      plan: 'pro',
      starts_at: new Date().toISOString(),
      billing: { provider: 'stripe', mode: 'subscription', stripe_subscription: id },
    });

    it('takes the id of one at Stripe, once for an Idempotency-Key, and shows it', async () => {
      const id = await atStripe(await named('by-draft'));
      const headers = { 'idempotency-key': 'by-draft' };
      const request = { body: body('by-draft', id), headers };
      const create = async (): Promise<{ status: number; body: { id: string } }> =>
        await service.request('POST', '/api/v1/subscriptions', request);
      const created = await create();
      expect(created).toMatchObject({
        status: 201,
        body: {
          billing: {
            provider: 'stripe',
            mode: 'subscription',
            stripe_subscription: id,
            finalize: true,
          },
        },
      });
      await double.cancelSubscription(id);
      expect(await create()).toMatchObject({ status: 201, body: { id: created.body.id } });
    });

    it.each([
      ['unknown', async () => await Promise.resolve('sub_nobody'), 'unknown_stripe_subscription'],
      [
        'that has ended',
        async (own: string) => {
          const id = await atStripe(own);
          await double.cancelSubscription(id);
          return id;
        },
        'stripe_subscription_ended',
      ],
      [
        'of another customer',
        async () => await atStripe(await named(`other-${double.state().customers.length}`)),
        'stripe_customer_mismatch',
      ],
      [
        'in another currency',
        async (own: string) => await atStripe(own, 'eur'),
        'currency_mismatch',
      ],
    ])('refuses one %s, whether or not it has an Idempotency-Key', async (name, make, code) => {
      const key = `refused-${name.replaceAll(' ', '-')}`;
      const id = await make(await named(key));
      for (const headers of [{}, { 'idempotency-key': key }]) {
        const answer = await service.request('POST', '/api/v1/subscriptions', {
          body: body(key, id),
          headers,
        });
        expect(answer).toMatchObject({
          status: 400,
          body: { errors: [{ field: 'billing.stripe_subscription', code }] },
        });
      }
    });
  });
});
