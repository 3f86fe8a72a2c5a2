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
import { OpenConflictsReader } from './open-conflicts.reader.js';
import { OpenConflictsStore } from './open-conflicts.store.js';
import { PutAsideController } from './put-aside.controller.js';
import { PutAsideStore } from './put-aside.store.js';
import { RepairsService } from './repairs.service.js';

@Module({
  controllers: [EventsController, CorrectionsController, PutAsideController],
  providers: [
    EventsStore,
    IngestStore,
    IngestQueue,
    EventsService,
    EventsReader,
    CorrectionsStore,
    CorrectionsService,
    PutAsideStore,
    RepairsService,
    OpenConflictsStore,
    OpenConflictsReader,
  ],
  exports: [EventsReader, EventsService, CorrectionsService, OpenConflictsReader],
})
export class EventsModule {}
