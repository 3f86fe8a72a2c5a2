import { Module } from '@nestjs/common';
import { CustomersModule } from '../../customers/customers.module.js';
import { LinksController } from './links.controller.js';
import { LinksService } from './links.service.js';
import { LinksStore } from './links.store.js';

@Module({
  imports: [CustomersModule],
  controllers: [LinksController],
  providers: [LinksStore, LinksService],
  exports: [LinksService],
})
export class LinksModule {}
