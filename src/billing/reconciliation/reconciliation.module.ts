import { Module } from '@nestjs/common';
import { StripeModule } from '../../stripe/stripe.module.js';
import { WebhooksModule } from '../../webhooks/webhooks.module.js';
import { InvoicesModule } from '../invoices/invoices.module.js';
import { LedgerModule } from '../ledger/ledger.module.js';
import { SyncQueueModule } from '../sync/sync-queue.module.js';
import { SyncModule } from '../sync/sync.module.js';
import { AcceptancesStore } from './acceptances.store.js';
import { AcceptingService } from './accepting.service.js';
import { DifferencesStore } from './differences.store.js';
import { LedgerSideStore } from './ledger-side.store.js';
import { LookingService } from './looking.service.js';
import { ProgressService } from './progress.service.js';
import { RebillingService } from './rebilling.service.js';
import { RecheckingService } from './rechecking.service.js';
import { ReconcilingService } from './reconciling.service.js';
import { ReconcilingWorker } from './reconciling.worker.js';
import { ReconciliationsController } from './reconciliations.controller.js';
import { ReconciliationsService } from './reconciliations.service.js';
import { ReconciliationsStore } from './reconciliations.store.js';
import { RepairStepsService } from './repair-steps.service.js';
import { RepairsService } from './repairs.service.js';
import { SightingsStore } from './sightings.store.js';
import { ComparingService } from './comparing.service.js';
import { ListingService } from './listing.service.js';
import { UnplacedLinesService } from './unplaced-lines.service.js';

@Module({
  imports: [
    StripeModule,
    WebhooksModule,
    LedgerModule,
    InvoicesModule,
    SyncModule,
    SyncQueueModule,
  ],
  controllers: [ReconciliationsController],
  providers: [
    ReconciliationsStore,
    SightingsStore,
    DifferencesStore,
    AcceptancesStore,
    AcceptingService,
    LedgerSideStore,
    LookingService,
    ProgressService,
    ListingService,
    ComparingService,
    RecheckingService,
    UnplacedLinesService,
    ReconcilingService,
    ReconciliationsService,
    RebillingService,
    RepairStepsService,
    RepairsService,
    ReconcilingWorker,
  ],
})
export class ReconciliationModule {}
