import { Module } from '@nestjs/common';
import { CustomersController } from './customers.controller.js';
import { CustomersReader } from './customers.reader.js';
import { CustomersService } from './customers.service.js';
import { CustomersStore } from './customers.store.js';

@Module({
  controllers: [CustomersController],
  providers: [CustomersStore, CustomersService, CustomersReader],
  exports: [CustomersService, CustomersReader],
})
export class CustomersModule {}
