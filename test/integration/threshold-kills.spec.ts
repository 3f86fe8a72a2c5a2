/*
 * Aim: a level fires once, with its message, its bill and its suspension, whoever dies and however many judge.
 * Method: a replica on the same database that dies at its n-th statement, for each n in strides, or every n
 * there is with EVERY_STEP=1; and two that live and judge at once.
 */
import { JudgingService } from '../../src/billing/thresholds/judging.service.js';
import { NoticingService } from '../../src/billing/thresholds/noticing.service.js';
import { FoldService } from '../../src/usage/fold.service.js';
import { perUnit, startBilling, type TestBilling } from '../support/billing.js';
import { type Fuse, strideOf } from '../support/mortal.js';
import { type Replica, startReplica } from '../support/replica.js';
import { judgeAll, threshold } from '../support/thresholds.js';

const TIME = '2026-11-10T11:00:00Z';
const LEASE_MS = 31_000;

let billing: TestBilling;
let replica: Replica;
let fuse: Fuse;

beforeAll(async () => {
  billing = await startBilling('2026-11-10T12:00:00Z');
  replica = await startReplica(billing);
  ({ fuse } = replica);
});

afterAll(async () => {
  await billing.close();
});

/** What there is of a customer: crossings, messages, line items and their sum, invoices, suspensions. */
const outcome = async (customerId: string, key: string): Promise<unknown> => {
  const [row] = await billing.rows(
    `SELECT (SELECT count(*) FROM threshold_crossings WHERE customer_id = $1)::integer AS crossings,
       (SELECT count(*) FROM webhook_messages WHERE type = 'threshold.crossed'
         AND body::jsonb -> 'data' ->> 'customer' = $2)::integer AS messages,
       (SELECT sum(amount_minor) FROM line_items WHERE customer_id = $1)::text AS billed,
       (SELECT count(*) FROM invoices WHERE customer_id = $1)::integer AS invoices,
       (SELECT count(*) FROM customer_suspensions WHERE customer_id = $1)::integer AS suspensions,
       (SELECT event ->> 'subject' FROM threshold_crossings WHERE customer_id = $1) AS subject`,
    [customerId, key],
  );
  return row;
};

const lives = async (of: Pick<TestBilling, 'get'>, isAhead = false): Promise<void> => {
  if (isAhead) {
    await of.get(NoticingService).noticeStored();
    await of.get(JudgingService).judgeDue();
  }
  await of.get(FoldService).foldOnce();
  await of.get(NoticingService).noticeUsage();
  await of.get(NoticingService).noticeOwners();
  await of.get(JudgingService).judgeDue();
};

it.each([
  ['tells and suspends', ['notify', 'suspend'], null, 0, false],
  ['tells and suspends before the fold', ['notify', 'suspend'], null, 0, true],
  ['tells, bills and suspends', ['notify', 'bill', 'suspend'], '1200', 1, false],
] as const)(
  'a replica that %s may die anywhere',
  async (_, actions, billed, invoices, isAhead) => {
    const plan = await billing.plan([perUnit('1')]);
    await threshold(billing, ['10'], {
      watched: { kind: 'plan', planId: plan.plan.id },
      actions: [...actions],
    });
    let deaths = 0;
    for (let deadly = 1; ; deadly += strideOf(7)) {
      const stripeCustomerId = `cus_${String(isAhead)}_${invoices}_${deadly}`;
      const customer = await billing.customer({ stripeCustomerId });
      await billing.subscribe(customer, plan, {
        startsAt: new Date('2026-11-01T00:00:00Z'),
        billing: { provider: 'stripe', finalize: true },
      });
      await billing.use(customer.key, TIME, ['12']);
      fuse.set(deadly);
      await lives(replica, isAhead).catch(() => null);
      const hasLived = !fuse.isDead;
      fuse.set(Infinity);
      billing.clock.advance(LEASE_MS);
      await judgeAll(billing);
      expect({ deadly, ...((await outcome(customer.id, customer.key)) as object) }).toEqual({
        deadly,
        ...{ crossings: 1, messages: 1, billed, invoices, suspensions: 1, subject: customer.key },
      });
      expect(await billing.rows('SELECT FROM threshold_dues')).toEqual([]);
      expect(await billing.rows('SELECT FROM usage_changes_ahead')).toEqual([]);
      if (hasLived) {
        break;
      }
      deaths += 1;
    }
    expect(deaths).toBeGreaterThan(2);
  },
  120_000,
);

it('two replicas at once fire each level of each customer once', async () => {
  const plan = await billing.plan([perUnit('1')]);
  await threshold(billing, ['10', '20'], {
    watched: { kind: 'plan', planId: plan.plan.id },
    actions: ['notify', 'bill'],
  });
  const customers = [];
  for (let count = 0; count < 6; count += 1) {
    const customer = await billing.customer();
    await billing.subscribe(customer, plan, { startsAt: new Date('2026-11-01T00:00:00Z') });
    customers.push(customer);
  }
  for (let round = 0; round < 4; round += 1) {
    await Promise.all(customers.map(async ({ key }) => await billing.use(key, TIME, ['3', '4'])));
    await Promise.all([lives(billing, true), lives(replica, true), lives(billing)]);
  }
  billing.clock.advance(LEASE_MS);
  await judgeAll(billing);
  const rows = await billing.rows(
    `SELECT customer.id, count(*)::integer AS crossings,
       (SELECT count(*) FROM webhook_messages WHERE type = 'threshold.crossed'
         AND body::jsonb -> 'data' ->> 'customer' = customer.key)::integer AS messages
     FROM threshold_crossings AS crossing JOIN customers AS customer ON customer.id = crossing.customer_id
     WHERE customer.id = ANY ($1) GROUP BY customer.id`,
    [customers.map(({ id }) => id)],
  );
  expect(rows).toHaveLength(6);
  for (const row of rows) {
    expect(row).toMatchObject({ crossings: 2, messages: 2 });
  }
});
