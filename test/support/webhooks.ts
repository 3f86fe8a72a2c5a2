import { type Config } from '../../src/platform/config.js';
import { type Database } from '../../src/platform/database/database.js';
import { Outage } from '../../src/platform/database/outage.js';
import { Metrics } from '../../src/platform/http/metrics.js';
import { AddressRules } from '../../src/platform/outbound/address-rules.js';
import { OutboundHttp } from '../../src/platform/outbound/outbound-http.js';
import { Sealer } from '../../src/platform/sealer.js';
import { ClaimsStore } from '../../src/webhooks/deliveries/claims.store.js';
import { DeliveriesService } from '../../src/webhooks/deliveries/deliveries.service.js';
import { DeliveriesStore } from '../../src/webhooks/deliveries/deliveries.store.js';
import { DeliveriesWorker } from '../../src/webhooks/deliveries/deliveries.worker.js';
import { DeliveryClient } from '../../src/webhooks/deliveries/delivery.client.js';
import { DeliveryFigures } from '../../src/webhooks/deliveries/delivery-figures.js';
import { FiguresStore } from '../../src/webhooks/deliveries/figures.store.js';
import { FollowUpService } from '../../src/webhooks/deliveries/follow-up.service.js';
import {
  type RecordedAttempt,
  RecordingService,
} from '../../src/webhooks/deliveries/recording.service.js';
import { RetriesService } from '../../src/webhooks/deliveries/retries.service.js';
import { EndpointsService } from '../../src/webhooks/endpoints/endpoints.service.js';
import { HealthStore } from '../../src/webhooks/endpoints/health.store.js';
import { KeysService } from '../../src/webhooks/endpoints/keys.service.js';
import { SecretsService } from '../../src/webhooks/endpoints/secrets.service.js';
import { SecretsStore } from '../../src/webhooks/endpoints/secrets.store.js';
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
import { silentLog, testConfig } from './config.js';
import { type Clock } from '../../src/kernel/clock.js';

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
  readonly secrets: SecretsService;
  readonly keys: KeysService;
  readonly messages: MessagesStore;
  /** From now on what is queued here is sent at once. To be ended by beforeApplicationShutdown. */
  startWorker(): DeliveriesWorker;
  /** Sweeps, claims what is due and delivers it, once. */
  deliverDue(): Promise<RecordedAttempt[]>;
  close(): Promise<void>;
}

/** The webhooks feature on a database, allowed to reach 127.0.0.0/8. */
export function createWebhooks(
  database: Database,
  clock: Clock,
  config: Config = testConfig({
    WEBHOOK_ALLOWED_CIDRS: '127.0.0.0/8',
  }),
): Webhooks {
  const outbound = new OutboundHttp(new AddressRules(config.webhooks.allowedCidrs), database);
  const endpointsStore = new EndpointsStore(database);
  const messagesStore = new MessagesStore(database);
  const deliveriesStore = new DeliveriesStore(database);
  const healthStore = new HealthStore(database);
  const sealer = new Sealer(config);
  const claims = new ClaimsStore(database);
  const client = new DeliveryClient(outbound, sealer, config);
  const webhooks = new WebhooksService(messagesStore, endpointsStore, database, clock);
  const followUp = new FollowUpService(healthStore, webhooks);
  const recording = new RecordingService(claims, followUp, database, clock, silentLog);
  const deliveries = new DeliveriesService(claims, client, recording, database, clock, config);
  const positions = new PositionsStore(database);
  const missedStore = new MissedStore(database);
  const reader = new WebhooksReader(endpointsStore, messagesStore, deliveriesStore);
  const secretsStore = new SecretsStore(database);
  const keys = new KeysService(secretsStore, sealer, clock);
  return {
    keys,
    startWorker: () =>
      new DeliveriesWorker(
        config,
        new Outage(database, silentLog),
        silentLog,
        deliveries,
        new DeliveryFigures(new Metrics(), new FiguresStore(database, clock)),
        messagesStore,
      ),
    endpoints: new EndpointsService(
      endpointsStore,
      healthStore,
      outbound,
      sealer,
      keys,
      database,
      clock,
    ),
    webhooks,
    secrets: new SecretsService(secretsStore, sealer, database, clock),
    messages: messagesStore,
    reader,
    deliveries,
    retries: new RetriesService(deliveriesStore, endpointsStore, healthStore, database, clock),
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
