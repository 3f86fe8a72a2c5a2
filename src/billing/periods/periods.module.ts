import { Module } from '@nestjs/common';
import { CustomersModule } from '../../customers/customers.module.js';
import { MetersModule } from '../../meters/meters.module.js';
import { PricingModule } from '../../pricing/pricing.module.js';
import { UsageModule } from '../../usage/usage.module.js';
import { WebhooksModule } from '../../webhooks/webhooks.module.js';
import { DraftQueueModule } from '../drafts/draft-queue.module.js';
import { InvoicesModule } from '../invoices/invoices.module.js';
import { LedgerModule } from '../ledger/ledger.module.js';
import { ClosingService } from './closing.service.js';
import { CustomerUsageController } from './customer-usage.controller.js';
import { CustomerUsageService } from './customer-usage.service.js';
import { InvoicePreviewService } from './invoice-preview.service.js';
import { PeriodBillingService } from './period-billing.service.js';
import { PeriodsController } from './periods.controller.js';
import { PeriodsReader } from './periods.reader.js';
import { PeriodsService } from './periods.service.js';
import { PeriodsStore } from './periods.store.js';
import { PeriodsWorker } from './periods.worker.js';
import { RatingService } from './rating.service.js';

@Module({
  imports: [
    CustomersModule,
    MetersModule,
    PricingModule,
    UsageModule,
    WebhooksModule,
    LedgerModule,
    InvoicesModule,
    DraftQueueModule,
  ],
  controllers: [PeriodsController, CustomerUsageController],
  providers: [
    PeriodsStore,
    PeriodsService,
    RatingService,
    PeriodBillingService,
    ClosingService,
    InvoicePreviewService,
    CustomerUsageService,
    PeriodsReader,
    PeriodsWorker,
  ],
  exports: [PeriodsService, InvoicePreviewService],
})
export class PeriodsModule {}
