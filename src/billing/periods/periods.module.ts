import { Module } from '@nestjs/common';
import { CustomersModule } from '../../customers/customers.module.js';
import { EventsModule } from '../../events/events.module.js';
import { MetersModule } from '../../meters/meters.module.js';
import { PricingModule } from '../../pricing/pricing.module.js';
import { SourcesModule } from '../../sources/sources.module.js';
import { StripeModule } from '../../stripe/stripe.module.js';
import { UsageModule } from '../../usage/usage.module.js';
import { WebhooksModule } from '../../webhooks/webhooks.module.js';
import { ChecksService } from '../gate/checks.service.js';
import { GateService } from '../gate/gate.service.js';
import { HoldsService } from '../gate/holds.service.js';
import { HoldsStore } from '../gate/holds.store.js';
import { ReleasesService } from '../gate/releases.service.js';
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
    EventsModule,
    SourcesModule,
    StripeModule,
    WebhooksModule,
    LedgerModule,
    InvoicesModule,
  ],
  controllers: [PeriodsController, CustomerUsageController],
  providers: [
    PeriodsStore,
    PeriodsService,
    RatingService,
    PeriodBillingService,
    ChecksService,
    HoldsStore,
    HoldsService,
    GateService,
    ClosingService,
    ReleasesService,
    InvoicePreviewService,
    CustomerUsageService,
    PeriodsReader,
    PeriodsWorker,
  ],
  exports: [PeriodsService, InvoicePreviewService],
})
export class PeriodsModule {}
