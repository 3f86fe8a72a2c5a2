/*
 * Works off what Stripe reports of meter events that it took and cannot count. Those it names wait for a
 * person; it names samples only, so what else the meters were told lately is compared at once.
 */
import { Injectable } from '@nestjs/common';
import { Log } from '../../platform/log.js';
import { type ProviderEvent } from '../../stripe/provider-event.js';
import { ProviderEventsService } from '../../stripe/provider-events.service.js';
import { StripeMetersService } from '../../stripe/stripe-meters.service.js';
import { StripeService } from '../../stripe/stripe.service.js';
import { ReportEffectsService } from './report-effects.service.js';

/** Looked up one after another, so a batch takes seconds. */
const BATCH = 20;

@Injectable()
export class ErrorReportsService {
  constructor(
    private readonly provider: ProviderEventsService,
    private readonly stripeMeters: StripeMetersService,
    private readonly stripe: StripeService,
    private readonly effects: ReportEffectsService,
    private readonly log: Log,
  ) {}

  /** Works off due reports, at most twenty; answers how many were taken. */
  async processOnce(): Promise<number> {
    if (!this.stripe.isConfigured) {
      return 0;
    }
    const events = await this.provider.claim(BATCH, 'meter_reports');
    for (const event of events) {
      await this.tryEvent(event);
    }
    return events.length;
  }

  private async tryEvent(event: ProviderEvent): Promise<void> {
    try {
      await this.process(event);
    } catch (error) {
      await this.provider.postponeBroken([event], error);
    }
  }

  private async process(event: ProviderEvent): Promise<void> {
    const report = await this.stripeMeters.errorReport(event.id);
    if (report.outcome !== 'succeeded') {
      await this.provider.postpone(event, report.message);
      return;
    }
    if (report.value === null) {
      await this.provider.end([event], 'ignored');
      return;
    }
    const failed = await this.effects.apply(event, report.value);
    this.log.problem('meter_events.reported', report.value.summary, {
      provider_event: event.id,
      errors: report.value.errorCount,
      meter_events: failed,
    });
  }
}
