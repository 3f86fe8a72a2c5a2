import { Module } from '@nestjs/common';
import { CustomersModule } from '../../customers/customers.module.js';
import { PricingModule } from '../../pricing/pricing.module.js';
import { StripeModule } from '../../stripe/stripe.module.js';
import { LinksModule } from '../customer-links/links.module.js';
import { DraftQueueModule } from '../drafts/draft-queue.module.js';
import { PeriodsModule } from '../periods/periods.module.js';
import { SubscriptionEndpointController } from './endpoint.controller.js';
import { PartiesService } from './parties.service.js';
import { PlanChangesService } from './plan-changes.service.js';
import { PlanChangesStore } from './plan-changes.store.js';
import { StripeSubscriptionGuard } from './stripe-subscription.guard.js';
import { SubscriptionsController } from './subscriptions.controller.js';
import { SubscriptionsReader } from './subscriptions.reader.js';
import { SubscriptionsService } from './subscriptions.service.js';
import { SubscriptionsStore } from './subscriptions.store.js';

@Module({
  imports: [
    CustomersModule,
    PricingModule,
    StripeModule,
    PeriodsModule,
    DraftQueueModule,
    LinksModule,
  ],
  controllers: [SubscriptionsController, SubscriptionEndpointController],
  providers: [
    StripeSubscriptionGuard,
    PartiesService,
    SubscriptionsStore,
    PlanChangesStore,
    SubscriptionsService,
    PlanChangesService,
    SubscriptionsReader,
  ],
  exports: [SubscriptionsService, SubscriptionsReader],
})
export class SubscriptionsModule {}
