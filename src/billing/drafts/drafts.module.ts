import { Module } from '@nestjs/common';
import { CustomersModule } from '../../customers/customers.module.js';
import { StripeModule } from '../../stripe/stripe.module.js';
import { WebhooksModule } from '../../webhooks/webhooks.module.js';
import { LinksModule } from '../customer-links/links.module.js';
import { InvoicesModule } from '../invoices/invoices.module.js';
import { LedgerModule } from '../ledger/ledger.module.js';
import { DraftQueueModule } from './draft-queue.module.js';
import { DraftQueuesStore } from './draft-queues.store.js';
import { DraftSightService } from './draft-sight.service.js';
import { DraftWarningsService } from './draft-warnings.service.js';
import { DraftWarningsWorker } from './draft-warnings.worker.js';
import { OwnInvoicesService } from './own-invoices.service.js';
import { PlacementsService } from './placements.service.js';
import { PlacingService } from './placing.service.js';
import { PlacingAgainWorker, PlacingWorker } from './placing.worker.js';
import { StripeDraftsStore } from './stripe-drafts.store.js';
import { UnplacedService } from './unplaced.service.js';

@Module({
  imports: [
    CustomersModule,
    StripeModule,
    WebhooksModule,
    LinksModule,
    LedgerModule,
    InvoicesModule,
    DraftQueueModule,
  ],
  providers: [
    DraftQueuesStore,
    StripeDraftsStore,
    OwnInvoicesService,
    DraftSightService,
    PlacementsService,
    PlacingService,
    DraftWarningsService,
    UnplacedService,
    PlacingWorker,
    PlacingAgainWorker,
    DraftWarningsWorker,
  ],
  exports: [UnplacedService],
})
export class DraftsModule {}
