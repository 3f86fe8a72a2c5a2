/*
 * Aim: whoever follows messages by the cursor gets each exactly once, however late it commits, and what
 * is deleted is never missed in silence; and nothing is deleted that is still to be delivered.
 * Method: real transactions that commit in another order than they published, a reader between any two
 * steps, by hand and at random; retention against a clock that moves by hand.
 */
import {
  ANY_MESSAGE as ANY,
  type MessageFilter,
} from '../../src/webhooks/messages/message-filter.js';
import { exampleContent, type MessageType } from '../../src/webhooks/webhook-message.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { FakeClock } from '../support/fake-clock.js';
import { startReceiver } from '../support/webhook-receiver.js';
import { createWebhooks, type Webhooks } from '../support/webhooks.js';

const DAY_MS = 86_400_000;

let db: TestDatabase;
let clock: FakeClock;
let app: Webhooks;

beforeEach(async () => {
  db = await createTestDatabase();
  clock = new FakeClock('2026-11-03T10:00:00.000Z');
  app = createWebhooks(db.database, clock);
});

afterEach(async () => {
  await app.close();
  await db.drop();
});

const publish = async (type: MessageType = 'invoice.paid'): Promise<string> =>
  await db.database.transaction(
    async () => (await app.webhooks.publish(exampleContent(type, clock.now()))).id,
  );

/** Publishes in a transaction that stays open until it is told to end. */
async function publishing(): Promise<{ id: string; end(isKept?: boolean): Promise<void> }> {
  let end: (isKept: boolean) => void = () => undefined;
  const ended = new Promise<boolean>((resolve) => (end = resolve));
  let tell: (id: string) => void = () => undefined;
  const published = new Promise<string>((resolve) => (tell = resolve));
  const transaction = db.database.transaction(async () => {
    tell((await app.webhooks.publish(exampleContent('invoice.paid', clock.now()))).id);
    if (!(await ended)) {
      throw new Error('rolled back');
    }
  });
  const settled = Promise.allSettled([transaction]);
  return {
    id: await published,
    end: async (isKept = true) => {
      end(isKept);
      await settled;
    },
  };
}

/** Somebody who follows, keeping the cursor and what came. */
class Follower {
  readonly ids: string[] = [];
  private cursor = 'start';

  constructor(private readonly limit = 100) {}

  async read(): Promise<string[]> {
    const page = await app.feed.follow(this.cursor, this.limit, ANY);
    this.cursor = page.nextCursor ?? 'none';
    const ids = page.items.map(({ id }) => id);
    this.ids.push(...ids);
    return ids;
  }
}

describe('following messages', () => {
  it('brings a message that commits late, though a later one was read before', async () => {
    const follower = new Follower();
    const early = await publishing();
    const late = await publish();
    expect(await follower.read()).toEqual([late]);
    expect(await follower.read()).toEqual([]);
    await early.end();
    expect(await follower.read()).toEqual([early.id]);
    expect(await follower.read()).toEqual([]);
  });

  it('does not wait for what is being published, and leaves out what is rolled back', async () => {
    const follower = new Follower();
    const open = await publishing();
    expect(await follower.read()).toEqual([]);
    await open.end(false);
    const next = await publish();
    expect(await follower.read()).toEqual([next]);
  });

  it('shows everybody one order, which never changes, each message once, whatever the order of commits', async () => {
    const followers = [new Follower(1), new Follower(3), new Follower()];
    const open: Awaited<ReturnType<typeof publishing>>[] = [];
    const kept: string[] = [];
    let seed = 7;
    const random = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return Math.floor((seed / 2 ** 31) * below);
    };
    for (let turn = 0; turn < 60; turn += 1) {
      const choice = random(4);
      if (choice === 0 && open.length < 4) {
        open.push(await publishing());
      } else if (choice === 1 && open.length > 0) {
        const [one] = open.splice(random(open.length), 1);
        const isKept = random(4) > 0;
        await one!.end(isKept);
        kept.push(...(isKept ? [one!.id] : []));
      } else if (choice === 2) {
        kept.push(await publish());
      } else {
        await Promise.all(followers.map(async (follower) => await follower.read()));
      }
    }
    await Promise.all(open.map(async (one) => await one.end(false)));
    for (const follower of followers) {
      while ((await follower.read()).length > 0) {
        // Until there is no more.
      }
      expect(follower.ids.toSorted()).toEqual(kept.toSorted());
      expect(follower.ids).toEqual(followers[0]!.ids);
    }
  });

  it('gives places once, however many read at the same moment', async () => {
    const ids = [];
    for (let count = 0; count < 20; count += 1) {
      ids.push(await publish());
    }
    const pages = await Promise.all(
      Array.from({ length: 8 }, async () => await app.feed.follow('start', 100, ANY)),
    );
    for (const page of pages) {
      expect(page.items.map(({ id }) => id)).toEqual(ids);
    }
  });

  it('keeps to type, customer and time, and does not look twice at what they leave out', async () => {
    const [, period] = [await publish('source.silent'), await publish('billing_period.closed')];
    clock.advance(1_000);
    const paid = await publish('invoice.paid');
    const follow = async (filter: Partial<MessageFilter>): Promise<unknown> => {
      const page = await app.feed.follow('start', 10, { ...ANY, ...filter });
      return page.items.map(({ id }) => id);
    };
    expect(await follow({ types: ['invoice.paid'] })).toEqual([paid]);
    expect(await follow({ customer: 'acme' })).toEqual([period, paid]);
    expect(await follow({ customer: 'other' })).toEqual([]);
    expect(await follow({ from: clock.now() })).toEqual([paid]);
    expect(await follow({ to: clock.now(), customer: 'acme' })).toEqual([period]);
    const none = await app.feed.follow('start', 10, { ...ANY, customer: 'other' });
    const rest = await app.feed.follow(none.nextCursor!, 10, ANY);
    expect(rest.items).toEqual([]);
  });

  it('leaves out tests', async () => {
    const { endpoint } = await app.endpoints.create({
      url: 'https://127.0.0.1/',
      types: [],
      description: '',
    });
    await app.webhooks.sendTest(endpoint.id, 'invoice.paid');
    const follower = new Follower();
    expect(await follower.read()).toEqual([]);
    const [test] = (await app.reader.listMessages(10, null)).items;
    expect(test).toMatchObject({ isTest: true, endpointId: endpoint.id, customer: null });
    expect(JSON.parse(test!.body)).toMatchObject({ type: 'invoice.paid', test: true });
  });

  it.each([
    '',
    'x',
    Buffer.from('["1"]').toString('base64url'),
    Buffer.from('["1","x"]').toString('base64url'),
  ])('refuses the cursor %j', async (cursor) => {
    await expect(app.feed.follow(cursor, 10, ANY)).rejects.toMatchObject({
      errors: [{ field: 'after', code: 'invalid_cursor' }],
    });
  });
});

