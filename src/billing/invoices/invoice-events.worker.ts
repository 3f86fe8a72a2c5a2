import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config.js';
import { Outage } from '../../platform/database/outage.js';
import { Poller } from '../../platform/jobs/poller.js';
import { Tick } from '../../platform/jobs/tick.js';
import { ProviderEventsService } from '../../stripe/provider-events.service.js';
import { InvoiceEventsService } from './invoice-events.service.js';

/** For events that other replicas stored and for retries; what is stored here signals itself. */
const TICK_MS = 1_000;

@Injectable()
export class InvoiceEventsWorker extends Poller implements OnApplicationBootstrap {
  constructor(
    @Inject(CONFIG) config: Config,
    outage: Outage,
    private readonly service: InvoiceEventsService,
    private readonly events: ProviderEventsService,
  ) {
    super('invoice-events', config, outage);
  }

  onApplicationBootstrap(): void {
    this.events.onStored(() => {
      this.look();
    });
  }

  @Tick(TICK_MS)
  tick(): void {
    this.look();
  }

  override async beforeApplicationShutdown(): Promise<void> {
    this.service.stop();
    await super.beforeApplicationShutdown();
  }

  protected override async runOnce(): Promise<number> {
    return await this.service.processOnce();
  }
}
