/* Stripe's billing meters for other features. Holds no state and opens no transaction. */
import { Injectable } from '@nestjs/common';
import { type Decimal } from '../kernel/decimal.js';
import { type Interval } from '../kernel/interval.js';
import {
  type MeterErrorReport,
  type MeterEventReceipt,
  type NewStripeMeterEvent,
  type StripeMeter,
} from './stripe-meter.js';
import { StripeMetersClient } from './stripe-meters.client.js';
import { type StripeResult } from './stripe-result.js';

@Injectable()
export class StripeMetersService {
  constructor(private readonly client: StripeMetersClient) {}

  /** The active meter of a name; null when there is none. */
  async findMeter(eventName: string): Promise<StripeResult<StripeMeter | null>> {
    return await this.client.findMeter(eventName);
  }

  /** Sends an event; one that Stripe has already changes nothing there. */
  async send(
    event: NewStripeMeterEvent,
    idempotencyKey: string,
  ): Promise<StripeResult<MeterEventReceipt>> {
    return await this.client.send(event, idempotencyKey);
  }

  /** Takes an event back. */
  async cancel(
    eventName: string,
    identifier: string,
    idempotencyKey: string,
  ): Promise<StripeResult<unknown>> {
    return await this.client.cancel(eventName, identifier, idempotencyKey);
  }

  /** What the events of a customer in whole minutes come to at Stripe, as far as it has worked them off. */
  async sum(meter: string, customer: string, span: Interval): Promise<StripeResult<Decimal>> {
    return await this.client.sum(meter, customer, span);
  }

  /** What an event about refused meter events says; null when it cannot be had any longer. */
  async errorReport(eventId: string): Promise<StripeResult<MeterErrorReport | null>> {
    return await this.client.errorReport(eventId);
  }
}
