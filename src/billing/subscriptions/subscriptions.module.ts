import { Module } from '@nestjs/common';
import { CustomersModule } from '../../customers/customers.module.js';
import { PricingModule } from '../../pricing/pricing.module.js';
import { PeriodsModule } from '../periods/periods.module.js';
import { PlanChangesService } from './plan-changes.service.js';
import { PlanChangesStore } from './plan-changes.store.js';
import { SubscriptionsController } from './subscriptions.controller.js';
import { SubscriptionsReader } from './subscriptions.reader.js';
import { SubscriptionsService } from './subscriptions.service.js';
import { SubscriptionsStore } from './subscriptions.store.js';

@Module({
  imports: [CustomersModule, PricingModule, PeriodsModule],
  controllers: [SubscriptionsController],
  providers: [
    SubscriptionsStore,
    PlanChangesStore,
    SubscriptionsService,
    PlanChangesService,
    SubscriptionsReader,
  ],
  exports: [SubscriptionsService, SubscriptionsReader],
})
export class SubscriptionsModule {}
