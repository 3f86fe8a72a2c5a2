/* Billing meters at Stripe: events sent to them, cancelled, and summed up by Stripe. */
import { Injectable } from '@nestjs/common';
import { type Stripe } from 'stripe';
import { type Decimal, decimal } from '../kernel/decimal.js';
import { type Interval } from '../kernel/interval.js';
import { toSeconds } from './conversions.js';
import {
  type MeterErrorReport,
  type MeterEventReceipt,
  type NewStripeMeterEvent,
  type StripeMeter,
} from './stripe-meter.js';
import { type StripeResult } from './stripe-result.js';
import { allPages, StripeClient } from './stripe.client.js';

/**
 * Stripe gives this refusal no code of its own. Seen in the field as a 400 that is not to be retried; it says
 * that the event is there.
 */
const KNOWN_IDENTIFIER = /already exists with identifier/i;

@Injectable()
export class StripeMetersClient {
  constructor(private readonly client: StripeClient) {}

  /** The active meter of a name; null when there is none. */
  async findMeter(eventName: string): Promise<StripeResult<StripeMeter | null>> {
    return await this.client.call(async (sdk) => {
      const meters = await allPages(
        async (page) => await sdk.billing.meters.list({ status: 'active', ...page }),
      );
      const meter = meters.find((one) => one.event_name === eventName);
      return meter === undefined ? null : toMeter(meter);
    });
  }

  /** Sends an event. Stripe judges most of it afterwards: what it cannot count it reports. */
  async send(
    event: NewStripeMeterEvent,
    idempotencyKey: string,
  ): Promise<StripeResult<MeterEventReceipt>> {
    const result = await this.client.call(
      async (sdk) =>
        await sdk.billing.meterEvents.create(
          {
            event_name: event.eventName,
            identifier: event.identifier,
            payload: { ...event.payload },
            timestamp: toSeconds(event.happenedAt),
          },
          { idempotencyKey },
        ),
    );
    if (result.outcome === 'succeeded') {
      return { outcome: 'succeeded', value: 'accepted' };
    }
    return result.outcome === 'rejected' && KNOWN_IDENTIFIER.test(result.message)
      ? { outcome: 'succeeded', value: 'known' }
      : result;
  }

  /** Takes an event back, within 24 hours after Stripe had it. */
  async cancel(
    eventName: string,
    identifier: string,
    idempotencyKey: string,
  ): Promise<StripeResult<unknown>> {
    return await this.client.call(
      async (sdk) =>
        await sdk.billing.meterEventAdjustments.create(
          { event_name: eventName, type: 'cancel', cancel: { identifier } },
          { idempotencyKey },
        ),
    );
  }

  /**
   * What the events of a customer in a span come to, as far as Stripe has worked them off.
   *
   * @param span whole minutes
   */
  async sum(meter: string, customer: string, span: Interval): Promise<StripeResult<Decimal>> {
    return await this.client.call(async (sdk) => {
      const summaries = await allPages(
        async (page) =>
          await sdk.billing.meters.listEventSummaries(meter, {
            customer,
            start_time: toSeconds(span.start),
            end_time: toSeconds(span.end),
            ...page,
          }),
      );
      return summaries.reduce(
        (sum, { aggregated_value: value }) => sum.plus(String(value)),
        decimal('0'),
      );
    });
  }

  /** What an event about refused meter events says; null when Stripe no longer has it, or it is of another kind. */
  async errorReport(eventId: string): Promise<StripeResult<MeterErrorReport | null>> {
    const result = await this.client.call(async (sdk) => {
      const event = await sdk.v2.core.events.retrieve(eventId);
      return event.type === 'v1.billing.meter.error_report_triggered' ||
        event.type === 'v1.billing.meter.no_meter_found'
        ? toReport(event.data)
        : null;
    });
    return result.outcome === 'rejected' && /resource_missing|not_found/.test(result.code ?? '')
      ? { outcome: 'succeeded', value: null }
      : result;
  }
}

function toMeter(meter: Stripe.Billing.Meter): StripeMeter {
  return {
    id: meter.id,
    eventName: meter.event_name,
    formula: meter.default_aggregation.formula,
    customerKey: meter.customer_mapping.event_payload_key,
    valueKey: meter.value_settings.event_payload_key,
  };
}

/** As much of the data of both types of event as is used. */
interface ReportData {
  readonly developer_message_summary: string;
  readonly reason: {
    readonly error_count: number;
    readonly error_types: readonly {
      readonly code: string;
      readonly sample_errors: readonly {
        readonly error_message: string;
        readonly request: { readonly identifier: string };
      }[];
    }[];
  };
}

function toReport({ developer_message_summary: summary, reason }: ReportData): MeterErrorReport {
  return {
    summary,
    errorCount: reason.error_count,
    samples: reason.error_types.flatMap(({ code, sample_errors: errors }) =>
      errors.map(({ error_message: message, request }) => ({
        code,
        message,
        identifier: request.identifier,
      })),
    ),
  };
}
