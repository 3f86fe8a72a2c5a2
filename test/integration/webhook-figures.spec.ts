/*
 * Aim: the metrics of webhooks say what there is. Method: the real database, a real receiver, a clock that moves
 * by hand, and what /metrics would print.
 */
import { Metrics } from '../../src/platform/http/metrics.js';
import { DeliveryFigures } from '../../src/webhooks/deliveries/delivery-figures.js';
import { FiguresStore } from '../../src/webhooks/deliveries/figures.store.js';
import { exampleContent } from '../../src/webhooks/webhook-message.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { FakeClock } from '../support/fake-clock.js';
import { startReceiver } from '../support/webhook-receiver.js';
import { createWebhooks, type Webhooks } from '../support/webhooks.js';

describe('metrics of webhooks', () => {
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

  it('tell what is due, under way, taken after how long, and how endpoints fare', async () => {
    const metrics = new Metrics();
    const figures = new DeliveryFigures(metrics, new FiguresStore(db.database, clock));
    const shown = async (): Promise<Record<string, number>> => {
      const text = await metrics.registry.metrics();
      const lines = text.split('\n').filter((line) => /^meterline_webhook_[a-z_]+ /.test(line));
      return Object.fromEntries(
        lines.map((line) => {
          const [name = '', value] = line.replace('meterline_webhook_', '').split(' ');
          return [name, Number(value)];
        }),
      );
    };
    const well = await startReceiver();
    const busy = await startReceiver({ answer: () => ({ status: 503 }) });
    for (const { url } of [well, busy]) {
      await app.endpoints.create({ url, types: ['invoice.paid'], description: '' });
    }
    await db.database.transaction(
      async () => await app.webhooks.publish(exampleContent('invoice.paid', clock.now())),
    );
    clock.advance(4_000);
    const calm = { endpoints_failing: 0, endpoints_held: 0, endpoints_disabled: 0 };
    expect(await shown()).toMatchObject({ due: 2, oldest_due_seconds: 4, sending: 0, ...calm });
    const claimed = await app.deliveries.claim(50);
    expect(await shown()).toMatchObject({ due: 0, oldest_due_seconds: 0, sending: 2 });
    for (const recorded of await Promise.all(
      claimed.map(async (delivery) => await app.deliveries.deliver(delivery)),
    )) {
      figures.count(recorded);
    }
    expect(await shown()).toMatchObject({
      ...{ due: 0, sending: 0, endpoints_failing: 1, endpoints_held: 1, endpoints_disabled: 0 },
      ...{ delivery_seconds_count: 1, delivery_seconds_sum: 4, attempt_seconds_count: 2 },
    });
    await Promise.all([well.close(), busy.close()]);
  });
});
