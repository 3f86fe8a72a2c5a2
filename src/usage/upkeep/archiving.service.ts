/* Stops meters. What they counted stays, and goes on being corrected. */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { type Meter } from '../../meters/meter.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { MetersService } from '../../meters/meters.service.js';
import { Database } from '../../platform/database/database.js';
import { BatchesStore } from '../batches.store.js';
import { RollupStore } from '../rollup.store.js';
import { wholeHours } from './rebuild.js';

/** Usage lies at most some minutes ahead. */
const FOREVER = new Date('9999-01-01T00:00:00Z');

@Injectable()
export class ArchivingService {
  constructor(
    private readonly batches: BatchesStore,
    private readonly rollups: RollupStore,
    private readonly reader: MetersReader,
    private readonly meters: MetersService,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /**
   * Ends a meter now: usage of a later time is not counted, and usage of an earlier time that is still
   * to come is. Events may have times some minutes ahead, so the hours from now on are counted anew.
   * An archived meter stays as it is.
   *
   * @throws DomainError not_found
   */
  async archive(idOrKey: string): Promise<Meter> {
    return await this.database.transaction(async () => {
      // First: whoever folds now still does so with the meter as it was.
      await this.batches.holdMeters('exclusive');
      const found = await this.reader.get(idOrKey);
      if (found.archivedAt !== null) {
        return found;
      }
      const now = this.clock.now();
      const meter = await this.meters.archive(found.id, now);
      const hour = wholeHours({ start: now, end: new Date(now.getTime() + 1) });
      // By itself: it may have very many events, and hours that are to come have few.
      await this.rollups.rebuild(meter, hour, null);
      await this.rollups.rebuild(meter, { start: hour.end, end: FOREVER }, null);
      return meter;
    });
  }
}
