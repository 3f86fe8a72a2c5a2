import { Module } from '@nestjs/common';
import { LedgerModule } from '../ledger/ledger.module.js';
import { DraftQueueService } from './draft-queue.service.js';
import { DraftQueuesStore } from './draft-queues.store.js';
import { StripeDraftsStore } from './stripe-drafts.store.js';

@Module({
  imports: [LedgerModule],
  providers: [DraftQueuesStore, StripeDraftsStore, DraftQueueService],
  exports: [DraftQueueService],
})
export class DraftQueueModule {}
