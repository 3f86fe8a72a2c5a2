import { Module } from '@nestjs/common';
import { CorrectionsController } from './corrections.controller.js';
import { CorrectionsService } from './corrections.service.js';
import { CorrectionsStore } from './corrections.store.js';
import { EventsController } from './events.controller.js';
import { EventsReader } from './events.reader.js';
import { EventsService } from './events.service.js';
import { EventsStore } from './events.store.js';
import { IngestQueue } from './ingest-queue.js';
import { IngestStore } from './ingest.store.js';

@Module({
  controllers: [EventsController, CorrectionsController],
  providers: [
    EventsStore,
    IngestStore,
    IngestQueue,
    EventsService,
    EventsReader,
    CorrectionsStore,
    CorrectionsService,
  ],
  exports: [EventsReader, CorrectionsService],
})
export class EventsModule {}
