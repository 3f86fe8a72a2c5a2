import { Module } from '@nestjs/common';
import { CustomersModule } from '../../customers/customers.module.js';
import { WebhooksModule } from '../../webhooks/webhooks.module.js';
import { InvoicesModule } from '../invoices/invoices.module.js';
import { LedgerModule } from '../ledger/ledger.module.js';
import { AcknowledgingService } from './acknowledging.service.js';
import { ExternalLinesStore } from './external-lines.store.js';
import { HandingOverService } from './handing-over.service.js';
import { ProgressService } from './progress.service.js';
import { StateReportsController } from './state-reports.controller.js';
import { StateReportsService } from './state-reports.service.js';
import { UndeliveredService } from './undelivered.service.js';
import { UndeliveredWorker } from './undelivered.worker.js';

@Module({
  imports: [CustomersModule, WebhooksModule, LedgerModule, InvoicesModule],
  controllers: [StateReportsController],
  providers: [
    ExternalLinesStore,
    HandingOverService,
    AcknowledgingService,
    ProgressService,
    StateReportsService,
    UndeliveredService,
    UndeliveredWorker,
  ],
  exports: [UndeliveredService],
})
export class ExternalModule {}
