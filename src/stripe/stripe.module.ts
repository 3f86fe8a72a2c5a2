import { Module } from '@nestjs/common';
import { AccountClient } from './account.client.js';
import { AccountService } from './account.service.js';
import { EventPollService } from './event-poll.service.js';
import { EventPollStore } from './event-poll.store.js';
import { EventPollWorker } from './event-poll.worker.js';
import { ProviderEventsController } from './provider-events.controller.js';
import { ProviderEventsReader } from './provider-events.reader.js';
import { ProviderEventsService } from './provider-events.service.js';
import { ProviderEventsStore } from './provider-events.store.js';
import { StripeWebhooksController } from './stripe-webhooks.controller.js';
import { StripeClient } from './stripe.client.js';
import { StripeService } from './stripe.service.js';

@Module({
  controllers: [StripeWebhooksController, ProviderEventsController],
  providers: [
    StripeClient,
    StripeService,
    AccountClient,
    AccountService,
    ProviderEventsStore,
    ProviderEventsService,
    ProviderEventsReader,
    EventPollStore,
    EventPollService,
    EventPollWorker,
  ],
  exports: [StripeService, AccountService, ProviderEventsService, ProviderEventsReader],
})
export class StripeModule {}
