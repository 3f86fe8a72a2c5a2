/*
 * Aim: a message exists if and only if what it tells was committed, and reaches each endpoint at
 * least once under one id, whoever dies. Method: the real database, a real receiver on 127.0.0.1,
 * a clock that moves by hand; a crash is a claim whose owner never records.
 */
import { Webhook } from 'standardwebhooks';
import { type DeliveryState } from '../../src/webhooks/deliveries/webhook-delivery.js';
import { leaseMsOf } from '../../src/webhooks/deliveries/deliveries.service.js';
import { MAX_ATTEMPTS } from '../../src/webhooks/deliveries/settlement.js';
import { CATALOGUE } from '../../src/webhooks/catalogue/catalogue.js';
import { DEFAULT_MAX_CONCURRENCY } from '../../src/webhooks/endpoints/webhook-endpoint.js';
import { exampleContent, type MessageType } from '../../src/webhooks/webhook-message.js';
import { type PublishedMessage } from '../../src/webhooks/webhooks.service.js';
import { testConfig } from '../support/config.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { FakeClock } from '../support/fake-clock.js';
import { type Receiver, startReceiver } from '../support/webhook-receiver.js';
import { createWebhooks, type Webhooks } from '../support/webhooks.js';

/** As long as the calls of `createWebhooks` may take. */
const LEASE_MS = leaseMsOf(testConfig());
const ANY = { endpointId: undefined, messageId: undefined, state: undefined };

