import { Module } from '@nestjs/common';
import { EventTypesController } from './catalogue/event-types.controller.js';
import { ClaimsStore } from './deliveries/claims.store.js';
import { DeliveriesController } from './deliveries/deliveries.controller.js';
import { DeliveriesService } from './deliveries/deliveries.service.js';
import { DeliveriesStore } from './deliveries/deliveries.store.js';
import { DeliveriesWorker } from './deliveries/deliveries.worker.js';
import { ElsewhereWorker } from './deliveries/elsewhere.worker.js';
import { DeliveryClient } from './deliveries/delivery.client.js';
import { DeliveryFigures } from './deliveries/delivery-figures.js';
import { FiguresStore } from './deliveries/figures.store.js';
import { FollowUpService } from './deliveries/follow-up.service.js';
import { RecordingService } from './deliveries/recording.service.js';
import { RetriesService } from './deliveries/retries.service.js';
import { EndpointsController } from './endpoints/endpoints.controller.js';
import { EndpointsService } from './endpoints/endpoints.service.js';
import { EndpointsStore } from './endpoints/endpoints.store.js';
import { HealthStore } from './endpoints/health.store.js';
import { KeysService } from './endpoints/keys.service.js';
import { SecretsService } from './endpoints/secrets.service.js';
import { SecretsStore } from './endpoints/secrets.store.js';
import { SecretsWorker } from './endpoints/secrets.worker.js';
import { FeedService } from './messages/feed.service.js';
import { MessagesController } from './messages/messages.controller.js';
import { PositionsStore } from './messages/positions.store.js';
import { MessagesStore } from './messages.store.js';
import { MissedService } from './replays/missed.service.js';
import { MissedStore } from './replays/missed.store.js';
import { ReplaysController } from './replays/replays.controller.js';
import { ReplaysService } from './replays/replays.service.js';
import { ReplaysStore } from './replays/replays.store.js';
import { ReplaysWorker } from './replays/replays.worker.js';
import { RetentionService } from './retention/retention.service.js';
import { RetentionStore } from './retention/retention.store.js';
import { RetentionWorker } from './retention/retention.worker.js';
import { WebhooksReader } from './webhooks.reader.js';
import { WebhooksService } from './webhooks.service.js';

@Module({
  controllers: [
    EndpointsController,
    EventTypesController,
    MessagesController,
    DeliveriesController,
    ReplaysController,
  ],
  providers: [
    EndpointsStore,
    EndpointsService,
    HealthStore,
    SecretsStore,
    KeysService,
    SecretsService,
    SecretsWorker,
    MessagesStore,
    DeliveriesStore,
    ClaimsStore,
    DeliveryClient,
    FiguresStore,
    DeliveryFigures,
    FollowUpService,
    RecordingService,
    DeliveriesService,
    DeliveriesWorker,
    ElsewhereWorker,
    RetriesService,
    WebhooksService,
    WebhooksReader,
    PositionsStore,
    FeedService,
    ReplaysStore,
    MissedStore,
    ReplaysService,
    MissedService,
    ReplaysWorker,
    RetentionStore,
    RetentionService,
    RetentionWorker,
  ],
  exports: [WebhooksService, WebhooksReader, RecordingService],
})
export class WebhooksModule {}
