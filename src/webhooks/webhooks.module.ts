import { Module } from '@nestjs/common';
import { ClaimsStore } from './deliveries/claims.store.js';
import { DeliveriesController } from './deliveries/deliveries.controller.js';
import { DeliveriesService } from './deliveries/deliveries.service.js';
import { DeliveriesStore } from './deliveries/deliveries.store.js';
import { DeliveriesWorker } from './deliveries/deliveries.worker.js';
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
import { SecretsService } from './endpoints/secrets.service.js';
import { SecretsStore } from './endpoints/secrets.store.js';
import { SecretsWorker } from './endpoints/secrets.worker.js';
import { MessagesController } from './messages.controller.js';
import { MessagesStore } from './messages.store.js';
import { WebhooksReader } from './webhooks.reader.js';
import { WebhooksService } from './webhooks.service.js';

@Module({
  controllers: [EndpointsController, MessagesController, DeliveriesController],
  providers: [
    EndpointsStore,
    EndpointsService,
    HealthStore,
    SecretsStore,
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
    RetriesService,
    WebhooksService,
    WebhooksReader,
  ],
  exports: [WebhooksService, WebhooksReader],
})
export class WebhooksModule {}
