import { type Config } from '../../src/platform/config.js';
import { type Database } from '../../src/platform/database/database.js';
import { AddressRules } from '../../src/platform/outbound/address-rules.js';
import { OutboundHttp } from '../../src/platform/outbound/outbound-http.js';
import { ClaimsStore } from '../../src/webhooks/deliveries/claims.store.js';
import {
  DeliveriesService,
  type RecordedAttempt,
} from '../../src/webhooks/deliveries/deliveries.service.js';
import { DeliveriesStore } from '../../src/webhooks/deliveries/deliveries.store.js';
import { DeliveryClient } from '../../src/webhooks/deliveries/delivery.client.js';
import { RetriesService } from '../../src/webhooks/deliveries/retries.service.js';
import { EndpointsService } from '../../src/webhooks/endpoints/endpoints.service.js';
import { EndpointsStore } from '../../src/webhooks/endpoints/endpoints.store.js';
import { FeedService } from '../../src/webhooks/messages/feed.service.js';
import { PositionsStore } from '../../src/webhooks/messages/positions.store.js';
import { MessagesStore } from '../../src/webhooks/messages.store.js';
import { MissedService } from '../../src/webhooks/replays/missed.service.js';
import { MissedStore } from '../../src/webhooks/replays/missed.store.js';
import { ReplaysService } from '../../src/webhooks/replays/replays.service.js';
import { ReplaysStore } from '../../src/webhooks/replays/replays.store.js';
import { RetentionService } from '../../src/webhooks/retention/retention.service.js';
import { RetentionStore } from '../../src/webhooks/retention/retention.store.js';
import { WebhooksReader } from '../../src/webhooks/webhooks.reader.js';
import { WebhooksService } from '../../src/webhooks/webhooks.service.js';
import { testConfig } from './config.js';
import { type FakeClock } from './fake-clock.js';

export interface Webhooks {
  readonly endpoints: EndpointsService;
  readonly webhooks: WebhooksService;
  readonly reader: WebhooksReader;
  readonly deliveries: DeliveriesService;
  readonly retries: RetriesService;
  readonly feed: FeedService;
  readonly replays: ReplaysService;
  readonly missed: MissedService;
  readonly retention: RetentionService;
  /** Sweeps, claims what is due and delivers it, once. */
  deliverDue(): Promise<RecordedAttempt[]>;
  close(): Promise<void>;
}

/** The webhooks feature on a database, allowed to reach 127.0.0.0/8. */
export function createWebhooks(
  database: Database,
  clock: FakeClock,
  config: Config = testConfig({
    WEBHOOK_ALLOWED_CIDRS: '127.0.0.0/8',
    WEBHOOK_TIMEOUT_MS: '1000',
  }),
): Webhooks {
  const outbound = new OutboundHttp(new AddressRules(config.webhooks.allowedCidrs), database);
  const endpointsStore = new EndpointsStore(database);
  const messagesStore = new MessagesStore(database);
  const deliveriesStore = new DeliveriesStore(database);
  const client = new DeliveryClient(outbound, config);
  const deliveries = new DeliveriesService(new ClaimsStore(database), client, database, clock);
  const positions = new PositionsStore(database);
  const missedStore = new MissedStore(database);
  const reader = new WebhooksReader(endpointsStore, messagesStore, deliveriesStore);
  return {
    endpoints: new EndpointsService(endpointsStore, outbound, database, clock),
    webhooks: new WebhooksService(messagesStore, endpointsStore, database, clock),
    reader,
    deliveries,
    retries: new RetriesService(deliveriesStore, endpointsStore, database, clock),
    feed: new FeedService(messagesStore, positions),
    replays: new ReplaysService(
      new ReplaysStore(database),
      missedStore,
      endpointsStore,
      positions,
      database,
      clock,
    ),
    missed: new MissedService(missedStore, reader),
    retention: new RetentionService(
      new RetentionStore(database),
      positions,
      database,
      clock,
      config,
    ),
    deliverDue: async () => {
      await deliveries.sweep();
      const claimed = await deliveries.claim(50);
      return await Promise.all(claimed.map(async (delivery) => await deliveries.deliver(delivery)));
    },
    close: async () => {
      await outbound.onApplicationShutdown();
    },
  };
}