describe('webhooks', () => {
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
    types: MessageType[] = [],
  ): Promise<{ id: string; secret: string }> => {
    const { endpoint, secret } = await app.endpoints.create({ url, types, description: '' });
    return { id: endpoint.id, secret };
  };
  const publish = async (type: MessageType = 'invoice.paid'): Promise<PublishedMessage> =>
    await db.database.transaction(
      async () => await app.webhooks.publish(exampleContent(type, clock.now())),
    );
  const delivery = async (
    id: string | undefined,
  ): Promise<{ state: DeliveryState; nextAttemptAt: Date | null; attemptCount: number }> => {
    const page = await app.reader.listDeliveries(ANY, 200, null);
    return page.items.find((item) => item.id === id)!;
  };
  const attempts = async (id: string | undefined): Promise<unknown[]> => [
    ...(await app.reader.listAttempts(id!, 100, null)).items,
  ];

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

  describe('publish', () => {
    it('refuses to queue anything outside of a transaction', async () => {
      const content = exampleContent('invoice.paid', clock.now());
      await expect(app.webhooks.publish(content)).rejects.toThrow('inside the transaction');
      expect((await app.reader.listMessages(10, null)).items).toEqual([]);
    });

    it('leaves nothing behind when the transaction is rolled back', async () => {
      await endpointAt('https://127.0.0.1/');
      const rolledBack = db.database.transaction(async () => {
        await app.webhooks.publish(exampleContent('invoice.paid', clock.now()));
        throw new Error('the invoice was not recorded after all');
      });
      await expect(rolledBack).rejects.toThrow('after all');
      expect((await app.reader.listMessages(10, null)).items).toEqual([]);
      expect((await app.reader.listDeliveries(ANY, 10, null)).items).toEqual([]);
    });

    it('queues for the endpoints in force that want the type, and keeps what nobody wants', async () => {
      const all = await endpointAt('https://127.0.0.1/all');
      const some = await endpointAt('https://127.0.0.1/some', ['invoice.paid', 'invoice.voided']);
      await endpointAt('https://127.0.0.1/other', ['invoice.voided']);
      const off = await endpointAt('https://127.0.0.1/off');
      await app.endpoints.update(off.id, { isDisabled: true });
      const deleted = await endpointAt('https://127.0.0.1/deleted');
      await app.endpoints.delete(deleted.id);
      const paid = await publish();
      const page = await app.reader.listDeliveries({ ...ANY, messageId: paid.id }, 10, null);
      expect(new Set(page.items.map((item) => item.endpointId))).toEqual(
        new Set([all.id, some.id]),
      );
      await app.endpoints.delete(all.id);
      expect((await publish('billing_period.closed')).deliveryIds).toEqual([]);
      expect((await app.reader.listMessages(10, null)).items).toHaveLength(2);
    });

    it('numbers messages in the order of publishing, inside the signed body', async () => {
      const sequences = [(await publish()).sequence, (await publish()).sequence];
      const { items } = await app.reader.listMessages(10, null);
      const bodies = items.map((item) => JSON.parse(item.body) as { sequence: number });
      expect(sequences[1]).toBe(sequences[0]! + 1);
      expect(bodies.map((body) => body.sequence)).toEqual(sequences.toReversed());
      expect(items.map((item) => item.sequence)).toEqual(sequences.toReversed());
    });
  });

  describe('a delivery', () => {
    it('is what the library of Standard Webhooks verifies, byte for byte', async () => {
      const receiver = await receive({ answer: () => ({ status: 202, body: 'ok' }) });
      const { secret } = await endpointAt(receiver.url);
      const published = await publish();
      await app.deliverDue();
      const { headers, body } = receiver.requests[0]!;
      expect(headers).toMatchObject({
        'content-type': 'application/json',
        'user-agent': expect.stringMatching(/^Meterline\/\d/),
        'webhook-id': published.id,
        'webhook-timestamp': String(Date.parse('2026-11-03T10:00:00Z') / 1_000),
      });
      const { 'webhook-signature': signature, 'webhook-timestamp': timestamp } = headers;
      const at = new Date(Number(timestamp) * 1_000);
      expect(new Webhook(secret).sign(published.id, at, body)).toBe(signature);
      expect(JSON.parse(body)).toEqual({
        type: 'invoice.paid',
        timestamp: '2026-11-03T10:00:00.000Z',
        api_version: '2026-11-01',
        sequence: published.sequence,
        data: CATALOGUE['invoice.paid'].example,
      });
      expect(await delivery(published.deliveryIds[0])).toMatchObject({
        state: 'succeeded',
        attemptCount: 1,
      });
      expect(await attempts(published.deliveryIds[0])).toMatchObject([
        { number: 1, outcome: 'succeeded', status: 202, error: null, response: 'ok' },
      ]);
    });

    it('is tried by the schedule with a new signature each time, and then failed', async () => {
      const receiver = await receive({ answer: () => ({ status: 500, body: 'no\0t now' }) });
      await endpointAt(receiver.url);
      const id = (await publish()).deliveryIds[0];
      const waits: number[] = [];
      for (let row = await delivery(id); row.nextAttemptAt !== null; row = await delivery(id)) {
        waits.push(row.nextAttemptAt.getTime() - clock.now().getTime());
        clock.set(row.nextAttemptAt);
        await app.deliverDue();
      }
      expect(waits).toHaveLength(MAX_ATTEMPTS);
      expect(waits[1]).toBeLessThanOrEqual(6_000);
      expect(waits.at(-1)).toBeGreaterThan(19 * 3_600_000);
      expect((await delivery(id)).state).toBe('failed');
      expect(await attempts(id)).toHaveLength(MAX_ATTEMPTS);
      expect((await attempts(id)).at(-1)).toMatchObject({
        outcome: 'failed',
        status: 500,
        error: 'http',
        response: 'no\uFFFDt now',
      });
      expect(new Set(receiver.requests.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
      const signatures = receiver.requests.map(({ headers }) => headers['webhook-signature']);
      expect(new Set(signatures).size).toBe(MAX_ATTEMPTS);
    });

    it('is not sent before it is due', async () => {
      const receiver = await receive({ answer: () => ({ status: 503 }) });
      await endpointAt(receiver.url);
      await publish();
      await app.deliverDue();
      clock.advance(3_000);
      expect(await app.deliverDue()).toEqual([]);
      clock.advance(3_000);
      expect(await app.deliverDue()).toHaveLength(1);
    });

    it('waits as long as the receiver asks', async () => {
      const headers = { 'retry-after': '3600' };
      const receiver = await receive({ answer: () => ({ status: 429, headers }) });
      await endpointAt(receiver.url);
      const id = (await publish()).deliveryIds[0];
      await app.deliverDue();
      expect((await delivery(id)).nextAttemptAt).toEqual(new Date('2026-11-03T11:00:00Z'));
    });

    it('fails at 410, which disables the endpoint; what waits is sent when it is in use again', async () => {
      const receiver = await receive({
        answer: (_, index) => ({ status: index === 0 ? 410 : 200 }),
      });
      const { id: endpointId } = await endpointAt(receiver.url);
      const first = (await publish()).deliveryIds[0];
      const claimed = await app.deliveries.claim(10);
      const second = (await publish()).deliveryIds[0];
      await app.deliveries.deliver(claimed[0]!);
      expect((await delivery(first)).state).toBe('failed');
      expect((await app.reader.getEndpoint(endpointId)).disabled).toEqual({
        at: clock.now(),
        reason: 'gone',
      });
      expect(await app.deliverDue()).toEqual([]);
      expect((await delivery(second)).state).toBe('pending');
      await app.endpoints.update(endpointId, { isDisabled: false });
      await app.deliverDue();
      expect((await delivery(second)).state).toBe('succeeded');
    });

    it('records why no answer came', async () => {
      const receiver = await receive();
      await receiver.close();
      await endpointAt(receiver.url);
      const id = (await publish()).deliveryIds[0];
      await app.deliverDue();
      expect(await attempts(id)).toMatchObject([
        { outcome: 'failed', status: null, error: 'connect', response: null },
      ]);
    });

    it('is blocked when its address is forbidden by now', async () => {
      await endpointAt('https://127.0.0.1/');
      const id = (await publish()).deliveryIds[0];
      await db.database.query(`UPDATE webhook_endpoints SET url = 'https://10.0.0.1/'`);
      await app.deliverDue();
      expect(await attempts(id)).toMatchObject([{ outcome: 'failed', error: 'blocked' }]);
    });

    it('is given up when its endpoint is deleted', async () => {
      const { id: endpointId } = await endpointAt('https://127.0.0.1/');
      const id = (await publish()).deliveryIds[0];
      await app.endpoints.delete(endpointId);
      expect(await app.deliverDue()).toEqual([]);
      expect(await delivery(id)).toMatchObject({ state: 'failed', attemptCount: 0 });
    });
  });

  describe('a claim', () => {
    it('is never shared, however many claim at once, and holds the cap of the endpoint', async () => {
      const endpoints = 4;
      for (let count = 0; count < endpoints; count += 1) {
        await endpointAt(`https://127.0.0.1/${count}`);
      }
      for (let count = 0; count < 20; count += 1) {
        await publish();
      }
      const rounds = [1, 2, 3].map(
        async () =>
          await Promise.all(Array.from({ length: 8 }, async () => await app.deliveries.claim(50))),
      );
      const claimed = (await Promise.all(rounds)).flat(2);
      expect(new Set(claimed.map((one) => one.id)).size).toBe(claimed.length);
      const { items } = await app.reader.listEndpoints(10, null);
      const counts = items.map(({ id }) => claimed.filter((one) => one.endpointId === id).length);
      expect(counts).toEqual(Array.from({ length: endpoints }, () => DEFAULT_MAX_CONCURRENCY));
    });

    it('serves every endpoint, though one has a long queue of older deliveries', async () => {
      await endpointAt('https://127.0.0.1/dead', ['invoice.voided']);
      for (let count = 0; count < 60; count += 1) {
        await publish('invoice.voided');
      }
      const healthy = await endpointAt('https://127.0.0.1/healthy', ['invoice.paid']);
      clock.advance(1_000);
      await publish();
      const claimed = await app.deliveries.claim(4);
      expect(claimed).toHaveLength(4);
      expect(claimed.filter((one) => one.endpointId === healthy.id)).toHaveLength(1);
    });

    it('neither waits for a transaction that is publishing, nor misses its endpoint', async () => {
      await endpointAt('https://127.0.0.1/');
      await publish();
      let claimed = 0;
      const outside = createWebhooks(db.database, clock);
      let go = (): void => undefined;
      const started = new Promise<void>((resolve) => (go = resolve));
      let finish = (): void => undefined;
      const finished = new Promise<void>((resolve) => (finish = resolve));
      const publishing = db.database.transaction(async () => {
        await app.webhooks.publish(exampleContent('invoice.paid', clock.now()));
        go();
        await finished;
      });
      await started;
      claimed = (await outside.deliveries.claim(10)).length;
      finish();
      await publishing;
      expect(claimed).toBe(1);
    });

    it('returns when its worker dies after the call: the same message is sent again', async () => {
      const receiver = await receive();
      await endpointAt(receiver.url);
      const published = await publish();
      const [claimed] = await app.deliveries.claim(10);
      await fetch(receiver.url, {
        method: 'POST',
        headers: { 'webhook-id': claimed!.messageId },
        body: claimed!.body,
      });
      expect(await app.deliverDue()).toEqual([]);
      clock.advance(LEASE_MS);
      await app.deliverDue();
      expect(receiver.requests.map(({ headers }) => headers['webhook-id'])).toEqual([
        published.id,
        published.id,
      ]);
      expect(receiver.requests[0]!.body).toBe(receiver.requests[1]!.body);
      expect(await attempts(published.deliveryIds[0])).toMatchObject([
        { number: 1, outcome: 'unknown', durationMs: null, error: 'lease_expired' },
        { number: 2, outcome: 'succeeded', status: 200 },
      ]);
    });

    it('lets a worker that comes back late write nothing', async () => {
      const receiver = await receive({ answer: () => ({ status: 500 }) });
      await endpointAt(receiver.url);
      const id = (await publish()).deliveryIds[0];
      const [late] = await app.deliveries.claim(10);
      clock.advance(LEASE_MS);
      await app.deliveries.sweep();
      const [second] = await app.deliveries.claim(10);
      expect((await app.deliveries.deliver(late!)).state).toBe('lease_lost');
      expect(await delivery(id)).toMatchObject({ state: 'sending', attemptCount: 2 });
      expect(await attempts(id)).toHaveLength(1);
      expect((await app.deliveries.deliver(second!)).state).toBe('pending');
      expect((await app.deliveries.deliver(second!)).state).toBe('lease_lost');
      expect(await attempts(id)).toHaveLength(2);
    });

    it('is recorded once when two sweep at the same time', async () => {
      await endpointAt('https://127.0.0.1/');
      const id = (await publish()).deliveryIds[0];
      await app.deliveries.claim(10);
      clock.advance(LEASE_MS);
      await Promise.all([app.deliveries.sweep(), app.deliveries.sweep(), app.deliveries.sweep()]);
      expect(await attempts(id)).toHaveLength(1);
      expect((await delivery(id)).state).toBe('pending');
    });
  });

  describe('retry', () => {
    it('makes a failed delivery due at once, and refuses any other', async () => {
      const receiver = await receive({
        answer: (_, index) => ({ status: index < MAX_ATTEMPTS ? 500 : 200 }),
      });
      await endpointAt(receiver.url);
      const id = (await publish()).deliveryIds[0]!;
      await expect(app.retries.retry(id)).rejects.toMatchObject({ code: 'not_failed' });
      for (let count = 0; count < MAX_ATTEMPTS; count += 1) {
        clock.set((await delivery(id)).nextAttemptAt!);
        await app.deliverDue();
      }
      expect((await delivery(id)).state).toBe('failed');
      expect(await app.retries.retry(id)).toMatchObject({
        state: 'pending',
        nextAttemptAt: clock.now(),
      });
      await app.deliverDue();
      expect(await delivery(id)).toMatchObject({
        state: 'succeeded',
        attemptCount: MAX_ATTEMPTS + 1,
      });
    });

    it('refuses when the endpoint would not be sent to', async () => {
      const { id: endpointId } = await endpointAt('https://127.0.0.1/');
      const id = (await publish()).deliveryIds[0]!;
      await app.endpoints.delete(endpointId);
      await app.deliverDue();
      await expect(app.retries.retry(id)).rejects.toMatchObject({ code: 'endpoint_disabled' });
      await expect(app.retries.retry('dlv_x')).rejects.toMatchObject({ code: 'not_found' });
    });
  });

  describe('sendTest', () => {
    it('reaches that endpoint alone, whatever it asked for', async () => {
      const receiver = await receive();
      const { id } = await endpointAt(receiver.url, ['invoice.paid']);
      await endpointAt('https://127.0.0.1/other');
      expect((await app.webhooks.sendTest(id)).deliveryIds).toHaveLength(1);
      await app.deliverDue();
      expect(JSON.parse(receiver.requests[0]!.body)).toMatchObject({
        type: 'webhook.test',
        data: { endpoint: id },
      });
      await app.endpoints.update(id, { isDisabled: true });
      await expect(app.webhooks.sendTest(id)).rejects.toMatchObject({ code: 'endpoint_disabled' });
    });
  });
});
