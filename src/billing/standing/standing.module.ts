import { Module } from '@nestjs/common';
import { CustomersModule } from '../../customers/customers.module.js';
import { WebhooksModule } from '../../webhooks/webhooks.module.js';
import { InvoicesModule } from '../invoices/invoices.module.js';
import { StandingService } from './standing.service.js';
import { StandingWorker } from './standing.worker.js';
import { StandingsController } from './standings.controller.js';
import { StandingsReader } from './standings.reader.js';
import { StandingsStore } from './standings.store.js';

@Module({
  imports: [CustomersModule, WebhooksModule, InvoicesModule],
  controllers: [StandingsController],
  providers: [StandingsStore, StandingService, StandingsReader, StandingWorker],
})
export class StandingModule {}
