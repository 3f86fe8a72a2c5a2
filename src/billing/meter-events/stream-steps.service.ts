/* What is to be done about one stream now: one step at a time, each of which commits where it stands. */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { backoffMs } from '../../platform/jobs/backoff.js';
import { LeasesService } from '../sync/leases.service.js';
import { type Lease } from '../sync/leases.store.js';
import { EventPushService } from './event-push.service.js';
import { MeasuringService } from './measuring.service.js';
import { MAX_AGE_MS } from './meter-event.js';
import { MeterLinksService } from './meter-links.service.js';
import { StreamChecksService } from './stream-checks.service.js';
import { type Stream } from './stream.js';
import { StreamsStore } from './streams.store.js';

@Injectable()
export class StreamStepsService {
  constructor(
    private readonly streams: StreamsStore,
    private readonly links: MeterLinksService,
    private readonly leases: LeasesService,
    private readonly measuring: MeasuringService,
    private readonly pushes: EventPushService,
    private readonly checks: StreamChecksService,
    private readonly clock: Clock,
  ) {}

  /** Does it; throws LeaseLost. */
  async step(lease: Lease, stream: Stream): Promise<void> {
    const meter = await this.links.usable(stream.meterId);
    if (!meter.isUsable) {
      await this.wait(lease, stream, meter.reason);
      return;
    }
    const { eventName, at } = meter;
    const event = await this.pushes.findUnderWay(stream);
    if (event !== null) {
      await this.pushes.push(lease, { stream, event, eventName, at });
    } else if (stream.checkAt !== null && stream.checkAt <= this.clock.now()) {
      await this.checks.check(lease, stream, at);
    } else if (stream.state === 'open') {
      await this.measuring.measure(lease, stream);
    } else {
      await this.leases.holding(lease, async () => {
        await this.streams.finish(stream.id);
      });
    }
  }

  private async wait(lease: Lease, stream: Stream, reason: string): Promise<void> {
    const now = this.clock.now().getTime();
    const next = new Date(now + backoffMs(stream.attemptCount + 1, Math.random()));
    await this.leases.holding(lease, async () => {
      await (now - stream.endsAt.getTime() > MAX_AGE_MS
        ? this.streams.close(stream.id, next)
        : this.streams.wait(stream.id, reason, next));
    });
  }
}
