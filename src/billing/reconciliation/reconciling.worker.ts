/* Looks whether a night's reconciliation, a step or a repair is due; which replica does it is decided in the database. */
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config.js';
import { Outage } from '../../platform/database/outage.js';
import { Poller } from '../../platform/jobs/poller.js';
import { Tick } from '../../platform/jobs/tick.js';
import { ReconcilingService } from './reconciling.service.js';
import { ReconciliationsService } from './reconciliations.service.js';
import { RepairsService } from './repairs.service.js';

/** A reconciliation takes minutes: a second more does not matter to anybody. */
const TICK_MS = 1_000;

@Injectable()
export class ReconcilingWorker extends Poller {
  constructor(
    @Inject(CONFIG) config: Config,
    outage: Outage,
    private readonly reconciliations: ReconciliationsService,
    private readonly reconciling: ReconcilingService,
    private readonly repairs: RepairsService,
  ) {
    super('reconciliation', config, outage);
  }

  @Tick(TICK_MS)
  tick(): void {
    this.look();
  }

  protected override async runOnce(): Promise<number> {
    const begun = (await this.reconciliations.beginNight()) ? 1 : 0;
    return begun + (await this.repairs.repairOnce()) + (await this.reconciling.stepOnce());
  }
}
