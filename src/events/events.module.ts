import { Module } from '@nestjs/common';
import { EventsController } from './events.controller.js';
import { EventsReader } from './events.reader.js';
import { EventsService } from './events.service.js';
import { EventsStore } from './events.store.js';
import { IngestQueue } from './ingest-queue.js';
import { IngestStore } from './ingest.store.js';

@Module({
  controllers: [EventsController],
  providers: [EventsStore, IngestStore, IngestQueue, EventsService, EventsReader],
  exports: [EventsReader, EventsService],
})
export class EventsModule {}
