import { Injectable } from '@nestjs/common';
import { type Meter } from '../../meters/meter.js';
import { MetersReader } from '../../meters/meters.reader.js';
import { BatchesStore, type MeterHistory } from '../batches.store.js';
import { type FailingMeter, FailingMetersStore } from '../failing/failing-meters.store.js';

/** A meter, and how far its history is counted; null: nobody has begun. */
export interface MeterWithHistory {
  readonly meter: Meter;
  readonly history: MeterHistory | null;
  /** Null while all that came is brought into its figures. */
  readonly failing: FailingMeter | null;
}

/** Says how far the usage that was stored before a meter is in what the meter has counted. */
@Injectable()
export class HistoryService {
  constructor(
    private readonly meters: MetersReader,
    private readonly batches: BatchesStore,
    private readonly failing: FailingMetersStore,
  ) {}

  /** @throws DomainError not_found */
  async get(idOrKey: string): Promise<MeterWithHistory> {
    const meter = await this.meters.get(idOrKey);
    const history = await this.batches.findHistory(meter.number);
    const failing = (await this.failing.list()).get(meter.number) ?? null;
    return { meter, history, failing };
  }
}
