import { Module } from '@nestjs/common';
import { CustomersModule } from '../../customers/customers.module.js';
import { StripeModule } from '../../stripe/stripe.module.js';
import { WebhooksModule } from '../../webhooks/webhooks.module.js';
import { DraftQueueModule } from '../drafts/draft-queue.module.js';
import { LedgerModule } from '../ledger/ledger.module.js';
import { SyncQueueModule } from '../sync/sync-queue.module.js';
import { DraftEventsService } from './draft-events.service.js';
import { FollowingService } from './following.service.js';
import { InvoiceEventsService } from './invoice-events.service.js';
import { InvoiceEventsWorker } from './invoice-events.worker.js';
import { InvoicesController } from './invoices.controller.js';
import { InvoicesReader } from './invoices.reader.js';
import { InvoicesService } from './invoices.service.js';
import { InvoicesStore } from './invoices.store.js';

@Module({
  imports: [
    CustomersModule,
    StripeModule,
    WebhooksModule,
    LedgerModule,
    SyncQueueModule,
    DraftQueueModule,
  ],
  controllers: [InvoicesController],
  providers: [
    InvoicesStore,
    InvoicesService,
    InvoicesReader,
    FollowingService,
    DraftEventsService,
    InvoiceEventsService,
    InvoiceEventsWorker,
  ],
  exports: [InvoicesService, InvoicesReader, FollowingService],
})
export class InvoicesModule {}
