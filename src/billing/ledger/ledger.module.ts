import { Module } from '@nestjs/common';
import { CustomersModule } from '../../customers/customers.module.js';
import { PricingModule } from '../../pricing/pricing.module.js';
import { LedgerReader } from './ledger.reader.js';
import { LedgerService } from './ledger.service.js';
import { LedgerStore } from './ledger.store.js';
import { LineItemsController } from './line-items.controller.js';

@Module({
  imports: [CustomersModule, PricingModule],
  controllers: [LineItemsController],
  providers: [LedgerStore, LedgerService, LedgerReader],
  exports: [LedgerService, LedgerReader],
})
export class LedgerModule {}
