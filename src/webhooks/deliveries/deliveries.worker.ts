/*
 * Sends what is due. Calls run beside each other and outlive the pass that claimed them: a slow
 * receiver holds its own places only, and each place that is freed is filled at once.
 */
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config.js';
import { Outage } from '../../platform/database/outage.js';
import { Poller } from '../../platform/jobs/poller.js';
import { Tick } from '../../platform/jobs/tick.js';
import { Log } from '../../platform/log.js';
import { MessagesStore } from '../messages.store.js';
import { type DueEndpoint } from './claims.store.js';
import { DeliveriesService } from './deliveries.service.js';
import { DeliveryFigures } from './delivery-figures.js';
import { Places, type Pool } from './places.js';
import { type RecordedAttempt } from './recording.service.js';
import { type OutgoingDelivery } from './webhook-delivery.js';

/** For retries that fall due. What this process queued is looked for at once, and what others did by ElsewhereWorker. */
const TICK_MS = 1_000;
/** Claimed beside the quick, who wait for none of it. */
const BESIDE: readonly Pool[] = ['slow', 'failing'];

@Injectable()
export class DeliveriesWorker extends Poller {
  private readonly inFlight = new Set<Promise<void>>();
  private readonly claiming = new Map<Pool, Promise<void>>();
  /** Of which a claim is under way that may have missed something. */
  private readonly missing = new Set<Pool>();
  private readonly places = new Places(() => {
    this.look();
  });
  private isSweepDue = true;

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly workerOutage: Outage,
    private readonly log: Log,
    private readonly deliveries: DeliveriesService,
    private readonly figures: DeliveryFigures,
    messages: MessagesStore,
  ) {
    super('webhook deliveries', config, workerOutage);
    messages.onQueued(() => {
      this.look();
    });
  }

  @Tick(TICK_MS)
  tick(): void {
    this.isSweepDue = true;
    this.look();
  }

  /** Lets the calls under way end too; each ends by its deadline. */
  override async beforeApplicationShutdown(): Promise<void> {
    await super.beforeApplicationShutdown();
    await Promise.all(this.claiming.values());
    await Promise.all(this.inFlight);
  }

  protected override async runOnce(): Promise<number> {
    if (this.isSweepDue) {
      this.isSweepDue = false;
      await this.sweep();
    }
    const slowEndpoints = this.places.slowEndpoints();
    const due = await this.deliveries.dueEndpoints(this.places.free('quick'), slowEndpoints);
    for (const pool of BESIDE) {
      if (this.claiming.has(pool)) {
        this.missing.add(pool);
      } else {
        this.claiming.set(pool, this.startBeside(pool, due, slowEndpoints));
      }
    }
    return await this.startDue('quick', due, slowEndpoints);
  }

  /** Looks again when there was something, or something may have come meanwhile. */
  private async startBeside(
    pool: Pool,
    due: readonly DueEndpoint[],
    slowEndpoints: readonly string[],
  ): Promise<void> {
    let started = 0;
    try {
      started = await this.startDue(pool, due, slowEndpoints);
    } catch (error) {
      this.workerOutage.report('delivery.claim_failed', error, { pool });
    }
    this.claiming.delete(pool);
    if (this.missing.delete(pool) || started > 0) {
      this.look();
    }
  }

  /** What of the lost cannot be written keeps nothing else from being sent; the next tick tries again. */
  private async sweep(): Promise<void> {
    try {
      for (const lost of await this.deliveries.sweep()) {
        this.report(lost);
      }
    } catch (error) {
      this.workerOutage.report('delivery.sweep_failed', error);
    }
  }

  /** Starts what is due, as far as there are places; answers how much that was. */
  private async startDue(
    pool: Pool,
    due: readonly DueEndpoint[],
    slowEndpoints: readonly string[],
  ): Promise<number> {
    const free = this.places.free(pool);
    const ofPool = due.filter((endpoint) => poolOf(endpoint, slowEndpoints) === pool);
    const isNobody = free === 0 || ofPool.length === 0;
    const scope = { pool, slowEndpoints };
    const claimed = isNobody ? [] : await this.deliveries.claim(free, scope, ofPool);
    for (const delivery of claimed) {
      this.start(delivery, pool);
    }
    return claimed.length;
  }

  private start(delivery: OutgoingDelivery, pool: Pool): void {
    const giveBack = this.places.take(delivery.endpointId, pool);
    const call = this.attempt(delivery).finally(() => {
      this.inFlight.delete(call);
      giveBack();
      this.look();
    });
    this.inFlight.add(call);
  }

  private async attempt(delivery: OutgoingDelivery): Promise<void> {
    try {
      this.report(await this.deliveries.deliver(delivery));
    } catch (error) {
      // Its lease ends, and it is sent again.
      this.workerOutage.report('delivery.failed', error, { delivery_id: delivery.id });
    }
  }

  private report(recorded: RecordedAttempt): void {
    const { claim, result, state } = recorded;
    this.figures.count(recorded);
    this.log.event('delivery.attempted', {
      delivery_id: claim.id,
      endpoint_id: claim.endpointId,
      attempt: claim.attemptNumber,
      outcome: result.outcome,
      status: result.status,
      error: result.error,
      duration_ms: result.durationMs,
      state,
    });
  }
}

function poolOf({ id, is_failing: isFailing }: DueEndpoint, slowIds: readonly string[]): Pool {
  if (isFailing) {
    return 'failing';
  }
  return slowIds.includes(id) ? 'slow' : 'quick';
}
