import { Module } from '@nestjs/common';
import { SyncQueueService } from './sync-queue.service.js';
import { SyncsStore } from './syncs.store.js';

/** The queue alone, which invoices fill; SyncModule works it off and knows invoices. */
@Module({ providers: [SyncsStore, SyncQueueService], exports: [SyncQueueService] })
export class SyncQueueModule {}
