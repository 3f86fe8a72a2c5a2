/*
 * Aim: late usage of a plan whose next close is far away is billed within about a month, and a person who
 * decides of an amount decides of that amount.
 * Method: the whole application without its workers on a fake clock.
 */
import { EndedBillingService } from '../../src/billing/late-usage/ended.service.js';
import { LateUsageReader } from '../../src/billing/late-usage/late-usage.reader.js';
import { LateUsageService } from '../../src/billing/late-usage/late-usage.service.js';
import { RefreshingService } from '../../src/billing/late-usage/refreshing.service.js';
import { LateUsageScanService } from '../../src/billing/late-usage/scan.service.js';
import { type Subscription } from '../../src/billing/subscriptions/subscription.js';
import { type Customer } from '../../src/customers/customer.js';
import { decimal } from '../../src/kernel/decimal.js';
import { type NewPlan } from '../../src/pricing/plans.service.js';
import { perUnit, startBilling, type TestBilling } from '../support/billing.js';

const DAY_MS = 86_400_000;
const BY = { by: 'key_person', reason: 'agreed' };

describe('late usage that would wait long', () => {
  let billing: TestBilling;

  beforeAll(async () => {
    billing = await startBilling('2025-11-01T00:00:00Z', {
      env: { INGEST_MAX_AGE_SECONDS: '9999999' },
    });
  });

  afterAll(async () => {
    await billing.close();
  });

  const start = async (
    overrides: Partial<NewPlan>,
  ): Promise<{ customer: Customer; subscription: Subscription }> => {
    billing.clock.set('2025-11-01T00:00:00Z');
    await billing.rows(`DELETE FROM billing_periods WHERE state = 'open'`);
    const customer = await billing.customer();
    const plan = await billing.plan([perUnit('1')], overrides);
    return { customer, subscription: await billing.subscribe(customer, plan) };
  };
  const adjustments = async ({ id }: Subscription): Promise<unknown[]> =>
    (
      await billing.rows(
        `SELECT amount_minor FROM line_items WHERE subscription_id = $1 AND kind = 'adjustment' ORDER BY id`,
        [id],
      )
    ).map((row) => row['amount_minor']);
  const look = async (days = 0): Promise<number> => {
    billing.clock.advance(days * DAY_MS);
    await billing.get(LateUsageScanService).scanAll();
    await billing.get(RefreshingService).refresh();
    return await billing.get(EndedBillingService).billApart();
  };

  it('of a yearly plan is billed by itself once it has waited for a month, with all that came', async () => {
    const graceSeconds = 60 * 86_400;
    const { customer, subscription } = await start({ interval: 'year', graceSeconds });
    billing.clock.set('2026-03-02T00:00:00Z');
    await billing.closeAllDue();
    await billing.use(customer.key, '2025-12-20T00:00:00Z', ['5']);
    expect(await look()).toBe(0);
    await billing.use(customer.key, '2025-12-21T00:00:00Z', ['2']);
    expect(await look(31)).toBe(0);
    expect(await look(1)).toBe(1);
    expect(await adjustments(subscription)).toEqual(['700']);
    expect(await look(300)).toBe(0);
    // Noticed while it was in reach, and billed though it is not by then.
    await billing.rows(
      `UPDATE billing_periods SET late_since = $2 WHERE subscription_id = $1 AND state = 'closed'`,
      [subscription.id, billing.clock.now()],
    );
    await billing.rows(
      `UPDATE billing_periods SET closes_at = closes_at + interval '1 year' WHERE subscription_id = $1 AND state = 'open'`,
      [subscription.id],
    );
    expect(await look(80)).toBe(0);
    expect(await adjustments(subscription)).toEqual(['700']);
  });

  it('of a monthly plan waits for the next close, which is never further away', async () => {
    const { customer, subscription } = await start({ interval: 'month' });
    billing.clock.set('2025-12-01T01:00:00Z');
    await billing.closeAllDue();
    await billing.use(customer.key, '2025-11-20T00:00:00Z', ['5']);
    expect(await look()).toBe(0);
    billing.clock.set('2026-01-01T00:59:59Z');
    expect(await look()).toBe(0);
    expect(await look(40)).toBe(0);
    await billing.closeAllDue();
    expect(await adjustments(subscription)).toEqual(['500']);
  });

  it('that a person decided of is billed at once, and only what that person saw', async () => {
    const { customer, subscription } = await start({ interval: 'year', lateUsage: 'hold' });
    billing.clock.set('2026-01-01T01:00:00Z');
    await billing.closeAllDue();
    await billing.use(customer.key, '2025-12-20T00:00:00Z', ['5']);
    await look();
    const filter = { subscriptionId: subscription.id, billingPeriodId: null, state: null };
    const page = await billing.get(LateUsageReader).list(null, filter, { limit: 1, before: null });
    const id = page.items[0]?.late.id ?? '';
    await billing.use(customer.key, '2025-12-20T00:00:00Z', ['1']);
    await look();
    const service = billing.get(LateUsageService);
    const seen = { ...BY, expected: decimal('5.0') };
    for (const decided of ['to_bill', 'dismissed'] as const) {
      await expect(service.decide(id, decided, seen)).rejects.toMatchObject({
        kind: 'conflict',
        code: 'amount_changed',
        errors: [{ field: 'expected_amount', detail: 'is 6.00 by now' }],
      });
    }
    const now = { ...BY, expected: decimal('6.00') };
    await service.decide(id, 'to_bill', now);
    await service.decide(id, 'to_bill', now);
    expect(await look()).toBe(1);
    expect(await adjustments(subscription)).toEqual(['600']);
  });
});
