import { Module } from '@nestjs/common';
import { CustomersModule } from '../../customers/customers.module.js';
import { MetersModule } from '../../meters/meters.module.js';
import { StripeModule } from '../../stripe/stripe.module.js';
import { UsageModule } from '../../usage/usage.module.js';
import { WebhooksModule } from '../../webhooks/webhooks.module.js';
import { SyncModule } from '../sync/sync.module.js';
import { ErrorReportsService } from './error-reports.service.js';
import { ErrorReportsWorker } from './error-reports.worker.js';
import { EventPushService } from './event-push.service.js';
import { FailuresService } from './failures.service.js';
import { MeasuringService } from './measuring.service.js';
import { MeterEventListsStore } from './meter-event-lists.store.js';
import { MeterEventsController } from './meter-events.controller.js';
import { MeterEventsReader } from './meter-events.reader.js';
import { MeterEventsStore } from './meter-events.store.js';
import { MeterEventsWorker } from './meter-events.worker.js';
import { MeterLinksService } from './meter-links.service.js';
import { MeterLinksStore } from './meter-links.store.js';
import { QuantitiesService } from './quantities.service.js';
import { ReportEffectsService } from './report-effects.service.js';
import { SettlingService } from './settling.service.js';
import { StreamChecksService } from './stream-checks.service.js';
import { StreamRunsService } from './stream-runs.service.js';
import { StreamStepsService } from './stream-steps.service.js';
import { StreamsStore } from './streams.store.js';
import { StripeMetersController } from './stripe-meters.controller.js';

@Module({
  imports: [CustomersModule, MetersModule, UsageModule, StripeModule, SyncModule, WebhooksModule],
  controllers: [StripeMetersController, MeterEventsController],
  providers: [
    MeterLinksStore,
    MeterLinksService,
    StreamsStore,
    MeterEventsStore,
    MeterEventListsStore,
    QuantitiesService,
    MeasuringService,
    FailuresService,
    EventPushService,
    StreamChecksService,
    StreamStepsService,
    StreamRunsService,
    MeterEventsWorker,
    ReportEffectsService,
    ErrorReportsService,
    ErrorReportsWorker,
    SettlingService,
    MeterEventsReader,
  ],
})
export class MeterEventsModule {}
