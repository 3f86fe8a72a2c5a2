/*
 * Aim: each endpoint is sent to as it wants, and as it fares; none holds up another; what is merely kept
 * never decides what is sent. Method: the real database, real receivers on 127.0.0.1, a clock that moves
 * by hand.
 */
import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { Webhook as SvixWebhook } from 'svix';
import { type WebhookDelivery } from '../../src/webhooks/deliveries/webhook-delivery.js';
import { BREAKER_FAILURES } from '../../src/webhooks/endpoints/endpoint-health.js';
import { type NewEndpoint } from '../../src/webhooks/endpoints/endpoints.service.js';
import { exampleContent, type MessageType } from '../../src/webhooks/webhook-message.js';
import { type PublishedMessage } from '../../src/webhooks/webhooks.service.js';
import { testConfig } from '../support/config.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { FakeClock } from '../support/fake-clock.js';
import { isSignedBy } from '../support/public-key.js';
import { type Receiver, startReceiver } from '../support/webhook-receiver.js';
import { createWebhooks, type Webhooks } from '../support/webhooks.js';

const DAY_MS = 86_400_000;
/** With patience: only who never answers is too slow. */
const REACHING = { WEBHOOK_ALLOWED_CIDRS: '127.0.0.0/8', WEBHOOK_TIMEOUT_MS: '30000' };
const newKey = (): string => randomBytes(32).toString('base64');

