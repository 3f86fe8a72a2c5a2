import { Module } from '@nestjs/common';
import { CustomersModule } from '../customers/customers.module.js';
import { EventsModule } from '../events/events.module.js';
import { MetersModule } from '../meters/meters.module.js';
import { WebhooksModule } from '../webhooks/webhooks.module.js';
import { ArrivalsReader } from './arrivals.reader.js';
import { ArrivalsStore } from './arrivals.store.js';
import { BatchesStore } from './batches.store.js';
import { UsageChangesReader } from './changes/changes.reader.js';
import { ChangesStore } from './changes/changes.store.js';
import { MovementsStore } from './changes/movements.store.js';
import { ContributionsStore } from './changes/contributions.store.js';
import { RemakesReader } from './changes/remakes.reader.js';
import { RemakesStore } from './changes/remakes.store.js';
import { CountedEventsStore } from './counted/counted-events.store.js';
import { CountedUsageService } from './counted/counted-usage.service.js';
import { ExportController } from './export/export.controller.js';
import { ExportService } from './export/export.service.js';
import { FailingMetersStore } from './failing/failing-meters.store.js';
import { MeterFoldingService } from './failing/meter-folding.service.js';
import { FoldService } from './fold.service.js';
import { FoldWorker } from './fold.worker.js';
import { DaysService } from './days/days.service.js';
import { DaysStore } from './days/days.store.js';
import { DaysWorker } from './days/days.worker.js';
import { OwnedEventsService } from './owned-events.service.js';
import { QuarantineController } from './quarantine.controller.js';
import { QuarantineService } from './quarantine.service.js';
import { QuarantineStore } from './quarantine.store.js';
import { RollupStore } from './rollup.store.js';
import { UnattributedService } from './unattributed.service.js';
import { UnattributedStore } from './unattributed.store.js';
import { UncountedController } from './uncounted.controller.js';
import { UsageController } from './usage.controller.js';
import { UsageReader } from './usage.reader.js';
import { UsageService } from './usage.service.js';
import { UsageStore } from './usage.store.js';
import { UsageLevelReader } from './level/usage-level.reader.js';
import { UsageLevelStore } from './level/usage-level.store.js';
import { PreviewStore } from './previews/preview.store.js';
import { PreviewsController } from './previews/previews.controller.js';
import { PreviewsService } from './previews/previews.service.js';
import { ArchivingService } from './upkeep/archiving.service.js';
import { ChecksController } from './upkeep/checks.controller.js';
import { ChecksService } from './upkeep/checks.service.js';
import { ChecksStore } from './upkeep/checks.store.js';
import { ChecksWorker } from './upkeep/checks.worker.js';
import { HistoryService } from './upkeep/history.service.js';
import { MeterStateController } from './upkeep/meter-state.controller.js';
import { RebuildsController } from './upkeep/rebuilds.controller.js';
import { RebuildsService } from './upkeep/rebuilds.service.js';
import { RebuildsStore } from './upkeep/rebuilds.store.js';
import { RebuildsWorker } from './upkeep/rebuilds.worker.js';
import { RemakingService } from './upkeep/remaking.service.js';

@Module({
  imports: [CustomersModule, EventsModule, MetersModule, WebhooksModule],
  controllers: [
    UsageController,
    UncountedController,
    QuarantineController,
    RebuildsController,
    ChecksController,
    MeterStateController,
    PreviewsController,
    ExportController,
  ],
  providers: [
    BatchesStore,
    RollupStore,
    FailingMetersStore,
    MeterFoldingService,
    FoldService,
    FoldWorker,
    MovementsStore,
    ChangesStore,
    ContributionsStore,
    UsageChangesReader,
    RemakesStore,
    RemakesReader,
    DaysStore,
    DaysService,
    DaysWorker,
    UsageStore,
    UnattributedService,
    UnattributedStore,
    QuarantineStore,
    QuarantineService,
    RemakingService,
    RebuildsStore,
    RebuildsService,
    RebuildsWorker,
    ArchivingService,
    HistoryService,
    PreviewStore,
    PreviewsService,
    ChecksStore,
    ChecksService,
    ChecksWorker,
    UsageReader,
    ArrivalsStore,
    ArrivalsReader,
    UsageLevelStore,
    UsageLevelReader,
    UsageService,
    ExportService,
    OwnedEventsService,
    CountedEventsStore,
    CountedUsageService,
  ],
  exports: [
    ArrivalsReader,
    CountedUsageService,
    RemakesReader,
    UsageChangesReader,
    UsageLevelReader,
    UsageReader,
  ],
})
export class UsageModule {}
