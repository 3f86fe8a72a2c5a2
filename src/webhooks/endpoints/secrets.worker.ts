import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config.js';
import { Outage } from '../../platform/database/outage.js';
import { Poller } from '../../platform/jobs/poller.js';
import { Tick } from '../../platform/jobs/tick.js';
import { Log } from '../../platform/log.js';
import { SecretsService } from './secrets.service.js';

/** Replicas of the version or key before may still write theirs while a deployment lasts. */
const TICK_MS = 600_000;

/** Looks at the start, and from time to time, how secrets are stored. */
@Injectable()
export class SecretsWorker extends Poller implements OnApplicationBootstrap {
  constructor(
    @Inject(CONFIG) config: Config,
    outage: Outage,
    private readonly log: Log,
    private readonly secrets: SecretsService,
  ) {
    super('webhook secrets', config, outage);
  }

  onApplicationBootstrap(): void {
    this.look();
  }

  @Tick(TICK_MS)
  tick(): void {
    this.look();
  }

  protected override async runOnce(): Promise<number> {
    const { sealed, unreadable } = await this.secrets.sealAnew();
    if (sealed > 0) {
      this.log.event('webhook_secrets.sealed', { endpoints: sealed });
    }
    if (unreadable.length > 0) {
      const error = new Error(
        'No key of METERLINE_SECRET_KEYS opens the secrets of some endpoints',
      );
      this.log.problem('webhook_secrets.unreadable', error, { endpoint_ids: unreadable });
    }
    return 0;
  }
}
