import { JudgingService } from '../../src/billing/thresholds/judging.service.js';
import { NoticingService } from '../../src/billing/thresholds/noticing.service.js';
import { decimal } from '../../src/kernel/decimal.js';
import { type NewThreshold, type Threshold } from '../../src/billing/thresholds/threshold.js';
import { ThresholdsService } from '../../src/billing/thresholds/thresholds.service.js';
import { FoldService } from '../../src/usage/fold.service.js';
import { MetersReader } from '../../src/meters/meters.reader.js';
import { type TestBilling } from './billing.js';

let serial = 0;

/** Folds everything, and judges until nobody is due. */
export async function judgeAll(billing: TestBilling): Promise<void> {
  while ((await billing.get(FoldService).foldOnce()) > 0) {
    // Again, until nothing is pending.
  }
  await noticeAll(billing);
  while ((await billing.get(JudgingService).judgeDue()) > 0) {
    // Again, until nobody is due.
  }
}

/** Judges whom what is stored touches, as it is done before it is folded. */
export async function judgeStored(billing: TestBilling): Promise<void> {
  while (await billing.get(NoticingService).noticeStored()) {
    // Again, until all of it was looked at.
  }
  while ((await billing.get(JudgingService).judgeDue()) > 0) {
    // Again, until nobody is due.
  }
}

export async function noticeAll(billing: TestBilling): Promise<void> {
  const noticing = billing.get(NoticingService);
  while (
    (await noticing.noticeUsage()) ||
    (await noticing.noticeOwners()) ||
    (await noticing.noticeRemade())
  ) {
    // Again, until nothing is left.
  }
}

/** A threshold at quantities of the meter `used`, of everyone; the rest as given. */
export async function threshold(
  billing: TestBilling,
  levels: readonly string[],
  overrides: Partial<NewThreshold> = {},
): Promise<Threshold> {
  const meter = await billing.get(MetersReader).get('used');
  return await billing.get(ThresholdsService).create({
    key: `threshold-${(serial += 1)}`,
    name: 'A threshold',
    watched: { kind: 'everyone' },
    measure: { kind: 'meter_quantity', meterId: meter.id, groupBy: [] },
    levels: { kind: 'absolute', levels: levels.map((level) => decimal(level)) },
    basis: 'billing_period',
    actions: ['notify'],
    firesAtCreation: true,
    ...overrides,
  });
}

/** What endpoints were told by messages of thresholds, in order: type, level, before, after, event. */
export async function told(billing: TestBilling, key: string): Promise<Record<string, unknown>[]> {
  const rows = await billing.rows(
    `SELECT type, body::jsonb -> 'data' AS data FROM webhook_messages
     WHERE type LIKE 'threshold.%' AND body::jsonb -> 'data' ->> 'threshold' = $1
     ORDER BY sequence`,
    [key],
  );
  return rows.map(({ type, data }) => ({ type, ...(data as object) }));
}
