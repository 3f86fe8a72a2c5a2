/*
 * Aim: a replay brings each message it is to bring exactly once, as fast as was asked for and no faster,
 * whoever dies in between; what an endpoint missed while it was disabled is known, to the last message.
 * Method: the real database and a real receiver, a clock that moves by hand; a crash is a step whose
 * transaction is cut off behind its last statement.
 */
import { exampleContent, type MessageType } from '../../src/webhooks/webhook-message.js';
import { type Replay, type ReplaySelection } from '../../src/webhooks/replays/replay.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { FakeClock } from '../support/fake-clock.js';
import { type Receiver, startReceiver } from '../support/webhook-receiver.js';
import { createWebhooks, type Webhooks } from '../support/webhooks.js';

const ALL: ReplaySelection = {
  scope: 'all',
  messageIds: null,
  types: [],
  customer: null,
  from: null,
  to: null,
};
const MISSING: ReplaySelection = { ...ALL, scope: 'undelivered' };

describe('replays', () => {
  let db: TestDatabase;
  let clock: FakeClock;
  let app: Webhooks;
  let receiver: Receiver;
  let status: number;

  beforeEach(async () => {
    db = await createTestDatabase();
    clock = new FakeClock('2026-11-03T10:00:00.000Z');
    app = createWebhooks(db.database, clock);
    status = 200;
    receiver = await startReceiver({ answer: () => ({ status }) });
  });

  afterEach(async () => {
    await receiver.close();
    await app.close();
    await db.drop();
  });

  const endpoint = async (types: MessageType[] = []): Promise<string> =>
    (await app.endpoints.create({ url: receiver.url, types, description: '' })).endpoint.id;
  const publish = async (type: MessageType = 'invoice.paid'): Promise<string> =>
    await db.database.transaction(
      async () => (await app.webhooks.publish(exampleContent(type, clock.now()))).id,
    );
  const ask = async (
    endpointId: string,
    selection: ReplaySelection = MISSING,
    perSecond = 100,
  ): Promise<Replay> => await app.replays.request({ endpointId, selection, perSecond }, 'key_1');
  const received = (): string[] =>
    receiver.requests.map(({ headers }) => String(headers['webhook-id']));
  /** Steps and delivers, a second at a time, until it is over. */
  const run = async (id: string): Promise<Replay> => {
    for (let second = 0; second < 50; second += 1) {
      while ((await app.replays.stepOnce()) > 0) {
        // What is due at once.
      }
      await app.deliverDue();
      const replay = await app.replays.get(id);
      if (replay.state !== 'running') {
        return replay;
      }
      clock.advance(1_000);
    }
    throw new Error('The replay does not end');
  };
  /** What a replay brings, in the order in which it queued it. */
  const brought = async (id: string): Promise<string[]> => {
    const filter = { endpointId: undefined, messageId: undefined, state: undefined, replayId: id };
    const { items } = await app.reader.listDeliveries(filter, 200, null);
    return items.map(({ messageId }) => messageId).toReversed();
  };

  it('bring what was published before the endpoint was there, as it was then, and only once', async () => {
    const ids = [await publish(), await publish('invoice.voided'), await publish()];
    const id = await endpoint();
    const replay = await run((await ask(id)).id);
    expect(replay).toMatchObject({
      state: 'completed',
      queuedCount: 3,
      progress: { totalCount: 3 },
    });
    expect(received().toSorted()).toEqual(ids.toSorted());
    const { items } = await app.reader.listMessages(10, null);
    expect(receiver.requests.map(({ body }) => body).toSorted()).toEqual(
      items.map(({ body }) => body).toSorted(),
    );
    const again = await run((await ask(id)).id);
    expect(again).toMatchObject({
      state: 'completed',
      queuedCount: 0,
      progress: { totalCount: 0 },
    });
  });

  it('recover what has failed and was not taken since, and leave the rest', async () => {
    const id = await endpoint();
    const before = await publish();
    await app.deliverDue();
    status = 410;
    const failed = [await publish(), await publish()];
    await app.deliverDue();
    status = 200;
    await app.endpoints.update(id, { isDisabled: false });
    const never = await endpoint(['invoice.voided']);
    expect(await brought((await run((await ask(id, { ...ALL, scope: 'failed' })).id)).id)).toEqual(
      failed,
    );
    expect(received()).toEqual(expect.arrayContaining([before, ...failed]));
    expect((await run((await ask(id, { ...ALL, scope: 'failed' })).id)).queuedCount).toBe(0);
    expect((await run((await ask(never, { ...ALL, scope: 'failed' })).id)).queuedCount).toBe(0);
    // Not that the endpoint was disabled, which was told as well.
    const all = await run((await ask(id, { ...ALL, types: ['invoice.paid'] })).id);
    expect(await brought(all.id)).toEqual([before, ...failed]);
  });

  it('show of what has failed that the endpoint has it all the same', async () => {
    const id = await endpoint(['invoice.paid']);
    status = 410;
    const failed = await publish();
    await app.deliverDue();
    status = 200;
    await app.endpoints.update(id, { isDisabled: false });
    const list = async (isRecovered?: boolean): Promise<unknown[]> => {
      const filter = { endpointId: id, messageId: failed, state: undefined, isRecovered };
      return [...(await app.reader.listDeliveries(filter, 10, null)).items].toReversed();
    };
    expect(await list()).toMatchObject([{ state: 'failed', recoveredBy: null }]);
    expect([await list(true), await list(false)]).toMatchObject([[], [{ state: 'failed' }]]);
    await run((await ask(id)).id);
    const [first, taken] = (await list()) as { id: string }[];
    expect(first).toMatchObject({ state: 'failed', recoveredBy: taken?.id });
    expect(taken).toMatchObject({ state: 'succeeded', recoveredBy: null });
    expect([await list(true), await list(false)]).toMatchObject([[{ state: 'failed' }], []]);
  });

  it('are kept as long as their deliveries, and one that is running always', async () => {
    const id = await endpoint();
    await publish();
    await app.deliverDue();
    const over = await run((await ask(id, ALL)).id);
    const days = async (count: number): Promise<void> => {
      clock.advance(count * 86_400_000);
      while ((await app.retention.deleteOnce()) > 0) {
        // A little at a time.
      }
    };
    await days(89);
    expect((await app.replays.get(over.id)).state).toBe('completed');
    await days(2);
    await expect(app.replays.get(over.id)).rejects.toMatchObject({ code: 'not_found' });
    const running = await ask(id);
    await days(400);
    expect((await app.replays.get(running.id)).state).toBe('running');
  });

  it('keep to ids, types, customer and time', async () => {
    const voided = await publish('invoice.voided');
    const silent = await publish('source.silent');
    clock.advance(1_000);
    const paid = await publish();
    const id = await endpoint(['invoice.paid', 'invoice.voided']);
    const [now, before] = [clock.now(), new Date(clock.now().getTime() - 1_000)];
    for (const [selection, expected] of [
      [{}, [voided, paid]],
      [{ types: ['source.silent'] }, [silent]],
      [{ messageIds: [silent, paid] }, [silent, paid]],
      [{ customer: 'other' }, []],
      [{ customer: 'acme', from: now }, [paid]],
      [{ from: before, to: now }, [voided]],
    ] as const) {
      const replay = await run((await ask(id, { ...ALL, ...selection })).id);
      expect([selection, await brought(replay.id)]).toEqual([selection, expected]);
    }
  });

  it('queue no more in a second than was asked for, and none while the endpoint is behind', async () => {
    for (let count = 0; count < 20; count += 1) {
      await publish();
    }
    const id = await endpoint();
    const replay = await ask(id, MISSING, 2);
    const queued: number[] = [];
    for (let second = 0; second < 8; second += 1) {
      expect(await app.replays.stepOnce()).toBe(1);
      expect(await app.replays.stepOnce()).toBe(0);
      queued.push((await app.replays.get(replay.id)).queuedCount);
      clock.advance(1_000);
    }
    expect(queued).toEqual([2, 4, 6, 8, 10, 10, 10, 10]);
    await app.deliverDue();
    await app.replays.stepOnce();
    expect((await app.replays.get(replay.id)).queuedCount).toBe(12);
    const done = await run(replay.id);
    expect(done.queuedCount).toBe(20);
    await app.deliverDue();
    expect(new Set(received()).size).toBe(20);
  });

  it('go on after a kill where they were, and bring nothing twice', async () => {
    const ids: string[] = [];
    for (let count = 0; count < 9; count += 1) {
      ids.push(await publish());
    }
    const id = await endpoint();
    const replay = await ask(id, MISSING, 2);
    for (let second = 0; second < 3; second += 1) {
      const killed = db.database.transaction(async () => {
        await app.replays.stepOnce();
        throw new Error('killed before it could commit');
      });
      await expect(killed).rejects.toThrow('killed');
      const other = createWebhooks(db.database, clock);
      expect(await other.replays.stepOnce()).toBe(1);
      await other.close();
      clock.advance(1_000);
    }
    expect((await app.replays.get(replay.id)).queuedCount).toBe(6);
    await run(replay.id);
    expect(await brought(replay.id)).toEqual(ids);
  });

  it('are stepped by one of any number of workers', async () => {
    for (let count = 0; count < 6; count += 1) {
      await publish();
    }
    const replay = await ask(await endpoint(), MISSING, 3);
    const steps = await Promise.all(
      Array.from({ length: 6 }, async () => await app.replays.stepOnce()),
    );
    expect(steps.reduce((sum, step) => sum + step, 0)).toBe(1);
    expect((await app.replays.get(replay.id)).queuedCount).toBe(3);
  });

  it('leave out what is under way to the endpoint, tests, and what is for another one', async () => {
    const id = await endpoint();
    const other = await endpoint(['invoice.voided']);
    await publish();
    await app.webhooks.sendTest(id);
    await db.database.query(`UPDATE webhook_messages SET endpoint_id = $1 WHERE NOT is_test`, [id]);
    expect(
      (await run((await ask(other, { ...ALL, types: ['invoice.paid'] })).id)).queuedCount,
    ).toBe(0);
    const pending = await publish();
    expect(await brought((await ask(id, ALL)).id)).toEqual([]);
    await app.replays.stepOnce();
    const [replay] = (await app.replays.list(1, null, id)).items;
    expect(await brought(replay!.id)).not.toContain(pending);
  });

  it('wait while the endpoint is disabled, end with it, and when somebody says so', async () => {
    await publish();
    const id = await endpoint();
    const replay = await ask(id);
    await expect(ask(id)).rejects.toMatchObject({ code: 'replay_running' });
    await app.endpoints.update(id, { isDisabled: true });
    expect(await app.replays.stepOnce()).toBe(1);
    expect(await app.replays.stepOnce()).toBe(0);
    expect(await app.replays.get(replay.id)).toMatchObject({ state: 'running', queuedCount: 0 });
    await expect(ask(id)).rejects.toMatchObject({ code: 'endpoint_disabled' });
    await app.endpoints.delete(id);
    clock.advance(30_000);
    await app.replays.stepOnce();
    expect((await app.replays.get(replay.id)).state).toBe('cancelled');
    await expect(app.replays.cancel(replay.id)).rejects.toMatchObject({ code: 'not_running' });
    const second = await ask(await endpoint());
    expect((await app.replays.cancel(second.id)).state).toBe('cancelled');
    expect(await app.replays.stepOnce()).toBe(0);
    await expect(ask('we_x')).rejects.toMatchObject({ code: 'not_found' });
    await expect(app.replays.get('rpl_x')).rejects.toMatchObject({ code: 'not_found' });
  });

  it('refuse ids of messages that the endpoint may not get', async () => {
    const id = await endpoint();
    await app.webhooks.sendTest(id);
    const [test] = (await app.reader.listMessages(1, null)).items;
    for (const messageIds of [['msg_unknown'], [await publish(), test!.id]]) {
      await expect(ask(id, { ...ALL, messageIds })).rejects.toMatchObject({
        errors: [{ field: 'messages', code: 'unknown_message' }],
      });
    }
  });

  describe('what an endpoint missed', () => {
    it('is known from when it was disabled until a replay has brought it', async () => {
      const id = await endpoint(['invoice.paid']);
      await publish();
      await app.deliverDue();
      clock.advance(1_000);
      const disabledAt = clock.now();
      await app.endpoints.update(id, { isDisabled: true });
      const missed = [await publish(), await publish()];
      await publish('invoice.voided');
      expect(await app.missed.get(id)).toEqual({ from: disabledAt, messageCount: 2 });
      clock.advance(1_000);
      expect((await app.endpoints.update(id, { isDisabled: false })).missedFrom).toEqual(
        disabledAt,
      );
      const after = await publish();
      await app.deliverDue();
      expect(await app.missed.get(id)).toEqual({ from: disabledAt, messageCount: 2 });
      const part = await run((await ask(id, { ...MISSING, from: clock.now() })).id);
      expect(part.queuedCount).toBe(0);
      expect((await app.reader.getEndpoint(id)).missedFrom).toEqual(disabledAt);
      const replay = await run((await ask(id, { ...MISSING, from: disabledAt })).id);
      expect(await brought(replay.id)).toEqual(missed);
      expect(received()).toEqual(expect.arrayContaining([...missed, after]));
      expect(await app.missed.get(id)).toEqual({ from: null, messageCount: 0 });
    });

    it('has no hole: enabling waits for whoever has published past it', async () => {
      const id = await endpoint();
      await app.endpoints.update(id, { isDisabled: true });
      let go = (): void => undefined;
      const started = new Promise<void>((resolve) => (go = resolve));
      let finish = (): void => undefined;
      const finished = new Promise<void>((resolve) => (finish = resolve));
      const publishing = db.database.transaction(async () => {
        const { id: messageId } = await app.webhooks.publish(
          exampleContent('invoice.paid', clock.now()),
        );
        go();
        await finished;
        return messageId;
      });
      await started;
      const seen = { isEnabled: false, waits: 0 };
      const enabling = app.endpoints.update(id, { isDisabled: false }).then(() => {
        seen.isEnabled = true;
      });
      while (seen.waits === 0 && !seen.isEnabled) {
        const rows = await db.database.query(
          `SELECT 1 FROM pg_stat_activity
           WHERE datname = current_database() AND wait_event_type = 'Lock'`,
        );
        seen.waits = rows.length;
      }
      expect(seen.isEnabled).toBe(false);
      finish();
      const missed = await publishing;
      await enabling;
      expect(await brought((await run((await ask(id)).id)).id)).toEqual([missed]);
    });
  });
});
