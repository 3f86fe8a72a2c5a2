/*
 * Aim: senders that die lose no message, and repeat one only under its own webhook-id. Method: two real
 * processes send; the receiver kills them as it has a request and has not answered it, which is the worst
 * moment: what was taken is not recorded. The clocks of their machines are ten minutes off, each to its side:
 * only if they go by the database's do their leases end in time, and none takes what another one holds.
 */
import { fileURLToPath } from 'node:url';
import { Webhook } from 'standardwebhooks';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { eventually, startService, type TestService } from '../support/service-process.js';
import { type Receiver, startReceiver } from '../support/webhook-receiver.js';

const MESSAGES = 40;
/** At which request which of the senders is killed. */
const KILLS: Readonly<Record<number, number>> = { 7: 0, 25: 1 };
/** So that leases end soon after their holders. */
const ENV = { WEBHOOK_ALLOWED_CIDRS: '127.0.0.0/8', WEBHOOK_TIMEOUT_MS: '3000' };
const SHIFTED_CLOCK = fileURLToPath(new URL('../support/shifted-clock.mjs', import.meta.url));
const SHIFT_MS = 600_000;

describe('senders of webhooks that are killed', () => {
  let db: TestDatabase;
  let receiver: Receiver;
  const senders: TestService[] = [];

  beforeEach(async () => {
    db = await createTestDatabase();
    receiver = await startReceiver({
      answer: (_, index) => {
        senders[KILLS[index] ?? -1]?.process.kill('SIGKILL');
        return {};
      },
    });
  });

  afterEach(async () => {
    await Promise.all(senders.map(async (sender) => await sender.kill('SIGKILL')));
    await receiver.close();
    await db.drop();
  });

  const startShifted = async (shiftMs: number): Promise<TestService> =>
    await startService(db.url, { ...ENV, CLOCK_SHIFT_MS: String(shiftMs) }, [
      `--import=${SHIFTED_CLOCK}`,
    ]);

  it('lose nothing, and repeat only what has the same id', async () => {
    const api = await startService(db.url, { ...ENV, METERLINE_ROLE: 'api' });
    senders.push(...(await Promise.all([startShifted(SHIFT_MS), startShifted(-SHIFT_MS)])));
    senders.push(api);
    const url = `/api/v1/webhook-endpoints`;
    const { body: endpoint } = await api.post(url, { url: receiver.url, max_concurrency: 20 });
    const queued = new Set<string>();
    for (let count = 0; count < MESSAGES; count += 1) {
      queued.add((await api.post(`${url}/${endpoint.id}/test`)).body.message);
    }
    await eventually(async () => await Promise.resolve(senders[1]!.process.signalCode !== null));
    // Nobody is left, and what the dead held is still leased to them.
    senders.push(await startService(db.url, ENV));
    await eventually(async () => {
      const rows = await db.database.query(
        `SELECT FROM webhook_deliveries WHERE state IN ('pending', 'sending')`,
      );
      return rows.length === 0;
    });
    expect(
      await db.database.query(`SELECT FROM webhook_deliveries WHERE state = 'failed'`),
    ).toEqual([]);
    const bodies = new Map<string, Set<string>>();
    for (const { headers, body } of receiver.requests) {
      new Webhook(endpoint.secret).verify(body, headers as Record<string, string>);
      const id = String(headers['webhook-id']);
      bodies.set(id, (bodies.get(id) ?? new Set()).add(body));
    }
    expect(new Set(bodies.keys())).toEqual(queued);
    expect([...bodies.values()].every(({ size }) => size === 1)).toBe(true);
    // What the second one had in its hands, at least; and nothing is repeated that was known to arrive.
    const repeated = receiver.requests.length - MESSAGES;
    const [attempts] = await db.database.query<{ lost: number; unproven: number }>(
      `SELECT count(*) FILTER (WHERE outcome = 'unknown')::integer AS lost,
         count(*) FILTER (WHERE outcome <> 'succeeded')::integer AS unproven
       FROM webhook_attempts`,
    );
    expect(attempts!.lost).toBeGreaterThanOrEqual(1);
    expect(repeated).toBeLessThanOrEqual(attempts!.unproven);
  });
});
