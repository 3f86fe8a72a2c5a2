import { Module } from '@nestjs/common';
import { DraftsModule } from './drafts/drafts.module.js';
import { ExternalModule } from './external/external.module.js';
import { ExplanationsModule } from './explanations/explanations.module.js';
import { InvoicesModule } from './invoices/invoices.module.js';
import { LedgerModule } from './ledger/ledger.module.js';
import { PeriodsModule } from './periods/periods.module.js';
import { ReconciliationModule } from './reconciliation/reconciliation.module.js';
import { StandingModule } from './standing/standing.module.js';
import { SubscriptionsModule } from './subscriptions/subscriptions.module.js';
import { SyncModule } from './sync/sync.module.js';
import { UsageReportsModule } from './usage-reports/usage-reports.module.js';

@Module({
  imports: [
    LedgerModule,
    PeriodsModule,
    SubscriptionsModule,
    InvoicesModule,
    SyncModule,
    DraftsModule,
    ExternalModule,
    ExplanationsModule,
    StandingModule,
    ReconciliationModule,
    UsageReportsModule,
  ],
})
export class BillingModule {}
