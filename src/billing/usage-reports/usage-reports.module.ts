import { Module } from '@nestjs/common';
import { CustomersModule } from '../../customers/customers.module.js';
import { MetersModule } from '../../meters/meters.module.js';
import { PricingModule } from '../../pricing/pricing.module.js';
import { WebhooksModule } from '../../webhooks/webhooks.module.js';
import { LedgerModule } from '../ledger/ledger.module.js';
import { PeriodsModule } from '../periods/periods.module.js';
import { PeriodTotalsService } from './period-totals.service.js';
import { ReportRunsStore } from './report-runs.store.js';
import { ReportingService } from './reporting.service.js';
import { UsageReportsController } from './usage-reports.controller.js';
import { UsageReportsService } from './usage-reports.service.js';
import { UsageReportsStore } from './usage-reports.store.js';
import { UsageReportsWorker } from './usage-reports.worker.js';

@Module({
  imports: [
    CustomersModule,
    MetersModule,
    PricingModule,
    WebhooksModule,
    LedgerModule,
    PeriodsModule,
  ],
  controllers: [UsageReportsController],
  providers: [
    UsageReportsStore,
    ReportRunsStore,
    PeriodTotalsService,
    ReportingService,
    UsageReportsService,
    UsageReportsWorker,
  ],
})
export class UsageReportsModule {}
