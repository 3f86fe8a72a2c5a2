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
import { RateLimiterService } from './rate-limiter.service.js';
import { RateLimitsStore } from './rate-limits.store.js';
import { StripeWebhooksController } from './stripe-webhooks.controller.js';
import { StripeReachability } from './stripe-reachability.reader.js';
import { StripeCustomersClient } from './stripe-customers.client.js';
import { StripeMetersClient } from './stripe-meters.client.js';
import { StripeMetersService } from './stripe-meters.service.js';
import { StripeClient } from './stripe.client.js';
import { StripeService } from './stripe.service.js';
import { SubscriptionsClient } from './subscriptions.client.js';
import { StripeSubscriptionsService } from './subscriptions.service.js';

@Module({
  controllers: [StripeWebhooksController, ProviderEventsController],
  providers: [
    RateLimitsStore,
    RateLimiterService,
    StripeClient,
    StripeCustomersClient,
    StripeService,
    AccountClient,
    AccountService,
    SubscriptionsClient,
    StripeSubscriptionsService,
    StripeMetersClient,
    StripeMetersService,
    ProviderEventsStore,
    ProviderEventsService,
    ProviderEventsReader,
    EventPollStore,
    EventPollService,
    EventPollWorker,
    StripeReachability,
  ],
  exports: [
    StripeService,
    StripeSubscriptionsService,
    StripeMetersService,
    AccountService,
    ProviderEventsService,
    ProviderEventsReader,
    StripeReachability,
  ],
})
export class StripeModule {}
