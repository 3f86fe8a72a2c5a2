import { Module } from '@nestjs/common';
import { CustomersController } from './customers.controller.js';
import { CustomersReader } from './customers.reader.js';
import { CustomersService } from './customers.service.js';
import { CustomersStore } from './customers.store.js';
import { SubjectChangesService } from './subject-changes.service.js';
import { SubjectChangesStore } from './subject-changes.store.js';

@Module({
  controllers: [CustomersController],
  providers: [
    CustomersStore,
    SubjectChangesStore,
    CustomersService,
    CustomersReader,
    SubjectChangesService,
  ],
  exports: [CustomersService, CustomersReader, SubjectChangesService],
})
export class CustomersModule {}
