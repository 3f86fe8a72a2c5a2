/*
 * Aim: who crosses a level is told as soon as the event is stored, and the fold that comes later changes nothing of it.
 * Method: what is stored is judged without any fold, then folded and judged again.
 */
import { NoticingService } from '../../src/billing/thresholds/noticing.service.js';
import { ThresholdsWorker } from '../../src/billing/thresholds/thresholds.worker.js';
import { type Customer } from '../../src/customers/customer.js';
import { CorrectionsService } from '../../src/events/corrections.service.js';
import { EventsService } from '../../src/events/events.service.js';
import { startBilling, type TestBilling } from '../support/billing.js';
import { factory } from '../support/factory.js';
import { type Replica, startReplica } from '../support/replica.js';
import { judgeAll, judgeStored, noticeAll, threshold, told } from '../support/thresholds.js';

const TIME = '2026-11-10T11:00:00Z';
const LIFETIME = { basis: 'lifetime', firesAtCreation: false } as const;

let billing: TestBilling;
let replica: Replica;

beforeAll(async () => {
  // Its workers may look; nobody tells them when.
  billing = await startBilling('2026-11-10T12:00:00Z', { env: { METERLINE_ROLE: 'all' } });
  replica = await startReplica(billing);
});

afterAll(async () => {
  await billing.close();
});

/** A customer who was judged with usage of 1. */
const watched = async (level: string): Promise<{ customer: Customer; key: string }> => {
  const customer = await billing.customer();
  const { key } = await threshold(billing, [level], {
    watched: { kind: 'customer', customerId: customer.id },
    ...LIFETIME,
  });
  await billing.use(customer.key, TIME, ['1']);
  await judgeAll(billing);
  return { customer, key };
};

const marginOf = async ({ id }: Customer): Promise<unknown> =>
  (
    await billing.rows(
      'SELECT trim_scale(up)::text AS up FROM threshold_margins WHERE customer_id = $1',
      [id],
    )
  )[0]?.['up'];

const left = async (): Promise<unknown[]> =>
  await billing.rows(
    `SELECT 'due' AS what FROM threshold_dues UNION ALL SELECT 'change' FROM usage_changes
     UNION ALL SELECT 'ahead' FROM usage_changes_ahead`,
  );

it('a level is told of before the fold, once, with its event', async () => {
  const { customer, key } = await watched('10');
  await billing.use(customer.key, TIME, ['4', '7']);
  await judgeStored(billing);
  const first = await told(billing, key);
  expect(first).toMatchObject([{ type: 'threshold.crossed', level: '10', quantity_before: '5' }]);
  await judgeAll(billing);
  expect(await told(billing, key)).toEqual(first);
  expect(await left()).toEqual([]);
});

it('an event that is void takes it back before the fold', async () => {
  const { customer, key } = await watched('10');
  const identity = { source: 'kong/eu', id: 'void-before-the-fold' };
  const event = factory.event({ ...identity, subject: customer.key, time: TIME, data: { v: '9' } });
  await billing.get(EventsService).ingest(Buffer.from(JSON.stringify([event])), {});
  await judgeStored(billing);
  const why = { reason: 'a mistake', by: 'key_test' };
  await billing.get(CorrectionsService).void(identity, why);
  await judgeStored(billing);
  const types = async (): Promise<unknown[]> => (await told(billing, key)).map(({ type }) => type);
  expect(await types()).toEqual(['threshold.crossed', 'threshold.retracted']);
  await judgeAll(billing);
  expect(await types()).toEqual(['threshold.crossed', 'threshold.retracted']);
});

it('what came is taken off a margin once, whoever looks at it, and folded or not', async () => {
  const { customer } = await watched('101');
  expect(await marginOf(customer)).toBe('100');
  for (const used of ['10', '20', '30']) {
    await billing.use(customer.key, TIME, [used]);
    await Promise.all(
      [billing, replica, billing, replica].map(async (one) => {
        await one.get(NoticingService).noticeStored();
      }),
    );
    await billing.use(customer.key, TIME, ['1']);
    await judgeAll(billing);
    expect(await left()).toEqual([]);
  }
  expect(await marginOf(customer)).toBe('37');
});

it('what is stored while nothing is watched is left to the fold', async () => {
  await billing.rows('UPDATE thresholds SET archived_at = now() WHERE archived_at IS NULL');
  await billing.use('nobody', TIME, ['1']);
  const noticing = billing.get(NoticingService);
  expect(await noticing.noticeStored()).toBe(false);
  await noticeAll(billing);
  expect(noticing.wasAnythingWatched).toBe(false);
  await judgeAll(billing);
  expect(await left()).toEqual([]);
});

it('the worker hears of what is stored', async () => {
  const { customer, key } = await watched('10');
  const worker = billing.get(ThresholdsWorker);
  worker.onApplicationBootstrap();
  await billing.use(customer.key, TIME, ['9']);
  while ((await told(billing, key)).length === 0) {
    // Until it has looked: by a signal, since there are no ticks and no folds.
  }
  await worker.beforeApplicationShutdown();
  expect(await told(billing, key)).toMatchObject([{ level: '10', quantity_after: '10' }]);
});
