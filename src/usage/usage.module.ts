import { Module } from '@nestjs/common';
import { CustomersModule } from '../customers/customers.module.js';
import { EventsModule } from '../events/events.module.js';
import { MetersModule } from '../meters/meters.module.js';
import { BatchesStore } from './batches.store.js';
import { FoldService } from './fold.service.js';
import { FoldWorker } from './fold.worker.js';
import { QuarantineController } from './quarantine.controller.js';
import { QuarantineService } from './quarantine.service.js';
import { QuarantineStore } from './quarantine.store.js';
import { RollupStore } from './rollup.store.js';
import { UnattributedStore } from './unattributed.store.js';
import { UncountedController } from './uncounted.controller.js';
import { UsageController } from './usage.controller.js';
import { UsageReader } from './usage.reader.js';
import { UsageService } from './usage.service.js';
import { UsageStore } from './usage.store.js';

@Module({
  imports: [CustomersModule, EventsModule, MetersModule],
  controllers: [UsageController, UncountedController, QuarantineController],
  providers: [
    BatchesStore,
    RollupStore,
    FoldService,
    FoldWorker,
    UsageStore,
    UnattributedStore,
    QuarantineStore,
    QuarantineService,
    UsageReader,
    UsageService,
  ],
  exports: [UsageReader],
})
export class UsageModule {}
