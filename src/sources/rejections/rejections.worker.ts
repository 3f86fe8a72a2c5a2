/*
 * Writes down what this replica counted, whatever its role, and looks for sources that reject. A lost
 * tick costs its time only.
 */
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config.js';
import { Outage } from '../../platform/database/outage.js';
import { Poller } from '../../platform/jobs/poller.js';
import { Tick } from '../../platform/jobs/tick.js';
import { RejectionsService } from './rejections.service.js';

/** One statement for all sources that were sent to since, and one look through their minutes. */
const TICK_MS = 5_000;

@Injectable()
export class RejectionsWorker extends Poller implements OnApplicationShutdown {
  private writing: Promise<void> = Promise.resolve();

  constructor(
    @Inject(CONFIG) config: Config,
    outage: Outage,
    private readonly rejections: RejectionsService,
  ) {
    super('source_rejections', config, outage);
  }

  @Tick(TICK_MS)
  tick(): void {
    this.writing = this.writeAfter(this.writing);
    this.look();
  }

  override async beforeApplicationShutdown(): Promise<void> {
    await super.beforeApplicationShutdown();
    await this.writing;
  }

  /** After the last request was answered, which is later than workers rest. */
  async onApplicationShutdown(): Promise<void> {
    await this.writing;
    await this.rejections.write();
  }

  /** One after the other, so that two never wait for each other's rows. */
  private async writeAfter(earlier: Promise<void>): Promise<void> {
    await earlier;
    await this.rejections.write();
  }

  protected override async runOnce(): Promise<number> {
    await this.rejections.forgetOld();
    return await this.rejections.tellRejecting();
  }
}
