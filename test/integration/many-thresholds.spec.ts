/*
 * Aim: however many thresholds watch however many customers, one transaction judges a bounded number, and nobody
 * waits behind those who are always due. Method: thresholds by the thousand, copied row by row.
 */
import { JudgingService } from '../../src/billing/thresholds/judging.service.js';
import { type Customer } from '../../src/customers/customer.js';
import { perUnit, startBilling, type TestBilling } from '../support/billing.js';
import { FoldService } from '../../src/usage/fold.service.js';
import { noticeAll, threshold, told } from '../support/thresholds.js';

const NOW = '2026-11-10T12:00:00Z';
const TIME = '2026-11-10T11:00:00Z';
/** Two customers watched by as many are more than may be judged at once. */
const MANY = 5_001;

describe('thousands of thresholds', () => {
  let billing: TestBilling;

  beforeEach(async () => {
    billing = await startBilling(NOW);
  });

  afterEach(async () => {
    await billing.close();
  });

  const use = async (customer: Customer): Promise<void> => {
    await billing.use(customer.key, TIME, ['6']);
    while ((await billing.get(FoldService).foldOnce()) > 0) {
      // Again, until nothing is pending.
    }
    await noticeAll(billing);
    await makeDue(customer);
  };

  /** As whatever may change what thresholds measure of a customer does. */
  const makeDue = async (customer: Customer): Promise<void> => {
    await billing.rows(
      `INSERT INTO threshold_dues (customer_id, revision) VALUES ($1, 1)
       ON CONFLICT (customer_id) DO UPDATE SET revision = threshold_dues.revision + 1`,
      [customer.id],
    );
  };

  it('of everyone are judged for as many customers at once as there is room for, in turn', async () => {
    const plan = await billing.plan([perUnit('0.5')]);
    const customers: Customer[] = [];
    for (let count = 0; count < 3; count += 1) {
      const customer = await billing.customer();
      await billing.subscribe(customer, plan, { startsAt: new Date('2026-11-01T00:00:00Z') });
      customers.push(customer);
    }
    const { id, key } = await threshold(billing, ['10']);
    while ((await billing.get(JudgingService).judgeDue()) > 0) {
      // Nobody is due any more for its creation.
    }
    await billing.rows(
      `INSERT INTO thresholds
       SELECT (jsonb_populate_record(original, jsonb_build_object(
         'id', 'thr_' || lpad(n::text, 26, '0'), 'key', 'copy-' || n, 'levels', ARRAY[1000000]))).*
       FROM thresholds AS original, generate_series(1, $2::integer) AS n
       WHERE original.id = $1`,
      [id, MANY],
    );
    const [first] = customers as [Customer];
    for (const customer of [...customers, ...customers]) {
      await use(customer);
    }
    const judging = billing.get(JudgingService);
    const whom = async (): Promise<unknown[]> =>
      (await told(billing, key)).map(({ customer }) => customer);
    expect(await judging.judgeDue()).toBe(1);
    expect(await whom()).toEqual([first.key]);
    // Who is due all the while keeps nobody from being judged.
    await makeDue(first);
    expect(await judging.judgeDue()).toBe(1);
    await makeDue(first);
    expect(await judging.judgeDue()).toBe(1);
    expect(await whom()).toEqual(customers.map((customer) => customer.key));
    expect(await judging.judgeDue()).toBe(1);
    expect(await judging.judgeDue()).toBe(0);
    expect(await whom()).toHaveLength(3);
    expect(await billing.rows('SELECT FROM threshold_dues')).toEqual([]);
  });
});
