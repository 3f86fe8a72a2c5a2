import { Module } from '@nestjs/common';
import { ClaimsStore } from './deliveries/claims.store.js';
import { DeliveriesController } from './deliveries/deliveries.controller.js';
import { DeliveriesService } from './deliveries/deliveries.service.js';
import { DeliveriesStore } from './deliveries/deliveries.store.js';
import { DeliveriesWorker } from './deliveries/deliveries.worker.js';
import { DeliveryClient } from './deliveries/delivery.client.js';
import { RetriesService } from './deliveries/retries.service.js';
import { EndpointsController } from './endpoints/endpoints.controller.js';
import { EndpointsService } from './endpoints/endpoints.service.js';
import { EndpointsStore } from './endpoints/endpoints.store.js';
import { MessagesController } from './messages.controller.js';
import { MessagesStore } from './messages.store.js';
import { WebhooksReader } from './webhooks.reader.js';
import { WebhooksService } from './webhooks.service.js';

@Module({
  controllers: [EndpointsController, MessagesController, DeliveriesController],
  providers: [
    EndpointsStore,
    EndpointsService,
    MessagesStore,
    DeliveriesStore,
    ClaimsStore,
    DeliveryClient,
    DeliveriesService,
    DeliveriesWorker,
    RetriesService,
    WebhooksService,
    WebhooksReader,
  ],
  exports: [WebhooksService, WebhooksReader, DeliveriesService],
})
export class WebhooksModule {}
