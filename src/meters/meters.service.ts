import { Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { notFound } from '../kernel/errors.js';
import { newId } from '../kernel/ids.js';
import { type Meter } from './meter.js';
import { MetersStore } from './meters.store.js';

export type NewMeter = Omit<Meter, 'id' | 'number' | 'createdAt'>;

@Injectable()
export class MetersService {
  constructor(
    private readonly store: MetersStore,
    private readonly clock: Clock,
  ) {}

  /** A new meter. Metering finds it by itself and counts what was stored before, too. */
  async create(input: NewMeter): Promise<Meter> {
    return await this.store.insert({ ...input, id: newId('mtr'), createdAt: this.clock.now() });
  }

  /** Changes what may change: the name and the description; null leaves them. */
  async describe(idOrKey: string, name: string | null, description: string | null): Promise<Meter> {
    const meter = await this.store.describe(idOrKey, name, description);
    if (meter === null) {
      throw notFound('meter', idOrKey);
    }
    return meter;
  }

  /**
   * Ends a meter: usage from this instant on is not its. To be called by who counts for it, since what
   * was counted of a later time must go; the first instant stays.
   *
   * @throws DomainError not_found
   */
  async archive(id: string, at: Date): Promise<Meter> {
    const meter = await this.store.archive(id, at);
    if (meter === null) {
      throw notFound('meter', id);
    }
    return meter;
  }
}
