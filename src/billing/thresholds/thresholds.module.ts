import { Module } from '@nestjs/common';
import { CustomersModule } from '../../customers/customers.module.js';
import { EventsModule } from '../../events/events.module.js';
import { MetersModule } from '../../meters/meters.module.js';
import { PricingModule } from '../../pricing/pricing.module.js';
import { UsageModule } from '../../usage/usage.module.js';
import { WebhooksModule } from '../../webhooks/webhooks.module.js';
import { LedgerModule } from '../ledger/ledger.module.js';
import { PeriodsModule } from '../periods/periods.module.js';
import { StandingModule } from '../standing/standing.module.js';
import { AskingService } from './asking.service.js';
import { CalmService } from './calm.service.js';
import { CalmsStore } from './calms.store.js';
import { CrossingFinder } from './crossing-finder.service.js';
import { CrossingsReader } from './crossings.reader.js';
import { CrossingsStore } from './crossings.store.js';
import { DuesStore } from './dues.store.js';
import { FiringService } from './firing.service.js';
import { JudgementService } from './judgement.service.js';
import { JudgingService } from './judging.service.js';
import { LastEventService } from './last-event.service.js';
import { MeasuringService } from './measuring.service.js';
import { NoticingService } from './noticing.service.js';
import { PeriodEndsService } from './period-ends.service.js';
import { TargetsService } from './targets.service.js';
import { TellingService } from './telling.service.js';
import { ThresholdsController } from './thresholds.controller.js';
import { ThresholdsReader } from './thresholds.reader.js';
import { ThresholdsService } from './thresholds.service.js';
import { ThresholdsStore } from './thresholds.store.js';
import { ThresholdsWorker } from './thresholds.worker.js';

@Module({
  imports: [
    CustomersModule,
    EventsModule,
    MetersModule,
    PricingModule,
    UsageModule,
    WebhooksModule,
    LedgerModule,
    PeriodsModule,
    StandingModule,
  ],
  controllers: [ThresholdsController],
  providers: [
    ThresholdsStore,
    CrossingsStore,
    CalmsStore,
    CalmService,
    DuesStore,
    AskingService,
    ThresholdsService,
    ThresholdsReader,
    CrossingsReader,
    NoticingService,
    PeriodEndsService,
    TargetsService,
    MeasuringService,
    LastEventService,
    CrossingFinder,
    TellingService,
    FiringService,
    JudgementService,
    JudgingService,
    ThresholdsWorker,
  ],
})
export class ThresholdsModule {}
