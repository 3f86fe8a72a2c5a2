import { Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';

/** The machine's clock: the only place that reads it. */
@Injectable()
export class SystemClock extends Clock {
  override now(): Date {
    return new Date();
  }
}
