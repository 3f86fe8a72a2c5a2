import { AsyncResource } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BeforeApplicationShutdown, type OnModuleDestroy } from '@nestjs/common';
import { type Config } from '../config.js';
import { type Outage } from '../database/outage.js';

/**
 * The loop around a `runOnce` that does one bounded piece of work. A tick or a signal only says
 * "look now"; the work itself is in the database, so losing a signal costs a tick's time and nothing
 * else. Never runs twice at once in one process, and not at all while the database is away.
 */
export abstract class Poller implements OnModuleDestroy, BeforeApplicationShutdown {
  private running: Promise<void> | null = null;
  private again = false;
  private isStopped = false;
  /** Whoever signals may do so inside a transaction, which the work must not be part of. */
  private readonly scope = new AsyncResource('Poller');

  constructor(
    private readonly name: string,
    private readonly config: Config,
    private readonly outage: Outage,
    /** How long to rest after a piece of work, for work that gets cheaper when more of it comes together. */
    private readonly restAfterMs: (workedMs: number) => number = () => 0,
  ) {}

  /** One bounded piece of work; answers how much was done, 0 when there was nothing to do. */
  protected abstract runOnce(): Promise<number>;

  /** Looks for work now, or once more if it is looking already. */
  look(): void {
    if (this.isStopped || this.outage.isOn || this.config.role === 'api') {
      return;
    }
    if (this.running !== null) {
      this.again = true;
      return;
    }
    const drained = this.scope.runInAsyncScope(async () => {
      await this.drain();
    });
    this.running = drained.finally(() => {
      this.running = null;
    });
  }

  /**
   * Starts no other piece of work. Nest tells all modules of this before it waits for any, so that what
   * all are doing ends together, and the stop takes as long as the longest and not as all of them.
   */
  onModuleDestroy(): void {
    this.isStopped = true;
  }

  /** Lets the piece of work under way end. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isStopped = true;
    await this.running;
  }

  private async drain(): Promise<void> {
    let done = 0;
    do {
      this.again = false;
      const startedAt = performance.now();
      try {
        done = await this.runOnce();
      } catch (error) {
        // The next tick tries again; what was not committed is still there.
        this.outage.report('worker.failed', error, { worker: this.name });
        done = 0;
      }
      const restMs = this.restAfterMs(performance.now() - startedAt);
      if (restMs > 0 && !this.isStopped) {
        await sleep(restMs);
      }
    } while ((done > 0 || this.again) && !this.isStopped && !this.outage.isOn);
  }
}
