import { Module } from '@nestjs/common';
import { CustomersModule } from '../../customers/customers.module.js';
import { StripeModule } from '../../stripe/stripe.module.js';
import { LinksModule } from '../customer-links/links.module.js';
import { DraftQueueModule } from '../drafts/draft-queue.module.js';
import { DraftsModule } from '../drafts/drafts.module.js';
import { ExternalModule } from '../external/external.module.js';
import { InvoicesModule } from '../invoices/invoices.module.js';
import { LedgerModule } from '../ledger/ledger.module.js';
import { CallsService } from './calls.service.js';
import { DraftPushService } from './draft-push.service.js';
import { FinalizePushService } from './finalize-push.service.js';
import { ItemPushService } from './item-push.service.js';
import { LeasesService } from './leases.service.js';
import { LeasesStore } from './leases.store.js';
import { LinesPushService } from './lines-push.service.js';
import { LinkPushService } from './link-push.service.js';
import { PushStepsService } from './push-steps.service.js';
import { PushService } from './push.service.js';
import { RecordingService } from './recording.service.js';
import { RetryController } from './retry.controller.js';
import { RetryService } from './retry.service.js';
import { SyncWorker } from './sync.worker.js';
import { SyncsStore } from './syncs.store.js';

@Module({
  imports: [
    CustomersModule,
    StripeModule,
    LedgerModule,
    InvoicesModule,
    DraftQueueModule,
    DraftsModule,
    LinksModule,
    ExternalModule,
  ],
  controllers: [RetryController],
  providers: [
    SyncsStore,
    LeasesStore,
    DraftPushService,
    ItemPushService,
    CallsService,
    LinesPushService,
    LinkPushService,
    FinalizePushService,
    LeasesService,
    RecordingService,
    PushStepsService,
    PushService,
    RetryService,
    SyncWorker,
  ],
  exports: [LeasesService, RetryService],
})
export class SyncModule {}