describe('webhook delivery', () => {
  let db: TestDatabase;
  let clock: FakeClock;
  let app: Webhooks;
  const receivers: Receiver[] = [];
  const apps: Webhooks[] = [];

  const appWith = (env: Record<string, string> = {}): Webhooks => {
    const created = createWebhooks(db.database, clock, testConfig({ ...REACHING, ...env }));
    apps.push(created);
    return created;
  };
  const receive = async (options: Parameters<typeof startReceiver>[0] = {}): Promise<Receiver> => {
    const receiver = await startReceiver(options);
    receivers.push(receiver);
    return receiver;
  };
  const endpointAt = async (
    url: string,
    more: Partial<NewEndpoint> = {},
    from = app,
  ): Promise<{ id: string; secret: string }> => {
    const input = { url, types: ['invoice.paid'] as MessageType[], description: '', ...more };
    const { endpoint, secret } = await from.endpoints.create(input);
    return { id: endpoint.id, secret };
  };
  const publish = async (type: MessageType = 'invoice.paid'): Promise<PublishedMessage> =>
    await db.database.transaction(
      async () => await app.webhooks.publish(exampleContent(type, clock.now())),
    );
  const deliveriesOf = async (endpointId: string): Promise<readonly WebhookDelivery[]> => {
    const filter = { endpointId, messageId: undefined, state: undefined };
    return (await app.reader.listDeliveries(filter, 200, null)).items.toReversed();
  };
  const statesOf = async (endpointId: string): Promise<string[]> =>
    (await deliveriesOf(endpointId)).map(({ state }) => state);
  const attemptsOf = async (id: string | undefined): Promise<readonly unknown[]> =>
    (await app.reader.listAttempts(id!, 100, null)).items;
  const messagesOf = async (prefix: string): Promise<Record<string, unknown>[]> =>
    (await app.reader.listMessages(200, null)).items
      .filter(({ type }) => type.startsWith(prefix))
      .map(({ type, body }) => ({ type, ...(JSON.parse(body) as { data: object }).data }))
      .toReversed();

  beforeEach(async () => {
    db = await createTestDatabase();
    clock = new FakeClock('2026-11-03T10:00:00.000Z');
    app = appWith();
  });

  afterEach(async () => {
    await Promise.all(receivers.splice(0).map(async (receiver) => await receiver.close()));
    await Promise.all(apps.splice(0).map(async (one) => await one.close()));
    await db.drop();
  });

  describe('secrets', () => {
    const stored = async (): Promise<string> =>
      JSON.stringify(await db.database.query('SELECT * FROM webhook_endpoints'));

    it('are stored sealed, headers too, and opened for sending only', async () => {
      const receiver = await receive({
        answer: ({ headers }) => ({ body: `you sent ${String(headers['authorization'])}` }),
      });
      const sealing = appWith({ METERLINE_SECRET_KEYS: newKey() });
      const headers = { Authorization: 'Bearer of-the-gateway' };
      const { id, secret } = await endpointAt(receiver.url, { headers }, sealing);
      expect(await stored()).not.toContain(secret);
      expect(await stored()).not.toContain('of-the-gateway');
      const { deliveryIds } = await publish();
      await sealing.deliverDue();
      const [request] = receiver.requests;
      expect(request!.headers['authorization']).toBe('Bearer of-the-gateway');
      const signed = request!.headers['webhook-signature'];
      const { messageId } = (await deliveriesOf(id))[0]!;
      expect(new Webhook(secret).sign(messageId, clock.now(), request!.body)).toBe(signed);
      expect(await attemptsOf(deliveryIds[0])).toMatchObject([
        { outcome: 'succeeded', response: 'you sent [redacted]' },
      ]);
    });

    it('are sealed anew when a key is set, or put in front of the one before', async () => {
      const receiver = await receive();
      const headers = { 'x-token': 'of-the-gateway' };
      const { secret } = await endpointAt(receiver.url, { headers });
      expect(await stored()).toContain(secret);
      const [first, second] = [newKey(), newKey()];
      for (const keys of [first, `${second},${first}`, second]) {
        const sealing = appWith({ METERLINE_SECRET_KEYS: keys });
        expect((await sealing.secrets.sealAnew()).unreadable).toEqual([]);
        expect((await sealing.secrets.sealAnew()).sealed).toBe(0);
        expect(await stored()).not.toMatch(new RegExp(`whsec_|of-the-gateway`));
        await publish();
        expect(await sealing.deliverDue()).toMatchObject([{ state: 'succeeded' }]);
      }
    });

    it('that no key opens fail deliveries, and blame no endpoint', async () => {
      const receiver = await receive();
      const sealing = appWith({ METERLINE_SECRET_KEYS: newKey() });
      const { id } = await endpointAt(receiver.url, {}, sealing);
      const { deliveryIds } = await publish();
      const forgetful = appWith({ METERLINE_SECRET_KEYS: newKey() });
      expect(await forgetful.secrets.sealAnew()).toEqual({ sealed: 0, unreadable: [id] });
      await forgetful.deliverDue();
      expect(receiver.requests).toEqual([]);
      expect(await attemptsOf(deliveryIds[0])).toMatchObject([
        { outcome: 'failed', error: 'sealed' },
      ]);
      expect((await app.reader.getEndpoint(id)).health.failing).toBeNull();
      clock.advance(10_000);
      expect(await sealing.deliverDue()).toMatchObject([{ state: 'succeeded' }]);
    });

    it('overlap after a rotation: receivers verify with either, and then with the new one only', async () => {
      clock.set(new Date());
      const receiver = await receive();
      const { id, secret: old } = await endpointAt(receiver.url);
      const { secret, previousUntil } = await app.endpoints.rotateSecret(id, 3_600);
      expect(previousUntil).toEqual(new Date(clock.now().getTime() + 3_600_000));
      await expect(app.endpoints.rotateSecret(id, 1)).rejects.toMatchObject({
        code: 'rotation_under_way',
      });
      await publish();
      await app.deliverDue();
      const verify = (key: string, index: number): unknown[] => {
        const { body, headers } = receiver.requests[index]!;
        const given = headers as Record<string, string>;
        return [new Webhook(key).verify(body, given), new SvixWebhook(key).verify(body, given)];
      };
      const told = expect.objectContaining({ type: 'invoice.paid' });
      expect([...verify(old, 0), ...verify(secret, 0)]).toEqual([told, told, told, told]);
      expect(String(receiver.requests[0]!.headers['webhook-signature']).split(' ')).toHaveLength(2);
      // Ended now, since it got out.
      const last = await app.endpoints.rotateSecret(id, 0);
      await publish();
      await app.deliverDue();
      expect(verify(last.secret, 1)).toEqual([told, told]);
      expect(() => verify(secret, 1)).toThrow('No matching signature found');
      expect(() => verify(old, 1)).toThrow('No matching signature found');
    });

    it('of v1a are verified by a public key, also beside one of v1 while that overlaps', async () => {
      clock.set(new Date());
      const receiver = await receive();
      const sealing = appWith({ METERLINE_SECRET_KEYS: newKey() });
      const { id, secret: old } = await endpointAt(receiver.url, {}, sealing);
      expect(await sealing.keys.publicKeys(id)).toEqual([]);
      const { publicKey, previousUntil } = await sealing.endpoints.rotateSecret(id, 60, 'v1a');
      const send = async (): Promise<{ headers: Record<string, string>; body: string }> => {
        await publish();
        await sealing.deliverDue();
        const { headers, body } = receiver.requests.at(-1)!;
        return { headers: headers as Record<string, string>, body };
      };
      const both = await send();
      expect(isSignedBy(publicKey!, both.headers, both.body)).toBe(true);
      for (const library of [new Webhook(old), new SvixWebhook(old)]) {
        expect(library.verify(both.body, both.headers)).toMatchObject({ type: 'invoice.paid' });
      }
      expect(await sealing.keys.publicKeys(id)).toEqual([{ text: publicKey, until: null }]);
      clock.set(previousUntil!);
      // Of the kind of the one before, since nothing is said of it.
      const next = await sealing.endpoints.rotateSecret(id, 60);
      expect(await sealing.keys.publicKeys(id)).toEqual([
        { text: next.publicKey, until: null },
        { text: publicKey, until: next.previousUntil },
      ]);
      const asymmetric = await send();
      for (const key of [publicKey!, next.publicKey!]) {
        expect(isSignedBy(key, asymmetric.headers, asymmetric.body)).toBe(true);
      }
      expect(asymmetric.headers['webhook-signature']).toMatch(/^v1a,\S+ v1a,\S+$/);
      const forgetful = appWith({ METERLINE_SECRET_KEYS: newKey() });
      await expect(forgetful.endpoints.rotateSecret(id, 0)).rejects.toMatchObject({
        code: 'secret_unreadable',
      });
      expect((await forgetful.endpoints.rotateSecret(id, 0, 'v1')).publicKey).toBeNull();
    });

    it('are no longer signed with, nor kept, after the overlap', async () => {
      const receiver = await receive();
      const { id } = await endpointAt(receiver.url);
      await app.endpoints.rotateSecret(id, 60);
      clock.advance(60_000);
      await publish();
      await app.deliverDue();
      expect(receiver.requests[0]!.headers['webhook-signature']).not.toContain(' ');
      await app.secrets.sealAnew();
      expect((await app.reader.getEndpoint(id)).previousSecretUntil).toBeNull();
    });
  });

  describe('what a receiver wants', () => {
    it('nothing more: it is disabled, also by a success, and the others are told', async () => {
      const receiver = await receive({
        answer: () => ({ status: 200, headers: { 'webhook-delivery': 'disable' } }),
      });
      const { id } = await endpointAt(receiver.url);
      const { deliveryIds } = await publish();
      expect(await app.deliverDue()).toMatchObject([{ state: 'succeeded' }]);
      expect((await app.reader.getEndpoint(id)).disabled?.reason).toBe('receiver');
      expect(await messagesOf('webhook_endpoint')).toMatchObject([
        { type: 'webhook_endpoint.disabled', endpoint: id, reason: 'receiver' },
      ]);
      expect(await attemptsOf(deliveryIds[0])).toMatchObject([
        { address: '127.0.0.1', responseHeaders: { 'webhook-delivery': 'disable' } },
      ]);
    });

    it('not this one: it fails, and the next is sent', async () => {
      const receiver = await receive({
        answer: (_, index) =>
          index === 0 ? { status: 422, headers: { 'webhook-delivery': 'abort-message' } } : {},
      });
      const { id } = await endpointAt(receiver.url);
      await publish();
      await app.deliverDue();
      await publish();
      await app.deliverDue();
      expect(await statesOf(id)).toEqual(['failed', 'succeeded']);
    });

    it('less at once, and less a second', async () => {
      const { id: slow } = await endpointAt('https://127.0.0.1/1', {
        options: { maxConcurrency: 2 },
      });
      const { id: paced } = await endpointAt('https://127.0.0.1/2', {
        options: { maxConcurrency: 100, maxPerSecond: 4 },
      });
      for (let count = 0; count < 12; count += 1) {
        await publish();
      }
      const claimedOf = async (): Promise<[number, number]> => {
        const claimed = await app.deliveries.claim(100);
        return [slow, paced].map(
          (id) => claimed.filter(({ endpointId }) => endpointId === id).length,
        ) as [number, number];
      };
      const counts: [number, number][] = [];
      for (const ms of [0, 0, 250, 250, 1_000, 100, 5_000]) {
        clock.advance(ms);
        counts.push(await claimedOf());
      }
      expect(counts).toEqual([
        [2, 4],
        [0, 0],
        [0, 1],
        [0, 1],
        [0, 4],
        [0, 0],
        [0, 2],
      ]);
    });

    it('waits of its own', async () => {
      const receiver = await receive({ answer: () => ({ status: 500 }) });
      const { id } = await endpointAt(receiver.url, { options: { retryWaitsSeconds: [10] } });
      await publish();
      await app.deliverDue();
      clock.advance(7_999);
      expect(await app.deliverDue()).toEqual([]);
      clock.advance(4_001);
      expect(await app.deliverDue()).toMatchObject([{ state: 'failed' }]);
      expect(await statesOf(id)).toEqual(['failed']);
    });
  });

  describe('order', () => {
    const sent = (receiver: Receiver): number[] =>
      receiver.requests.map(({ body }) => (JSON.parse(body) as { sequence: number }).sequence);
    const ordered = { options: { isOrdered: true } } as const;

    it('is that of the sequence, one at a time; what fails holds up the rest and is shown', async () => {
      let isBroken = true;
      const receiver = await receive({
        answer: (_, index) => ({ status: index > 0 && isBroken ? 500 : 200 }),
      });
      const { id } = await endpointAt(receiver.url, ordered);
      const published = [await publish(), await publish(), await publish(), await publish()];
      const sequences = published.map(({ sequence }) => sequence);
      const both = await Promise.all([app.deliveries.claim(50), app.deliveries.claim(50)]);
      expect(both.flat()).toHaveLength(1);
      await app.deliveries.deliver(both.flat()[0]!);
      await app.deliverDue();
      expect(await app.deliverDue()).toEqual([]);
      expect(sent(receiver)).toEqual(sequences.slice(0, 2));
      expect((await app.reader.listEndpoints(1, null)).items[0]!.block).toMatchObject({
        deliveryId: published[1]!.deliveryIds[0],
        attemptCount: 1,
      });
      isBroken = false;
      clock.advance(10_000);
      for (let count = 0; count < 3; count += 1) {
        await app.deliverDue();
      }
      expect(sent(receiver)).toEqual([...sequences.slice(0, 2), ...sequences.slice(1)]);
      expect((await app.reader.listEndpoints(1, null)).items[0]!.block).toBeNull();
      expect(await statesOf(id)).toEqual(Array.from({ length: 4 }, () => 'succeeded'));
    });

    it('goes on when a person gives up what holds it', async () => {
      const receiver = await receive({
        answer: (_, index) => ({ status: index === 0 ? 500 : 200 }),
      });
      await endpointAt(receiver.url, ordered);
      const [first, second] = [await publish(), await publish()];
      await app.deliverDue();
      expect(await app.deliverDue()).toEqual([]);
      expect(await app.retries.giveUp(first.deliveryIds[0]!)).toMatchObject({ state: 'failed' });
      await expect(app.retries.giveUp(first.deliveryIds[0]!)).rejects.toMatchObject({
        code: 'not_pending',
      });
      await app.deliverDue();
      expect(sent(receiver)).toEqual([first.sequence, second.sequence]);
    });

    it('waits for who publishes a lower number and commits later, unless nobody wants order', async () => {
      const receiver = await receive();
      const { id } = await endpointAt(receiver.url, ordered);
      const { id: other } = await endpointAt('https://127.0.0.1/');
      let drawn = (): void => undefined;
      const hasDrawn = new Promise<void>((resolve) => (drawn = resolve));
      let finish = (): void => undefined;
      const finished = new Promise<void>((resolve) => (finish = resolve));
      const slow = db.database.transaction(async () => {
        await app.webhooks.publish(exampleContent('invoice.paid', clock.now()));
        drawn();
        await finished;
      });
      await hasDrawn;
      await publish();
      const claimed = await app.deliveries.claim(50);
      expect(claimed.map(({ endpointId }) => endpointId)).toEqual([other]);
      finish();
      await slow;
      await app.deliverDue();
      await app.deliverDue();
      expect(sent(receiver)).toEqual(sent(receiver).toSorted((one, two) => one - two));
      expect(await statesOf(id)).toEqual(['succeeded', 'succeeded']);
    });
  });

  describe('an endpoint that fails', () => {
    it('is left alone, then probed by one, and then sent all that waits', async () => {
      let isBroken = true;
      const receiver = await receive({ answer: () => ({ status: isBroken ? 500 : 200 }) });
      const { id } = await endpointAt(receiver.url);
      for (let count = 0; count < BREAKER_FAILURES + 5; count += 1) {
        await publish();
      }
      await app.deliverDue();
      await app.deliverDue();
      expect(receiver.requests).toHaveLength(BREAKER_FAILURES);
      expect((await app.reader.getEndpoint(id)).health).toMatchObject({
        failing: { count: BREAKER_FAILURES },
        heldUntil: new Date(clock.now().getTime() + 10_000),
      });
      expect(await app.deliverDue()).toEqual([]);
      clock.advance(10_000);
      expect(await app.deliverDue()).toHaveLength(1);
      expect(await app.deliverDue()).toEqual([]);
      clock.advance(20_000);
      isBroken = false;
      expect(await app.deliverDue()).toHaveLength(1);
      expect((await app.reader.getEndpoint(id)).health).toEqual({ failing: null, heldUntil: null });
      expect(await app.deliverDue()).toHaveLength(5);
    });

    it('is warned of to the others and disabled after five days, and starts anew when a person wants it', async () => {
      const broken = await receive({ answer: () => ({ status: 500 }) });
      const { id } = await endpointAt(broken.url);
      const watching = await receive();
      await endpointAt(watching.url, { types: ['webhook_endpoint.failing'] });
      for (let day = 0; day <= 10; day += 1) {
        await publish();
        await app.deliverDue();
        clock.advance(DAY_MS / 2);
      }
      const since = '2026-11-03T10:00:00.000Z';
      const failing = { type: 'webhook_endpoint.failing', endpoint: id, failing_since: since };
      expect(await messagesOf('webhook_endpoint')).toMatchObject([
        { ...failing, percent: 50, disables_at: '2026-11-08T10:00:00.000Z' },
        { ...failing, percent: 75 },
        { ...failing, percent: 90 },
        { type: 'webhook_endpoint.disabled', endpoint: id, reason: 'failing' },
      ]);
      expect(watching.requests).toHaveLength(3);
      expect((await app.reader.getEndpoint(id)).disabled?.reason).toBe('failing');
      const again = await app.endpoints.update(id, { isDisabled: false });
      expect(again).toMatchObject({
        disabled: null,
        health: { failing: null, heldUntil: clock.now() },
        missedFrom: new Date('2026-11-08T10:00:00.000Z'),
      });
    });

    it('is left alone as long as it asks to be', async () => {
      const headers = { 'retry-after': '120' };
      const receiver = await receive({
        answer: (_, index) => (index === 0 ? { status: 429, headers } : {}),
      });
      await endpointAt(receiver.url);
      await publish();
      await app.deliverDue();
      await publish();
      clock.advance(119_999);
      expect(await app.deliverDue()).toEqual([]);
      clock.advance(1);
      expect(await app.deliverDue()).toHaveLength(1);
    });
  });

  describe('what is kept of attempts', () => {
    const refuseAttempts = async (when: string): Promise<void> => {
      await db.database.query(
        `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
         AS $$ BEGIN RAISE EXCEPTION 'the log is broken'; END $$`,
      );
      await db.database.query(
        `CREATE TRIGGER refuse BEFORE INSERT ON webhook_attempts FOR EACH ROW ${when} EXECUTE FUNCTION refuse()`,
      );
    };

    it('never decides whether a delivery is repeated', async () => {
      const receiver = await receive();
      const { id } = await endpointAt(receiver.url);
      await refuseAttempts('');
      await publish();
      await publish();
      const results = await app.deliverDue();
      expect(results.map(({ state }) => state)).toEqual(['succeeded', 'succeeded']);
      clock.advance(DAY_MS);
      expect(await app.deliverDue()).toEqual([]);
      expect(receiver.requests).toHaveLength(2);
      expect(await statesOf(id)).toEqual(['succeeded', 'succeeded']);
    });

    it('is kept without what cannot be stored, and spoils no other', async () => {
      const receiver = await receive({
        answer: (_, index) => ({ body: index === 0 ? 'bad' : 'ok' }),
      });
      await endpointAt(receiver.url);
      await refuseAttempts(`WHEN (NEW.response = 'bad')`);
      const published = [await publish(), await publish()];
      await app.deliverDue();
      const attempts = await Promise.all(
        published.map(async ({ deliveryIds }) => await attemptsOf(deliveryIds[0])),
      );
      const responses = attempts.flat().map((one) => (one as { response: string | null }).response);
      expect(new Set(responses)).toEqual(new Set(['ok', null]));
    });
  });

  it('signals what was queued once it is committed, and not when it was rolled back', async () => {
    const signals: number[] = [];
    let queued = 0;
    app.messages.onQueued(() => signals.push(queued));
    const content = exampleContent('invoice.paid', clock.now());
    // Of what nobody wants there is nothing to send.
    await db.database.transaction(async () => await app.webhooks.publish(content));
    expect(signals).toEqual([]);
    await endpointAt((await receive()).url);
    await db.database.transaction(async () => {
      await app.webhooks.publish(content);
      queued += 1;
      expect(signals).toEqual([]);
    });
    const rolledBack = db.database.transaction(async () => {
      await app.webhooks.publish(content);
      throw new Error('not after all');
    });
    await expect(rolledBack).rejects.toThrow('after all');
    expect(signals).toEqual([1]);
  });

  it('asks nobody about a URL inside a transaction', async () => {
    const inside = db.database.transaction(async () => await endpointAt('https://127.0.0.1/'));
    await expect(inside).rejects.toThrow('inside a transaction');
  });

  it('reaches 500 healthy endpoints while one is dead, one hangs and one flaps', async () => {
    const healthy = await receive();
    const dead = await startReceiver();
    await dead.close();
    const hanging = await receive({ answer: () => 'hang' });
    const flapping = await receive({ answer: (_, index) => ({ status: index % 2 ? 200 : 503 }) });
    const bad = [dead, hanging, flapping];
    const badIds: string[] = [];
    for (const { url } of bad) {
      badIds.push((await endpointAt(url, { types: ['invoice.voided'] })).id);
    }
    // A backlog that is older than anything that the healthy are sent.
    for (let count = 0; count < 60; count += 1) {
      await publish('invoice.voided');
    }
    clock.advance(1_000);
    await db.database.query(
      `INSERT INTO webhook_endpoints (id, url, types, description, secret, created_at)
       SELECT 'we_' || lpad(n::text, 26, '0'), $1 || '/' || n, '{invoice.paid}', '', 'whsec_AAAA', now()
       FROM generate_series(1, 500) n`,
      [healthy.url],
    );
    await publish();
    await publish();
    const calls: Promise<unknown>[] = [];
    // As the worker does: claims whatever there is place for, and waits for no call.
    for (let left = 1_000; left > 0;) {
      const claimed = await app.deliveries.claim(100);
      expect(claimed.length).toBeGreaterThan(0);
      left -= claimed.filter(({ endpointId }) => !badIds.includes(endpointId)).length;
      const sending = claimed.map(async (one) => await app.deliveries.deliver(one));
      calls.push(...sending);
      await Promise.race(sending);
    }
    await healthy.arrived(1_000);
    const [row] = await db.database.query<{ pending: number }>(
      `SELECT count(*)::integer AS pending FROM webhook_deliveries
       WHERE state IN ('pending', 'sending') AND endpoint_id = $1`,
      [badIds[0]],
    );
    expect(row!.pending).toBe(60);
    expect(new Set(healthy.requests.map(({ path }) => path)).size).toBe(500);
    await hanging.close();
    await Promise.all(calls);
  });
});