describe('retention', () => {
  it('deletes messages after 90 days and attempts after 30, and says so to who was behind', async () => {
    const receiver = await startReceiver();
    await app.endpoints.create({ url: receiver.url, types: [], description: '' });
    const [behind, ahead] = [new Follower(1), new Follower()];
    const old = await publish();
    await publish();
    await app.deliverDue();
    await behind.read();
    await ahead.read();
    clock.advance(31 * DAY_MS);
    expect(await app.retention.deleteOnce()).toBe(2);
    expect((await app.feed.get(old)).deliveries).toEqual({ succeeded: 1 });
    clock.advance(60 * DAY_MS);
    const young = await publish();
    expect(await app.retention.deleteOnce()).toBe(2);
    expect(await app.retention.deleteOnce()).toBe(0);
    await expect(app.feed.get(old)).rejects.toMatchObject({ code: 'not_found' });
    await expect(behind.read()).rejects.toMatchObject({ code: 'cursor_expired' });
    expect(await ahead.read()).toEqual([young]);
    const fresh = new Follower(1);
    expect([await fresh.read(), await fresh.read()]).toEqual([[young], []]);
    expect(await db.database.query('SELECT 1 FROM webhook_deliveries')).toHaveLength(1);
    await receiver.close();
  });

  it('keeps what is still to be delivered, with its attempts, and does not stop at it', async () => {
    const receiver = await startReceiver({ answer: () => ({ status: 500 }) });
    const { endpoint } = await app.endpoints.create({
      url: receiver.url,
      types: ['invoice.paid'],
      description: '',
    });
    const waiting = await publish();
    const over = await publish('source.silent');
    await app.deliverDue();
    await app.endpoints.update(endpoint.id, { isDisabled: true });
    clock.advance(400 * DAY_MS);
    expect(await app.retention.deleteOnce()).toBe(1);
    await expect(app.feed.get(over)).rejects.toMatchObject({ code: 'not_found' });
    expect((await app.feed.get(waiting)).deliveries).toEqual({ pending: 1 });
    expect(await db.database.query('SELECT 1 FROM webhook_attempts')).toHaveLength(1);
    // Who begins now reads what was kept, though something behind it was deleted.
    const follower = new Follower(1);
    expect([await follower.read(), await follower.read()]).toEqual([[waiting], []]);
    await receiver.close();
  });

  it('keeps what a replay is going to look at', async () => {
    const { endpoint } = await app.endpoints.create({
      url: 'https://127.0.0.1/',
      types: ['invoice.voided'],
      description: '',
    });
    await publish();
    clock.advance(400 * DAY_MS);
    const selection = { ...ANY, scope: 'all', messageIds: null, types: ['invoice.paid'] } as const;
    const request = { endpointId: endpoint.id, selection, perSecond: 1 };
    const replay = await app.replays.request(request, 'key_1');
    expect(await app.retention.deleteOnce()).toBe(0);
    await app.replays.cancel(replay.id);
    expect(await app.retention.deleteOnce()).toBe(1);
  });
});
