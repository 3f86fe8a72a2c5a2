/* Looks for line items that wait for a draft, those that are new and those that failed apart; the work is in the tables. */
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config.js';
import { Outage } from '../../platform/database/outage.js';
import { Poller } from '../../platform/jobs/poller.js';
import { Tick } from '../../platform/jobs/tick.js';
import { type DraftTurn } from './draft-queues.store.js';
import { PlacingService } from './placing.service.js';

/** A draft is open for an hour: a second more does not matter. */
const TICK_MS = 1_000;

abstract class TurnWorker extends Poller {
  constructor(
    config: Config,
    outage: Outage,
    private readonly placing: PlacingService,
    private readonly turn: DraftTurn,
  ) {
    super(`drafts-${turn}`, config, outage);
  }

  override async beforeApplicationShutdown(): Promise<void> {
    this.placing.stop();
    await super.beforeApplicationShutdown();
  }

  protected override async runOnce(): Promise<number> {
    return await this.placing.placeOnce(this.turn);
  }
}

@Injectable()
export class PlacingWorker extends TurnWorker {
  constructor(@Inject(CONFIG) config: Config, outage: Outage, placing: PlacingService) {
    super(config, outage, placing, 'new');
  }

  @Tick(TICK_MS)
  tick(): void {
    this.look();
  }
}

@Injectable()
export class PlacingAgainWorker extends TurnWorker {
  constructor(@Inject(CONFIG) config: Config, outage: Outage, placing: PlacingService) {
    super(config, outage, placing, 'again');
  }

  @Tick(TICK_MS)
  tick(): void {
    this.look();
  }
}
