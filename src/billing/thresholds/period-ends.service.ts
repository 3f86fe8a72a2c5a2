/* Lets go whom a level suspended until the end of a billing period, when that period ends sooner. */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { PeriodsService } from '../periods/periods.service.js';
import { SuspensionsService } from '../standing/suspensions.service.js';

@Injectable()
export class PeriodEndsService {
  constructor(periods: PeriodsService, suspensions: SuspensionsService, clock: Clock) {
    periods.onCut(async (cut) => {
      await suspensions.endWith(cut, clock.now());
    });
  }
}
