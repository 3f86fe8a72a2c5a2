import { Module } from '@nestjs/common';
import { EventsModule } from '../events/events.module.js';
import { AccessModule } from '../platform/access/access.module.js';
import { SourceCredentials } from './source-credentials.js';
import { SourceEventsController } from './source-events.controller.js';
import { SourceIngestService } from './source-ingest.service.js';
import { SourceTokensController } from './source-tokens.controller.js';
import { SourcesController } from './sources.controller.js';
import { SourcesService } from './sources.service.js';
import { SourcesStore } from './sources.store.js';

@Module({
  imports: [AccessModule, EventsModule],
  controllers: [SourcesController, SourceTokensController, SourceEventsController],
  providers: [SourcesStore, SourcesService, SourceCredentials, SourceIngestService],
})
export class SourcesModule {}
