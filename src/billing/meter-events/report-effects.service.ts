/* What a report of Stripe's does to our events: in one transaction with the end of the report itself. */
import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { Database } from '../../platform/database/database.js';
import { type ProviderEvent } from '../../stripe/provider-event.js';
import { ProviderEventsService } from '../../stripe/provider-events.service.js';
import { type MeterErrorReport, type MeterEventError } from '../../stripe/stripe-meter.js';
import { FailuresService } from './failures.service.js';
import { COUNTED_STATES } from './meter-event.js';
import { MeterEventsStore } from './meter-events.store.js';
import { MeterLinksStore } from './meter-links.store.js';
import { StreamsStore } from './streams.store.js';

/** Stripe reports within minutes as a rule. */
const TOLD_LATELY_MS = 2 * 86_400_000;

@Injectable()
export class ReportEffectsService {
  constructor(
    private readonly provider: ProviderEventsService,
    private readonly events: MeterEventsStore,
    private readonly failures: FailuresService,
    private readonly streams: StreamsStore,
    private readonly links: MeterLinksStore,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** Ends the report with its effect; answers the events that wait for a person by it. */
  async apply(event: ProviderEvent, report: MeterErrorReport): Promise<string[]> {
    return await this.database.transaction(async () => {
      const isFirst = (await this.provider.end([event], 'processed')).has(event.id);
      const failed: string[] = [];
      for (const sample of isFirst ? report.samples : []) {
        failed.push(...(await this.fail(sample)));
      }
      if (isFirst && report.errorCount > report.samples.length) {
        await this.hurryChecks(event.objectId);
      }
      return failed;
    });
  }

  private async fail({ identifier, code, message }: MeterEventError): Promise<string[]> {
    const event = await this.events.findByIdentifier(identifier);
    for (const from of event === null ? [] : COUNTED_STATES) {
      if (event !== null && (await this.failures.fail(event, from, { code, message }))) {
        return [event.id];
      }
    }
    return [];
  }

  /** @param stripeMeterId null: it may be any */
  private async hurryChecks(stripeMeterId: string | null): Promise<void> {
    const now = this.clock.now();
    const since = new Date(now.getTime() - TOLD_LATELY_MS);
    for (const { meterId, found } of await this.links.list()) {
      if (stripeMeterId === null || found?.stripeMeterId === stripeMeterId) {
        await this.streams.hurryChecks(meterId, since, now);
      }
    }
  }
}
