import { Module } from '@nestjs/common';
import { CustomersModule } from '../../customers/customers.module.js';
import { WebhooksModule } from '../../webhooks/webhooks.module.js';
import { InvoicesModule } from '../invoices/invoices.module.js';
import { AccessController } from './access.controller.js';
import { AccessReader } from './access.reader.js';
import { AccessStore } from './access.store.js';
import { StandingService } from './standing.service.js';
import { StandingWorker } from './standing.worker.js';
import { StandingsController } from './standings.controller.js';
import { StandingsReader } from './standings.reader.js';
import { StandingsStore } from './standings.store.js';
import { SuspensionsService } from './suspensions.service.js';
import { SuspensionsStore } from './suspensions.store.js';

@Module({
  imports: [CustomersModule, WebhooksModule, InvoicesModule],
  controllers: [StandingsController, AccessController],
  providers: [
    StandingsStore,
    StandingService,
    StandingsReader,
    StandingWorker,
    SuspensionsStore,
    SuspensionsService,
    AccessStore,
    AccessReader,
  ],
  exports: [SuspensionsService],
})
export class StandingModule {}
