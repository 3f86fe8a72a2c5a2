import { Module } from '@nestjs/common';
import { LedgerModule } from './ledger/ledger.module.js';
import { PeriodsModule } from './periods/periods.module.js';
import { SubscriptionsModule } from './subscriptions/subscriptions.module.js';

@Module({ imports: [LedgerModule, PeriodsModule, SubscriptionsModule] })
export class BillingModule {}
