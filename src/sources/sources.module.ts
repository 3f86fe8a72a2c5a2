import { Module } from '@nestjs/common';
import { EventsModule } from '../events/events.module.js';
import { AccessModule } from '../platform/access/access.module.js';
import { WebhooksModule } from '../webhooks/webhooks.module.js';
import { AnnouncedCountsStore } from './announced-counts.store.js';
import { ClientIntake } from './clients/client-intake.js';
import { LagoController } from './clients/lago.controller.js';
import { MoesifController, SourceMoesifController } from './clients/moesif.controller.js';
import { OpenMeterController } from './clients/openmeter.controller.js';
import { OtlpController, SourceOtlpController } from './clients/otlp.controller.js';
import { StripeAdjustmentsController } from './clients/stripe-adjustments.controller.js';
import { StripeMeterEventsController } from './clients/stripe-meter-events.controller.js';
import { StripeUnknownController } from './clients/stripe-unknown.controller.js';
import { CompletenessController } from './completeness.controller.js';
import { CompletenessService } from './completeness.service.js';
import { GapsService } from './gaps.service.js';
import { GapsWorker } from './gaps.worker.js';
import { OpenGapsReader } from './open-gaps/open-gaps.reader.js';
import { OpenGapsStore } from './open-gaps/open-gaps.store.js';
import { RejectionsService } from './rejections/rejections.service.js';
import { RejectionsWorker } from './rejections/rejections.worker.js';
import { SourceOutcomesStore } from './rejections/source-outcomes.store.js';
import { SequenceGapsService } from './sequences/sequence-gaps.service.js';
import { SequenceRetentionService } from './sequences/sequence-retention.service.js';
import { SequenceGapsStore } from './sequences/sequence-gaps.store.js';
import { SequencesService } from './sequences/sequences.service.js';
import { SequencesStore } from './sequences/sequences.store.js';
import { SilenceService } from './silence.service.js';
import { SilenceWorker } from './silence.worker.js';
import { SourceActivityStore } from './source-activity.store.js';
import { SourceCredentials } from './source-credentials.js';
import { SourceEventsController } from './source-events.controller.js';
import { SourceIngestService } from './source-ingest.service.js';
import { SourceTokensController } from './source-tokens.controller.js';
import { SourcesController } from './sources.controller.js';
import { SourcesService } from './sources.service.js';
import { SourcesStore } from './sources.store.js';

@Module({
  imports: [AccessModule, EventsModule, WebhooksModule],
  controllers: [
    SourcesController,
    SourceTokensController,
    SourceEventsController,
    SourceOtlpController,
    SourceMoesifController,
    OtlpController,
    MoesifController,
    OpenMeterController,
    LagoController,
    StripeMeterEventsController,
    StripeAdjustmentsController,
    StripeUnknownController,
    CompletenessController,
  ],
  providers: [
    SourcesStore,
    SourcesService,
    SourceCredentials,
    SourceIngestService,
    ClientIntake,
    AnnouncedCountsStore,
    CompletenessService,
    SourceActivityStore,
    SilenceService,
    SilenceWorker,
    SourceOutcomesStore,
    RejectionsService,
    RejectionsWorker,
    SequencesStore,
    SequenceGapsStore,
    SequencesService,
    SequenceGapsService,
    SequenceRetentionService,
    GapsService,
    GapsWorker,
    OpenGapsStore,
    OpenGapsReader,
  ],
  exports: [OpenGapsReader],
})
export class SourcesModule {}
