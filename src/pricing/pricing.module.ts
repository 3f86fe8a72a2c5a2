import { Module } from '@nestjs/common';
import { MetersModule } from '../meters/meters.module.js';
import { PlansController } from './plans.controller.js';
import { PlansReader } from './plans.reader.js';
import { PlansService } from './plans.service.js';
import { PlansStore } from './plans.store.js';

@Module({
  imports: [MetersModule],
  controllers: [PlansController],
  providers: [PlansStore, PlansService, PlansReader],
  exports: [PlansService, PlansReader],
})
export class PricingModule {}
