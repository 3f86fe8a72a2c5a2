import { Module } from '@nestjs/common';
import { MetersModule } from '../../meters/meters.module.js';
import { PricingModule } from '../../pricing/pricing.module.js';
import { UsageModule } from '../../usage/usage.module.js';
import { LedgerModule } from '../ledger/ledger.module.js';
import { PeriodsModule } from '../periods/periods.module.js';
import { BilledEventService } from './billed-event.service.js';
import { CountedLinesService } from './counted-lines.service.js';
import { ExplanationsController } from './explanations.controller.js';
import { ExplanationsService } from './explanations.service.js';
import { VerificationService } from './verification.service.js';

@Module({
  imports: [MetersModule, PricingModule, UsageModule, LedgerModule, PeriodsModule],
  controllers: [ExplanationsController],
  providers: [CountedLinesService, ExplanationsService, VerificationService, BilledEventService],
})
export class ExplanationsModule {}
