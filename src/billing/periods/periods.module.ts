import { Module } from '@nestjs/common';
import { CustomersModule } from '../../customers/customers.module.js';
import { EventsModule } from '../../events/events.module.js';
import { MetersModule } from '../../meters/meters.module.js';
import { PricingModule } from '../../pricing/pricing.module.js';
import { SourcesModule } from '../../sources/sources.module.js';
import { StripeModule } from '../../stripe/stripe.module.js';
import { UsageModule } from '../../usage/usage.module.js';
import { WebhooksModule } from '../../webhooks/webhooks.module.js';
import { DraftQueueModule } from '../drafts/draft-queue.module.js';
import { AdjustingService } from '../late-usage/adjusting.service.js';
import { ApartBillingService } from '../late-usage/apart.service.js';
import { EndedBillingService } from '../late-usage/ended.service.js';
import { LateUsageController } from '../late-usage/late-usage.controller.js';
import { LateUsageReader } from '../late-usage/late-usage.reader.js';
import { LateUsageService } from '../late-usage/late-usage.service.js';
import { LateUsageStore } from '../late-usage/late-usage.store.js';
import { LateUsageWorker } from '../late-usage/late-usage.worker.js';
import { RefreshingService } from '../late-usage/refreshing.service.js';
import { LateUsageScanService } from '../late-usage/scan.service.js';
import { WatchStore } from '../late-usage/watch.store.js';
import { ChecksService } from '../gate/checks.service.js';
import { CollectorChecksService } from '../gate/collector-checks.service.js';
import { GateService } from '../gate/gate.service.js';
import { HoldsService } from '../gate/holds.service.js';
import { HoldsStore } from '../gate/holds.store.js';
import { ReleasesService } from '../gate/releases.service.js';
import { InvoicesModule } from '../invoices/invoices.module.js';
import { LedgerModule } from '../ledger/ledger.module.js';
import { ClosingService } from './closing.service.js';
import { CustomerUsageController } from './customer-usage.controller.js';
import { CustomerUsageService } from './customer-usage.service.js';
import { EarlyBillingService } from './early-billing.service.js';
import { FeesService } from './fees.service.js';
import { InvoicePreviewService } from './invoice-preview.service.js';
import { PeriodBillingService } from './period-billing.service.js';
import { PeriodChargesService } from './period-charges.service.js';
import { PeriodEntryService } from './period-entry.service.js';
import { PeriodsController } from './periods.controller.js';
import { PeriodsReader } from './periods.reader.js';
import { PeriodsService } from './periods.service.js';
import { PeriodsStore } from './periods.store.js';
import { PeriodsWorker } from './periods.worker.js';
import { RatingService } from './rating.service.js';
import { SupposingService } from './supposing.service.js';

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
    DraftQueueModule,
  ],
  controllers: [PeriodsController, CustomerUsageController, LateUsageController],
  providers: [
    PeriodsStore,
    PeriodsService,
    RatingService,
    LateUsageStore,
    WatchStore,
    LateUsageScanService,
    AdjustingService,
    ApartBillingService,
    EndedBillingService,
    LateUsageService,
    RefreshingService,
    LateUsageReader,
    LateUsageWorker,
    PeriodChargesService,
    PeriodEntryService,
    PeriodBillingService,
    EarlyBillingService,
    FeesService,
    ChecksService,
    CollectorChecksService,
    HoldsStore,
    HoldsService,
    GateService,
    ClosingService,
    ReleasesService,
    SupposingService,
    InvoicePreviewService,
    CustomerUsageService,
    PeriodsReader,
    PeriodsWorker,
  ],
  exports: [
    PeriodsService,
    InvoicePreviewService,
    PeriodsReader,
    RatingService,
    EarlyBillingService,
    LateUsageReader,
  ],
})
export class PeriodsModule {}
