/*
 * Aim: no message is lost, ended or kept too long by what happens while it is on its way: workers that die,
 * endpoints that are changed, disabled again or forgotten. Method: the real database, real receivers on
 * 127.0.0.1, a clock that moves by hand.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { exampleContent } from '../../src/webhooks/webhook-message.js';
import { type ReplaySelection } from '../../src/webhooks/replays/replay.js';
import { leaseMsOf } from '../../src/webhooks/deliveries/deliveries.service.js';
import { type PublishedMessage } from '../../src/webhooks/webhooks.service.js';
import { ElsewhereWorker } from '../../src/webhooks/deliveries/elsewhere.worker.js';
import { Outage } from '../../src/platform/database/outage.js';
import { silentLog, testConfig } from '../support/config.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { FakeClock } from '../support/fake-clock.js';
import { eventually } from '../support/service-process.js';
import { type Receiver, startReceiver } from '../support/webhook-receiver.js';
import { createWebhooks, type Webhooks } from '../support/webhooks.js';

const DAY_MS = 86_400_000;
const LEASE_MS = leaseMsOf(testConfig());
const MISSING: ReplaySelection = {
  scope: 'undelivered',
  messageIds: null,
  types: [],
  customer: null,
  from: null,
  to: null,
};

describe('a webhook message on its way', () => {
  let db: TestDatabase;
  let clock: FakeClock;
  let app: Webhooks;
  const receivers: Receiver[] = [];

  const receive = async (options: Parameters<typeof startReceiver>[0] = {}): Promise<Receiver> => {
    const receiver = await startReceiver(options);
    receivers.push(receiver);
    return receiver;
  };
  const endpointAt = async (
    url: string,
    options: { retryWaitsSeconds?: number[] } = {},
  ): Promise<string> => {
    const input = { url, types: ['invoice.paid' as const], description: '', options };
    return (await app.endpoints.create(input)).endpoint.id;
  };
  const publish = async (): Promise<PublishedMessage> =>
    await db.database.transaction(
      async () => await app.webhooks.publish(exampleContent('invoice.paid', clock.now())),
    );
  const statesOf = async (endpointId: string): Promise<string[]> => {
    const filter = { endpointId, messageId: undefined, state: undefined };
    return (await app.reader.listDeliveries(filter, 200, null)).items
      .map(({ state }) => state)
      .toReversed();
  };
  const ask = async (endpointId: string): Promise<string> =>
    (await app.replays.request({ endpointId, selection: MISSING, perSecond: 100 }, 'key_1')).id;
  const step = async (): Promise<void> => {
    while ((await app.replays.stepOnce()) > 0) {
      // What is due at once.
    }
  };

  beforeEach(async () => {
    db = await createTestDatabase();
    clock = new FakeClock('2026-11-03T10:00:00.000Z');
    app = createWebhooks(db.database, clock);
  });

  afterEach(async () => {
    await Promise.all(receivers.splice(0).map(async (receiver) => await receiver.close()));
    await app.close();
    await db.drop();
  });

  it('is sent though the worker of its only attempt died, and given up when all die', async () => {
    const receiver = await receive();
    const once = await endpointAt(receiver.url, { retryWaitsSeconds: [] });
    const { id } = await publish();
    await app.deliveries.claim(10);
    clock.advance(LEASE_MS);
    expect(await app.deliverDue()).toMatchObject([{ state: 'succeeded' }]);
    expect(receiver.requests[0]?.headers['webhook-id']).toBe(id);
    await publish();
    for (let deaths = 0; deaths < 11; deaths += 1) {
      expect((await statesOf(once))[1]).toBe('pending');
      await app.deliveries.claim(10);
      clock.advance(LEASE_MS);
      await app.deliveries.sweep();
    }
    expect(await statesOf(once)).toEqual(['succeeded', 'failed']);
  });

  it.each([
    ['410', { status: 410, headers: {} }],
    ['an order to end it', { status: 200, headers: { 'webhook-delivery': 'disable' } }],
    ['an order to abort', { status: 500, headers: { 'webhook-delivery': 'abort-message' } }],
  ])('is not ended by %s of a URL that its endpoint has left meanwhile', async (_, said) => {
    const next = await receive();
    const former = await receive({
      answer: async () => {
        await app.endpoints.update(id, { url: next.url });
        return said;
      },
    });
    const id = await endpointAt(former.url);
    await publish();
    await app.deliverDue();
    expect(await app.reader.getEndpoint(id)).toMatchObject({
      disabled: null,
      health: { failing: null },
    });
    const isTaken = said.status === 200;
    expect(await statesOf(id)).toEqual([isTaken ? 'succeeded' : 'pending']);
    clock.advance(10_000);
    await app.deliverDue();
    expect(next.requests).toHaveLength(isTaken ? 0 : 1);
    expect(await statesOf(id)).toEqual(['succeeded']);
  });

  it('stays missed when the endpoint is disabled again while a replay brings what it missed before', async () => {
    const receiver = await receive();
    const id = await endpointAt(receiver.url);
    const disable = async (isDisabled: boolean): Promise<void> => {
      await app.endpoints.update(id, { isDisabled });
      clock.advance(1_000);
    };
    await disable(true);
    await publish();
    await publish();
    await disable(false);
    const { id: replay } = await app.replays.request(
      { endpointId: id, selection: MISSING, perSecond: 1 },
      'key_1',
    );
    // Its first step says up to where it goes.
    await app.replays.stepOnce();
    await disable(true);
    const again = await publish();
    await disable(false);
    for (let second = 0; second < 5; second += 1) {
      await step();
      await app.deliverDue();
      clock.advance(1_000);
    }
    expect(await app.replays.get(replay)).toMatchObject({ state: 'completed', queuedCount: 2 });
    expect(await app.missed.get(id)).toMatchObject({ messageCount: 1 });
    await ask(id);
    await step();
    await app.deliverDue();
    expect(receiver.requests.at(-1)?.headers['webhook-id']).toBe(again.id);
    expect(await app.missed.get(id)).toEqual({ from: null, messageCount: 0 });
  });

  it('is deleted in the end, though a replay waits for an endpoint that nobody remembers', async () => {
    const receiver = await receive();
    const id = await endpointAt(receiver.url);
    await publish();
    await app.deliverDue();
    const replay = await ask(id);
    await app.endpoints.update(id, { isDisabled: true });
    clock.advance(7 * DAY_MS);
    await step();
    expect((await app.replays.get(replay)).state).toBe('running');
    clock.advance(30_000);
    await step();
    expect((await app.replays.get(replay)).state).toBe('cancelled');
    clock.advance(91 * DAY_MS);
    while ((await app.retention.deleteOnce()) > 0) {
      // A little at a time.
    }
    expect((await app.reader.listMessages(10, null)).items).toEqual([]);
  });

  it('does not wait for many receivers that take it in the end', async () => {
    await app.close();
    // With more patience than a setting allows, so that nothing ends but by the receivers.
    const config = testConfig({ WEBHOOK_ALLOWED_CIDRS: '127.0.0.0/8' });
    const webhooks = { ...config.webhooks, timeoutMs: 3_600_000 };
    app = createWebhooks(db.database, clock, { ...config, webhooks });
    const worker = app.startWorker();
    let letGo = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const holding = await receive({
      answer: async () => {
        await held;
        return {};
      },
    });
    const healthy = await receive();
    await db.database.query(
      `INSERT INTO webhook_endpoints (id, url, types, description, secret, created_at)
       SELECT 'we_' || lpad(n::text, 26, '0'), $1, '{invoice.voided}', '', 'whsec_AAAA', now()
       FROM generate_series(1, 60) n`,
      [holding.url],
    );
    await endpointAt(healthy.url);
    // All at once, so that all places that there are for quick ones are theirs.
    await db.database.transaction(async () => {
      for (let count = 0; count < 5; count += 1) {
        await app.webhooks.publish(exampleContent('invoice.voided', clock.now()));
      }
    });
    // Unless the machine is so busy that some are taken for slow, and wait, before all are sent.
    await Promise.race([holding.arrived(200), sleep(10_000, null, { ref: false })]);
    await Promise.all(Array.from({ length: 20 }, publish));
    // In life it looks every second by itself, too.
    await eventually(async () => {
      worker.tick();
      return await Promise.resolve(healthy.requests.length >= 20);
    });
    const ofOthers = `SELECT a.error, a.detail FROM webhook_attempts AS a JOIN webhook_deliveries AS d ON d.id = a.delivery_id
      WHERE d.endpoint_id LIKE 'we_000%'`;
    expect(await db.database.query(ofOthers)).toEqual([]);
    letGo();
    const pending = `SELECT FROM webhook_deliveries WHERE state <> 'succeeded'`;
    await eventually(async () => {
      worker.tick();
      // What a busy machine could not take down in time is sent again when its lease ends.
      clock.advance(60_000);
      return (await db.database.query(pending)).length === 0;
    });
    expect(holding.requests.length).toBeGreaterThanOrEqual(300);
    await worker.beforeApplicationShutdown();
  });

  it('does not wait for a claim of what is failing, however long that takes', async () => {
    const failing = await receive();
    const healthy = await receive();
    const id = await endpointAt(failing.url);
    await db.database.query(
      `UPDATE webhook_endpoints SET failing_since = now(), last_failed_at = now(), failure_count = 1
       WHERE id = $1`,
      [id],
    );
    await publish();
    await endpointAt(healthy.url);
    let letGo = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    const worker = app.startWorker();
    let holding: Promise<void> = Promise.resolve();
    await new Promise<void>((resolve) => {
      holding = db.database.transaction(async () => {
        await db.database.query('SELECT FROM webhook_deliveries FOR UPDATE');
        resolve();
        await held;
      });
    });
    const waits = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    worker.look();
    while ((await db.database.query(waits)).length === 0) {
      // Until the claim of the failing one waits.
    }
    await publish();
    await healthy.arrived(1);
    await publish();
    await healthy.arrived(2);
    expect(failing.requests).toHaveLength(0);
    letGo();
    await holding;
    await failing.arrived(3);
    await worker.beforeApplicationShutdown();
  });

  it('is seen by another process without its tick, also when it commits late', async () => {
    const receiver = await receive();
    await endpointAt(receiver.url);
    const other = createWebhooks(db.database, clock);
    const worker = other.startWorker();
    const outage = new Outage(db.database, silentLog);
    const elsewhere = new ElsewhereWorker(testConfig(), outage, other.messages, worker);
    try {
      await publish();
      elsewhere.tick();
      await receiver.arrived(1);
      await db.database.transaction(async () => {
        await app.webhooks.publish(exampleContent('invoice.paid', clock.now()));
        // Its number is drawn, and there is nothing to be seen yet.
        elsewhere.tick();
        await other.messages.lastDrawn();
      });
      elsewhere.tick();
      await receiver.arrived(2);
    } finally {
      await elsewhere.beforeApplicationShutdown();
      await worker.beforeApplicationShutdown();
      await other.close();
    }
  });

  it('is tried again in time, though what became of another one cannot be written', async () => {
    const receiver = await receive({ answer: (_, index) => ({ status: index === 0 ? 500 : 200 }) });
    const id = await endpointAt(receiver.url);
    const lost = await publish();
    await app.deliveries.claim(10);
    await db.database.query(
      `ALTER TABLE webhook_deliveries ADD CONSTRAINT stuck
       CHECK (id <> '${lost.deliveryIds[0]}' OR state = 'sending') NOT VALID`,
    );
    await publish();
    const [other] = await app.deliveries.claim(10);
    await app.deliveries.deliver(other!);
    expect((await statesOf(id))[1]).toBe('pending');
    clock.advance(LEASE_MS + 60_000);
    const worker = app.startWorker();
    worker.tick();
    await receiver.arrived(2);
    await worker.beforeApplicationShutdown();
    expect(await statesOf(id)).toEqual(['sending', 'succeeded']);
  });
});
