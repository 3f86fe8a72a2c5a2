/*
 * Aim: money that depended on figures which were wrong is put right when the figures are made anew, without
 * anybody sending anything.
 * Method: rollups are damaged by hand, as no fold would; then a rebuild, or the check of the night.
 */
import { LateUsageScanService } from '../../src/billing/late-usage/scan.service.js';
import { ClosingService } from '../../src/billing/periods/closing.service.js';
import { VerificationService } from '../../src/billing/explanations/verification.service.js';
import { type Subscription } from '../../src/billing/subscriptions/subscription.js';
import { type Customer } from '../../src/customers/customer.js';
import { FoldService } from '../../src/usage/fold.service.js';
import { ChecksService } from '../../src/usage/upkeep/checks.service.js';
import { RebuildsService } from '../../src/usage/upkeep/rebuilds.service.js';
import { flat, perUnit, startBilling, type TestBilling } from '../support/billing.js';
import { IN_THIS_DATABASE } from '../support/database.js';
import { judgeAll, noticeAll, threshold, told } from '../support/thresholds.js';

const DAILY = { interval: 'day', graceSeconds: 0 } as const;

describe('usage that is made anew', () => {
  let billing: TestBilling;

  beforeEach(async () => {
    billing = await startBilling('2026-11-10T00:00:00Z');
  });

  afterEach(async () => {
    await billing.close();
  });

  const fold = async (): Promise<void> => {
    const service = billing.get(FoldService);
    while ((await service.foldOnce()) + (await service.backfillOnce()) > 0) {
      // Until all is counted.
    }
  };
  const daily = async (): Promise<{ customer: Customer; subscription: Subscription }> => {
    const customer = await billing.customer();
    const plan = await billing.plan([flat('3.00'), perUnit('0.01')], DAILY);
    return { customer, subscription: await billing.subscribe(customer, plan) };
  };
  /** Of each customer, at ten o'clock. */
  const usePlenty = async (customers: readonly Customer[]): Promise<void> => {
    billing.clock.set('2026-11-10T10:00:00Z');
    for (const { key } of customers) {
      await billing.use(key, '2026-11-10T10:00:00Z', ['100', '50']);
    }
    await fold();
  };
  const damage = async ({ key }: Customer, by = 40): Promise<void> => {
    await billing.rows('UPDATE usage_rollups SET value_sum = value_sum + $2 WHERE subject = $1', [
      key,
      by,
    ]);
  };
  const rebuild = async (): Promise<void> => {
    const service = billing.get(RebuildsService);
    const window = {
      start: new Date('2026-11-01T00:00:00Z'),
      end: new Date('2026-12-01T00:00:00Z'),
    };
    await service.request({ meter: 'used', window, subjects: null }, 'key_test');
    while ((await service.stepOnce()) > 0) {
      // Until it is done.
    }
  };
  const closeBy = async (day: number): Promise<void> => {
    billing.clock.set(`2026-11-${day}T00:00:00Z`);
    await billing.closeAllDue();
  };
  /** Of usage and its adjustments. */
  const lines = async ({ id }: Subscription): Promise<unknown[][]> => {
    const rows = await billing.rows(
      `SELECT kind, quantity, amount_minor FROM line_items
       WHERE subscription_id = $1 AND kind <> 'flat' ORDER BY created_at, kind`,
      [id],
    );
    return rows.map((row) => [row['kind'], row['quantity'], row['amount_minor']]);
  };
  const marked = async (): Promise<number> => {
    const rows = await billing.rows('SELECT id FROM billing_periods WHERE late_since IS NOT NULL');
    return rows.length;
  };

  it('corrects what a closed period was billed by it, and of nobody else', async () => {
    const [wrong, right] = [await daily(), await daily()];
    await usePlenty([wrong.customer, right.customer]);
    await damage(wrong.customer);
    await closeBy(11);
    await billing.get(LateUsageScanService).scanAll();
    expect(await lines(wrong.subscription)).toEqual([['usage', '190', '190']]);
    await rebuild();
    await billing.get(LateUsageScanService).scanAll();
    expect(await marked()).toBe(1);
    await closeBy(12);
    expect(await lines(wrong.subscription)).toEqual([
      ['usage', '190', '190'],
      ['adjustment', '-40', '-40'],
      ['usage', '0', '0'],
    ]);
    expect(await lines(right.subscription)).toEqual([
      ['usage', '150', '150'],
      ['usage', '0', '0'],
    ]);
    const [adjustment] = await billing.rows(`SELECT id FROM line_items WHERE kind = 'adjustment'`);
    const { verdict } = await billing.get(VerificationService).verify(String(adjustment?.['id']));
    expect(verdict.outcome).toBe('agrees');
    expect(await marked()).toBe(0);
  });

  it('corrects a period that closes while it is made anew', async () => {
    const { customer, subscription } = await daily();
    await usePlenty([customer]);
    await billing.get(LateUsageScanService).scanAll();
    await damage(customer);
    billing.clock.set('2026-11-11T00:00:00Z');
    // The close holds a snapshot from before, while figures are made anew and late usage is looked for.
    const holder = billing.db.database.dataSource.createQueryRunner();
    await holder.startTransaction();
    await holder.query('LOCK TABLE line_items IN EXCLUSIVE MODE');
    const closing = billing.get(ClosingService).closeDue();
    const waiting = `SELECT FROM pg_locks WHERE relation = 'line_items'::regclass AND NOT granted
      AND ${IN_THIS_DATABASE}`;
    while ((await billing.rows(waiting)).length === 0) {
      // Until it has counted, and wants to write.
    }
    await rebuild();
    await billing.rows(`UPDATE usage_remakes SET taken_at = now() WHERE wanted_by = 'late_usage'`);
    await holder.rollbackTransaction();
    await holder.release();
    await closing;
    expect(await lines(subscription)).toEqual([['usage', '190', '190']]);
    await billing.get(LateUsageScanService).scanAll();
    await closeBy(12);
    expect((await lines(subscription))[1]).toEqual(['adjustment', '-40', '-40']);
  });

  it('is looked at by a check of the night, too', async () => {
    const { customer, subscription } = await daily();
    await usePlenty([customer]);
    await damage(customer, -50);
    await closeBy(11);
    expect((await billing.get(ChecksService).checkNow(true)).differenceCount).toBe(1);
    await closeBy(12);
    expect(await lines(subscription)).toEqual([
      ['usage', '100', '100'],
      ['adjustment', '50', '50'],
      ['usage', '0', '0'],
    ]);
  });

  it('lets thresholds be judged, and leaves no work where nothing differed', async () => {
    const { customer } = await daily();
    const watched = { kind: 'customer', customerId: customer.id } as const;
    const { key } = await threshold(billing, ['120'], { watched });
    await usePlenty([customer]);
    await damage(customer, -100);
    await judgeAll(billing);
    expect(await told(billing, key)).toEqual([]);
    await rebuild();
    await judgeAll(billing);
    expect(await told(billing, key)).toMatchObject([
      { type: 'threshold.crossed', level: '120', quantity_after: '150' },
    ]);
    await billing.get(LateUsageScanService).scanAll();
    await rebuild();
    await noticeAll(billing);
    expect(await billing.rows('SELECT FROM usage_remakes WHERE taken_at IS NULL')).toEqual([]);
    expect(await billing.rows('SELECT FROM usage_figures_before')).toEqual([]);
    expect(await billing.rows('SELECT FROM threshold_dues')).toEqual([]);
  });
});
