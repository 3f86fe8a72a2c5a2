/*
 * Aim: what a claim costs follows what it takes, and not what waits, or who waits. Method: the real database,
 * whose own figures tell which rows were read.
 */
import { exampleContent } from '../../src/webhooks/webhook-message.js';
import { addEndpoints, queueDeliveries } from '../bench/webhooks/queue.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { FakeClock } from '../support/fake-clock.js';
import { createWebhooks, type Webhooks } from '../support/webhooks.js';

const ENDPOINTS = 500;

describe('a claim of webhook deliveries', () => {
  let db: TestDatabase;
  let clock: FakeClock;
  let app: Webhooks;

  const fill = async (prefix: string, endpoints: number, count: number): Promise<void> => {
    await addEndpoints(db.url, { prefix, url: 'https://192.0.2.1', count: endpoints });
    await queueDeliveries(db.url, { prefix, count });
  };
  const idOf = (prefix: string, number: number): string =>
    `we_${prefix}${String(number).padStart(25, '0')}`;
  const dueIds = async (quickLimit: number, slow: readonly string[] = []): Promise<string[]> =>
    (await app.deliveries.dueEndpoints(quickLimit, slow)).map(({ id }) => id);

  beforeEach(async () => {
    db = await createTestDatabase();
    clock = new FakeClock(new Date(Date.now() + 60_000).toISOString());
    app = createWebhooks(db.database, clock);
  });

  afterEach(async () => {
    await app.close();
    await db.drop();
  });

  it('reads no rows but of those that it takes, whatever else waits', async () => {
    await fill('a', ENDPOINTS, 5_000);
    await fill('b', 1, 5_000);
    const claims = 6;
    for (const taken of [20, 200]) {
      // In one transaction, so that the figures are of these claims and PostgreSQL comes to a plan for any of them.
      const read = await db.database.transaction(async () => {
        for (let claim = 0; claim < claims; claim += 1) {
          expect(await app.deliveries.claim(taken)).toHaveLength(taken);
        }
        return await db.database.query<{ relname: string; all: number; some: number }>(
          `SELECT relname, seq_tup_read::integer AS all, idx_tup_fetch::integer AS some
           FROM pg_stat_xact_user_tables
           WHERE relname IN ('webhook_deliveries', 'webhook_messages')
           ORDER BY relname`,
        );
      });
      expect(read.map(({ relname, all }) => [relname, all])).toEqual([
        ['webhook_deliveries', 0],
        ['webhook_messages', 0],
      ]);
      // Where it walks along, what is picked, what is updated, and who has how many under way.
      expect(read[0]!.some).toBeLessThan(claims * taken * 15);
    }
  });

  it('is not begun for those whose places are all taken, or who may have no more this second', async () => {
    await fill('a', 2, 20);
    await db.database.query(`UPDATE webhook_endpoints SET max_per_second = 3 WHERE id = $1`, [
      idOf('a', 2),
    ]);
    expect(await app.deliveries.claim(100)).toHaveLength(5 + 3);
    expect(await dueIds(100)).toEqual([]);
    expect(await dueIds(100, [idOf('a', 1), idOf('a', 2)])).toEqual([]);
    clock.advance(1_000);
    expect(await dueIds(100)).toEqual([idOf('a', 2)]);
  });

  it('goes round those who wait, beside all that are failing or slow', async () => {
    await fill('a', 7, 7);
    await db.database.query(
      `UPDATE webhook_endpoints SET failing_since = now(), last_failed_at = now(), failure_count = 1
       WHERE id = $1`,
      [idOf('a', 3)],
    );
    const slow = [idOf('a', 6)];
    const bad = [idOf('a', 3), idOf('a', 6)];
    const rounds: string[][] = [];
    for (let round = 0; round < 4; round += 1) {
      const ids = await dueIds(2, slow);
      expect(ids.filter((id) => bad.includes(id)).toSorted()).toEqual(bad);
      rounds.push(ids.filter((id) => !bad.includes(id)));
    }
    const numbers = [
      [1, 2],
      [4, 5],
      [7, 1],
      [2, 4],
    ];
    expect(rounds).toEqual(numbers.map((two) => two.map((number) => idOf('a', number))));
    expect((await dueIds(0, slow)).toSorted()).toEqual(bad);
    expect(await dueIds(100)).toHaveLength(7);
  });

  it('goes on beside an endpoint that is full, one after the other as its places are freed', async () => {
    await fill('a', 1, 6);
    const claimed = await app.deliveries.claim(100);
    expect(claimed).toHaveLength(5);
    await db.database.transaction(
      async () =>
        await app.webhooks.publishTo(idOf('a', 1), exampleContent('invoice.paid', clock.now())),
    );
    expect(await dueIds(100)).toEqual([]);
    await app.deliveries.deliver(claimed[0]!);
    clock.advance(60_000);
    expect(await dueIds(100)).toEqual([idOf('a', 1)]);
  });

  it.each([
    [false, 'off'],
    [true, 'on'],
  ])('waits for the disk only where order counts: %p', async (isOrdered, expected) => {
    await fill('a', 2, 2);
    await db.database.query('UPDATE webhook_endpoints SET is_ordered = $2 WHERE id = $1', [
      idOf('a', 2),
      isOrdered,
    ]);
    const [row] = await db.database.transaction(async () => {
      await db.database.query(`SET LOCAL synchronous_commit = 'on'`);
      expect(await app.deliveries.claim(100)).toHaveLength(2);
      return await db.database.query<{ setting: string }>(
        `SELECT current_setting('synchronous_commit') AS setting`,
      );
    });
    expect(row!.setting).toBe(expected);
  });
});
