import { Module } from '@nestjs/common';
import { InvoicesModule } from './invoices/invoices.module.js';
import { LedgerModule } from './ledger/ledger.module.js';
import { PeriodsModule } from './periods/periods.module.js';
import { ReconciliationModule } from './reconciliation/reconciliation.module.js';
import { SubscriptionsModule } from './subscriptions/subscriptions.module.js';
import { SyncModule } from './sync/sync.module.js';

@Module({
  imports: [
    LedgerModule,
    PeriodsModule,
    SubscriptionsModule,
    InvoicesModule,
    SyncModule,
    ReconciliationModule,
  ],
})
export class BillingModule {}
