/*
 * Aim: a period that does not pass its checks is held, says why, and closes once when it is repaired
 * or let go, whoever tries at the same time.
 * Method: each check made to fail by what makes it fail, on the whole application without its workers.
 */
import { type CollectorCheck } from '../../src/billing/gate/collector-checks.service.js';
import { ReleasesService } from '../../src/billing/gate/releases.service.js';
import { ClosingService } from '../../src/billing/periods/closing.service.js';
import { PeriodsReader } from '../../src/billing/periods/periods.reader.js';
import { type Subscription } from '../../src/billing/subscriptions/subscription.js';
import { SubscriptionsService } from '../../src/billing/subscriptions/subscriptions.service.js';
import { type Customer } from '../../src/customers/customer.js';
import { EventsReader } from '../../src/events/events.reader.js';
import { EventsService } from '../../src/events/events.service.js';
import { RepairsService } from '../../src/events/repairs.service.js';
import { type ClosingCheck } from '../../src/pricing/closing-check.js';
import { PlansService } from '../../src/pricing/plans.service.js';
import { CompletenessService } from '../../src/sources/completeness.service.js';
import { SourcesService } from '../../src/sources/sources.service.js';
import { EventPollService } from '../../src/stripe/event-poll.service.js';
import { FoldService } from '../../src/usage/fold.service.js';
import { QuarantineService } from '../../src/usage/quarantine.service.js';
import { RebuildsService } from '../../src/usage/upkeep/rebuilds.service.js';
import { EndpointsService } from '../../src/webhooks/endpoints/endpoints.service.js';
import { flat, perUnit, startBilling, type TestBilling } from '../support/billing.js';
import { factory } from '../support/factory.js';
import { startStripeDouble, type StripeDouble } from '../support/stripe-double/stripe-double.js';

const BY = 'key_1';
const STRIPE = { billing: { provider: 'stripe', finalize: true } } as const;
const IN_NOVEMBER = '2026-11-20T12:00:00Z';
const WAIT_MS = 5_000;

describe('the gate before closing', () => {
  let billing: TestBilling;
  let double: StripeDouble;

  beforeAll(async () => {
    double = await startStripeDouble({ clock: () => billing.clock.now().getTime() });
    billing = await startBilling('2026-11-01T00:00:00Z', {
      env: {
        STRIPE_SECRET_KEY: 'sk_test_of_the_tests',
        STRIPE_API_BASE: double.url,
        WEBHOOK_ALLOWED_CIDRS: '127.0.0.0/8',
      },
    });
  });

  beforeEach(() => {
    billing.clock.set('2026-11-01T00:00:00Z');
  });

  // What a test leaves open or held is none of the next one's.
  afterEach(async () => {
    await billing.rows(`DELETE FROM billing_periods WHERE state = 'open'`);
    await billing.rows(`UPDATE sources SET archived_at = now()`);
  });

  afterAll(async () => {
    await billing.close();
    await double.close();
  });

  const send = async (
    customer: Customer,
    overrides: Record<string, unknown> = {},
  ): Promise<Record<string, unknown>> => {
    const event = factory.event({
      ...{ subject: customer.key, time: IN_NOVEMBER, data: { v: '1' } },
      ...overrides,
    });
    const time = new Date(String(event['time']));
    if (billing.clock.now() < time) {
      billing.clock.set(time);
    }
    await billing.get(EventsService).ingest(Buffer.from(JSON.stringify([event])), {});
    return event;
  };
  const conflicting = async (
    customer: Customer,
    overrides: Record<string, unknown> = {},
  ): Promise<void> => {
    const event = await send(customer, overrides);
    await send(customer, { ...event, data: { v: '2' } });
  };
  const fold = async (): Promise<void> => {
    const folding = billing.get(FoldService);
    while ((await folding.foldOnce()) + (await folding.backfillOnce()) > 0) {
      // Until nothing is pending.
    }
  };
  const november = async (
    closingChecks: readonly ClosingCheck[],
    more: Parameters<TestBilling['subscribe']>[2] = {},
  ): Promise<{ customer: Customer; subscription: Subscription; period: string }> => {
    const customer = await billing.customer({ stripeCustomerId: null });
    if (more.billing !== undefined) {
      await billing.rows(`UPDATE customers SET stripe_customer_id = 'cus_' || key WHERE id = $1`, [
        customer.id,
      ]);
    }
    const plan = await billing.plan([flat('10.00'), perUnit('1')], { closingChecks });
    const subscription = await billing.subscribe(customer, plan, more);
    return { customer, subscription, period: await openPeriodOf(subscription) };
  };
  const openPeriodOf = async ({ id }: Pick<Subscription, 'id'>): Promise<string> => {
    const sql = `SELECT id FROM billing_periods WHERE subscription_id = $1 AND state = 'open'`;
    return String((await billing.rows(sql, [id]))[0]?.['id']);
  };
  const show = async (period: string): ReturnType<PeriodsReader['get']> =>
    await billing.get(PeriodsReader).get(period);
  const stateOf = async (period: string): Promise<string> =>
    (await show(period)).period.status.state;
  const reasonsOf = async (period: string): Promise<string[]> =>
    ((await show(period)).hold?.reasons ?? []).map(({ code }) => code);
  const told = async (period: string): Promise<unknown[]> =>
    (
      await billing.rows(
        `SELECT type FROM webhook_messages
         WHERE body::jsonb -> 'data' ->> 'billing_period' = $1 ORDER BY sequence`,
        [period],
      )
    ).map(({ type }) => type);
  const lines = async (period: string): Promise<unknown[]> =>
    (
      await billing.rows(
        `SELECT amount_minor FROM line_items WHERE billing_period_id = $1 ORDER BY amount_minor`,
        [period],
      )
    ).map((row) => row['amount_minor']);
  const inDecember = (): void => {
    billing.clock.set('2026-12-01T02:00:00Z');
  };
  const later = (ms = WAIT_MS): void => {
    billing.clock.advance(ms);
  };

  interface Repaired {
    /** What holds it, and how that is put right. */
    readonly make: (customer: Customer) => Promise<() => Promise<unknown>>;
    readonly amounts: readonly string[];
    readonly list: string | null;
  }

  const REPAIRS: Readonly<Record<Exclude<ClosingCheck, CollectorCheck>, Repaired>> = {
    usage_level: {
      make: async (customer) => {
        await send(customer);
        return fold;
      },
      amounts: ['100', '1000'],
      list: null,
    },
    source_gaps: {
      make: async (customer) => {
        const key = `kong-${customer.key}`;
        const source = { key, name: 'Kong', format: 'json', mapping: {}, tokenPlace: null };
        await billing.get(SourcesService).create(source);
        billing.clock.set('2026-11-30T23:59:00Z');
        const window = {
          from: new Date('2026-11-30T23:00:00Z'),
          to: new Date('2026-12-01T00:00:00Z'),
        };
        await billing.get(CompletenessService).announce(key, { ...window, count: 2, by: BY });
        const late = { source: key, time: '2026-11-30T23:58:00Z' };
        await send(customer, late);
        return async () => await send(customer, late);
      },
      amounts: ['200', '1000'],
      list: 'sources/kong-',
    },
    conflicts: {
      make: async (customer) => {
        await conflicting(customer);
        return async () => {
          const open = { source: null, state: 'open' } as const;
          const { items } = await billing.get(EventsReader).listConflicts(open, 1, null);
          await billing.get(RepairsService).resolveConflict(items[0]?.id ?? '', 'other', BY);
        };
      },
      amounts: ['200', '1000'],
      list: 'events/conflicts',
    },
    quarantined_values: {
      make: async (customer) => {
        await send(customer, { data: { v: 'many' } });
        await fold();
        return async () => {
          const open = { meter: 'used', source: null, reason: null, state: 'open' } as const;
          const { items } = await billing.get(QuarantineService).list(open, 1, null);
          const amendment = { field: 'value', given: '7' } as const;
          await billing.get(QuarantineService).repair(items[0]?.id ?? '', amendment, BY);
        };
      },
      amounts: ['700', '1000'],
      list: 'events/quarantined',
    },
  };

  it.each(Object.entries(REPAIRS))(
    'holds a period for %s, tells it once, and lets it close by itself when that is repaired',
    async (check, { make, amounts, list }) => {
      await fold();
      const { customer, period } = await november([check as ClosingCheck]);
      billing.clock.set(IN_NOVEMBER);
      const repair = await make(customer);
      inDecember();
      expect(await billing.closeAllDue()).toBe(0);
      const { hold } = await show(period);
      expect(hold).toMatchObject({
        reasons: [{ code: check, list: list === null ? null : expect.stringContaining(list) }],
        heldAt: billing.clock.now(),
        release: null,
      });
      later();
      expect(await billing.closeAllDue()).toBe(0);
      expect(await told(period)).toEqual(['billing_period.held']);
      const held = await billing
        .get(PeriodsReader)
        .list(customer.id, { subscriptionId: null, state: 'held' }, { limit: 10, before: null });
      expect(held.items.map((named) => named.period.id)).toEqual([period]);

      await repair();
      later(60_000);
      expect(await billing.closeAllDue()).toBe(1);
      expect(await told(period)).toEqual(['billing_period.held', 'billing_period.closed']);
      expect(await lines(period)).toEqual(amounts);
      expect(await show(period)).toMatchObject({
        period: { status: { state: 'closed' } },
        hold: { release: null },
      });
    },
  );

  it('holds what goes to Stripe while Stripe does not answer, and nothing else', async () => {
    const poll = billing.get(EventPollService);
    const { period } = await november(['stripe_reachable'], STRIPE);
    const other = await november(['stripe_reachable']);
    inDecember();
    expect(await billing.closeAllDue()).toBe(1);
    expect(await stateOf(other.period)).toBe('closed');
    expect((await show(period)).hold?.reasons).toMatchObject([
      { detail: 'Stripe was not asked for anything yet.' },
    ]);
    double.orderFault({ path: '/v1/events', kind: 'html_503' });
    await poll.pollOnce();
    later(60_000);
    expect(await billing.closeAllDue()).toBe(0);
    expect((await show(period)).hold?.reasons[0]?.detail).toMatch(/^Stripe does not answer since/);
    await poll.pollOnce();
    later(400_000);
    expect(await billing.closeAllDue()).toBe(0);
    expect((await show(period)).hold?.reasons[0]?.detail).toMatch(/^Stripe answered last at/);
    await poll.pollOnce();
    later(120_000);
    expect(await billing.closeAllDue()).toBe(1);
  });

  it('holds what another platform bills while its endpoint is not in use, and nothing else', async () => {
    const endpoints = billing.get(EndpointsService);
    const endpoint = async (): Promise<string> =>
      (await endpoints.create({ url: 'https://127.0.0.1/', types: [], description: '' })).endpoint
        .id;
    const [disabled, deleted] = [await endpoint(), await endpoint()];
    const through = (webhookEndpoint: string): Parameters<typeof november>[1] => ({
      billing: { provider: 'webhook', webhookEndpoint },
    });
    const checks = ['webhook_endpoint_enabled'] as const;
    const { period } = await november(checks, through(disabled));
    const ended = await november(checks, through(deleted));
    const unasked = await november([], through(disabled));
    const ours = await november(checks);
    await endpoints.update(disabled, { isDisabled: true });
    await endpoints.delete(deleted);
    inDecember();
    expect(await billing.closeAllDue()).toBe(2);
    expect([await stateOf(unasked.period), await stateOf(ours.period)]).toEqual([
      'closed',
      'closed',
    ]);
    expect((await show(period)).hold?.reasons).toEqual([
      {
        code: 'webhook_endpoint_enabled',
        count: null,
        detail: `The webhook endpoint ${disabled}, which is told of line items, is disabled since 2026-11-01T00:00:00.000Z (requested).`,
        list: `/api/v1/webhook-endpoints/${disabled}`,
      },
    ]);
    expect((await show(ended.period)).hold?.reasons[0]?.detail).toMatch('was deleted');
    await endpoints.update(disabled, { isDisabled: false });
    await billing.get(SubscriptionsService).tellElsewhere(ended.subscription.id, disabled);
    later();
    expect(await billing.closeAllDue()).toBe(2);
    expect(await lines(period)).toEqual(['0', '1000']);
  });

  it('closes at once what a person has repaired, without waiting for the next look', async () => {
    for (const check of ['conflicts', 'quarantined_values'] as const) {
      await fold();
      const { customer, period } = await november([check]);
      billing.clock.set(IN_NOVEMBER);
      const repair = await REPAIRS[check].make(customer);
      inDecember();
      await billing.closeAllDue();
      later(3_600_000);
      await billing.closeAllDue();
      await repair();
      await fold();
      expect(await billing.closeAllDue()).toBe(1);
      expect(await stateOf(period)).toBe('closed');
      billing.clock.set('2026-11-01T00:00:00Z');
    }
  });

  it('looks at it again only when it is time', async () => {
    const { customer, period } = await november(['usage_level']);
    await send(customer);
    inDecember();
    await billing.closeAllDue();
    await fold();
    later(WAIT_MS - 1);
    expect(await billing.closeAllDue()).toBe(0);
    later(1);
    expect(await billing.closeAllDue()).toBe(1);
    expect(await stateOf(period)).toBe('closed');
  });

  describe('does not hold a period', () => {
    it('whose plan asks for nothing, whatever is open', async () => {
      const { customer, period } = await november([]);
      await conflicting(customer);
      inDecember();
      expect(await billing.closeAllDue()).toBe(1);
      expect(await told(period)).toEqual(['billing_period.closed']);
      expect((await show(period)).hold).toBeNull();
    });

    it('for what is not billed in it: of others, of another type, out of its window, in a pause', async () => {
      await fold();
      const checks = ['conflicts', 'quarantined_values'] as const;
      const { customer, subscription, period } = await november(checks);
      const { customer: stranger } = await november([]);
      billing.clock.set(IN_NOVEMBER);
      await conflicting(stranger);
      await conflicting(customer, { type: 'api.login' });
      await conflicting(customer, { time: '2026-10-31T23:59:59.999Z' });
      await send(customer, { data: { v: 'many' }, time: '2026-10-31T23:59:59.999Z' });
      const pauses = billing.get(SubscriptionsService);
      await pauses.pause(subscription.id, new Date('2026-11-10T00:00:00Z'));
      await pauses.resume(subscription.id, new Date('2026-11-11T00:00:00Z'));
      await conflicting(customer, { time: '2026-11-10T12:00:00Z' });
      await send(customer, { data: { v: 'many' }, time: '2026-11-10T12:00:00Z' });
      billing.clock.set('2026-12-01T00:00:00Z');
      await conflicting(customer, { time: '2026-12-01T00:00:00Z' });
      await fold();
      inDecember();
      expect(await billing.closeAllDue()).toBe(2);
      expect(await stateOf(period)).toBe('closed');
    });

    it('that was paused as a whole, since it bills nothing', async () => {
      const { customer, subscription, period } = await november(['usage_level', 'conflicts']);
      await conflicting(customer);
      await billing
        .get(SubscriptionsService)
        .pause(subscription.id, new Date('2026-11-01T00:00:00Z'));
      inDecember();
      expect(await billing.closeAllDue()).toBe(1);
      expect(await stateOf(period)).toBe('closed');
      expect(await lines(period)).toEqual([]);
    });

    it('for what came when it was ready to close, which is only not counted yet', async () => {
      await fold();
      const { customer, period } = await november(['usage_level']);
      inDecember();
      await send(customer, { time: '2026-11-30T12:00:00Z' });
      expect(await billing.closeAllDue()).toBe(1);
      expect(await stateOf(period)).toBe('closed');
      expect(await lines(period)).toEqual(['100', '1000']);
    });
  });

  it('holds it for a conflict whose stored body alone is of its window', async () => {
    const { customer, period } = await november(['conflicts']);
    billing.clock.set(IN_NOVEMBER);
    const event = await send(customer);
    billing.clock.set('2026-12-01T01:00:00Z');
    await send(customer, { ...event, time: '2026-12-01T00:30:00Z', data: { v: '2' } });
    inDecember();
    expect(await billing.closeAllDue()).toBe(0);
    expect(await reasonsOf(period)).toEqual(['conflicts']);
  });

  it.each([
    ['subject', { subject: 'of-nobody' }],
    ['type', { type: 'api.login' }],
  ])('holds it for a conflict whose stored body alone is of its %s', async (_, other) => {
    const { customer, period } = await november(['conflicts']);
    const { period: stranger } = await november(['conflicts']);
    billing.clock.set(IN_NOVEMBER);
    const event = await send(customer);
    await send(customer, { ...event, ...other });
    inDecember();
    expect(await billing.closeAllDue()).toBe(1);
    expect(await reasonsOf(period)).toEqual(['conflicts']);
    expect(await stateOf(stranger)).toBe('closed');
  });

  it('holds it for numbers of a counter that are missing, and for a rebuild that is under way', async () => {
    await fold();
    const { period } = await november(['usage_level', 'source_gaps']);
    const source = { key: 'nginx', name: 'nginx', format: 'json', mapping: {}, tokenPlace: null };
    const { id } = await billing.get(SourcesService).create(source);
    await billing.rows(
      `INSERT INTO sequence_gaps (id, source_id, counter, missing, found_at, began_at)
       VALUES ('gap_1', $1, '', '{[5,7)}', '2026-12-01T00:00:05Z', '2026-11-30T23:00:00Z')`,
      [id],
    );
    billing.clock.set(IN_NOVEMBER);
    const window = { start: new Date('2026-11-02T00:00:00Z'), end: new Date(IN_NOVEMBER) };
    await billing.get(RebuildsService).request({ meter: 'used', window, subjects: null }, BY);
    inDecember();
    expect(await billing.closeAllDue()).toBe(0);
    expect(await reasonsOf(period)).toEqual(['usage_level', 'source_gaps']);
    await billing.rows(`DELETE FROM usage_rebuilds`);
    await billing.rows(`UPDATE sequence_gaps SET missing = '{}'`);
    later();
    expect(await billing.closeAllDue()).toBe(1);
  });

  it('holds those only whose usage comes from the source that lacks something, or is not known', async () => {
    const [sender, stranger, silent] = [
      await november(['source_gaps']),
      await november(['source_gaps']),
      await november(['source_gaps']),
    ];
    const source = { key: 'gappy', name: 'nginx', format: 'json', mapping: {}, tokenPlace: null };
    const { id } = await billing.get(SourcesService).create(source);
    await billing.rows(
      `INSERT INTO sequence_gaps (id, source_id, counter, missing, found_at, began_at)
       VALUES ('gap_2', $1, '', '{[5,7)}', '2026-12-01T00:00:05Z', '2026-11-30T23:00:00Z')`,
      [id],
    );
    await send(sender.customer, { source: 'gappy' });
    await send(stranger.customer, { source: 'another' });
    await send(silent.customer, { source: 'another', type: 'api.login' });
    inDecember();
    expect(await billing.closeAllDue()).toBe(1);
    expect(await stateOf(stranger.period)).toBe('closed');
    expect(await reasonsOf(sender.period)).toEqual(['source_gaps']);
    expect(await reasonsOf(silent.period)).toEqual(['source_gaps']);
    await billing.rows(`UPDATE sequence_gaps SET missing = '{}'`);
  });

  it('takes the checks of the version of the plan that the period goes by', async () => {
    const { customer, subscription, period } = await november([]);
    await billing.get(PlansService).addVersion(subscription.planId, {
      ...{ currency: null, interval: null, graceSeconds: null, prices: [perUnit('1')] },
      closingChecks: ['conflicts'],
    });
    await conflicting(customer);
    inDecember();
    await conflicting(customer, { time: '2026-12-01T01:00:00Z' });
    expect(await billing.closeAllDue()).toBe(1);
    expect(await stateOf(period)).toBe('closed');
    const december = await openPeriodOf(subscription);
    billing.clock.set('2027-01-01T02:00:00Z');
    expect(await billing.closeAllDue()).toBe(0);
    expect(await reasonsOf(december)).toEqual(['conflicts']);
  });

  describe('a person', () => {
    it('is refused to close a held period by hand, with what holds it', async () => {
      const { customer, period } = await november(['conflicts', 'usage_level']);
      await conflicting(customer);
      billing.clock.set('2026-12-01T00:30:00Z');
      await expect(billing.get(ClosingService).closeByHand(period)).rejects.toMatchObject({
        kind: 'conflict',
        code: 'period_held',
        errors: [{ code: 'usage_level' }, { code: 'conflicts' }],
      });
      expect(await told(period)).toEqual(['billing_period.held']);
    });

    it('lets it go with a reason, which is kept with what was in the way, and told', async () => {
      const { customer, period } = await november(['conflicts']);
      await conflicting(customer);
      const releases = billing.get(ReleasesService);
      const release = { by: BY, reason: 'The customer agreed.' };
      await expect(releases.release(period, release)).rejects.toMatchObject({ code: 'not_held' });
      inDecember();
      await billing.closeAllDue();
      await releases.release(period, release);
      expect(await show(period)).toMatchObject({
        period: { status: { state: 'closed' } },
        hold: {
          reasons: [{ code: 'conflicts', count: 1 }],
          release: { ...release, at: billing.clock.now() },
        },
      });
      expect(await lines(period)).toEqual(['100', '1000']);
      await releases.release(period, { by: 'key_2', reason: 'Again.' });
      expect((await show(period)).hold?.release).toMatchObject(release);
      expect(await told(period)).toEqual([
        'billing_period.held',
        'billing_period.released',
        'billing_period.closed',
      ]);
      await expect(releases.release('bp_x', release)).rejects.toMatchObject({ kind: 'not_found' });
    });

    it('cannot let go what closed by itself', async () => {
      const { customer, period } = await november(['conflicts']);
      await conflicting(customer);
      inDecember();
      await billing.closeAllDue();
      await REPAIRS.conflicts.make(customer).then(async () => {
        await billing.rows(
          `UPDATE usage_event_conflicts SET closed_as = 'dismissed', closed_at = now(), closed_by = 'x'`,
        );
      });
      later();
      await billing.closeAllDue();
      const release = { by: BY, reason: 'Too late.' };
      await expect(billing.get(ReleasesService).release(period, release)).rejects.toMatchObject({
        code: 'not_held',
      });
    });
  });

  it('closes it once, though many look, close and release at the same time', async () => {
    const { customer, period } = await november(['conflicts']);
    await conflicting(customer);
    inDecember();
    const closing = billing.get(ClosingService);
    await Promise.allSettled(
      Array.from({ length: 4 }, async () => await closing.closeByHand(period)),
    );
    expect(await told(period)).toEqual(['billing_period.held']);
    later();
    const answers = await Promise.allSettled([
      ...Array.from({ length: 3 }, async () => {
        await billing.get(ReleasesService).release(period, { by: BY, reason: 'Go.' });
      }),
      ...Array.from({ length: 2 }, async () => await closing.closeDue()),
    ]);
    expect(answers.filter(({ status }) => status === 'rejected')).toEqual([]);
    expect(await told(period)).toEqual([
      'billing_period.held',
      'billing_period.released',
      'billing_period.closed',
    ]);
    expect(await lines(period)).toEqual(['100', '1000']);
  });

  it('keeps a held period when its subscription is cancelled, and the rest is billed after it', async () => {
    const { customer, subscription, period } = await november(['conflicts']);
    await conflicting(customer);
    billing.clock.set('2026-12-05T00:00:00Z');
    await billing.closeAllDue();
    await billing.get(SubscriptionsService).cancel(subscription.id, { when: 'now' });
    later();
    expect(await billing.closeAllDue()).toBe(0);
    await billing.get(ReleasesService).release(period, { by: BY, reason: 'Go.' });
    billing.clock.set('2026-12-05T02:00:00Z');
    expect(await billing.closeAllDue()).toBe(1);
    expect(
      await billing.rows(
        `SELECT state, ends_at FROM billing_periods WHERE subscription_id = $1 ORDER BY starts_at`,
        [subscription.id],
      ),
    ).toEqual([
      { state: 'closed', ends_at: new Date('2026-12-01T00:00:00Z') },
      { state: 'closed', ends_at: new Date('2026-12-05T00:00:00Z') },
    ]);
  });
});
