/*
 * Whether who collects what a period bills can be told of it: Stripe, or another platform behind a webhook
 * endpoint. By what is stored; no call is made.
 */
import { Injectable } from '@nestjs/common';
import { StripeReachability } from '../../stripe/stripe-reachability.reader.js';
import { WebhooksReader } from '../../webhooks/webhooks.reader.js';
import { type Billing } from '../subscriptions/subscription.js';
import { type HoldReason } from './hold.js';

export const COLLECTOR_CHECKS = ['stripe_reachable', 'webhook_endpoint_enabled'] as const;

export type CollectorCheck = (typeof COLLECTOR_CHECKS)[number];

@Injectable()
export class CollectorChecksService {
  constructor(
    private readonly stripe: StripeReachability,
    private readonly webhooks: WebhooksReader,
  ) {}

  /** What of a check does not pass; null when it does, or when somebody else collects. */
  async failing(check: CollectorCheck, billing: Billing, now: Date): Promise<HoldReason | null> {
    switch (check) {
      case 'stripe_reachable': {
        const detail = billing.provider === 'stripe' ? await this.stripe.fault(now) : null;
        return detail === null ? null : { code: check, count: null, detail, list: null };
      }
      case 'webhook_endpoint_enabled':
        return billing.provider === 'webhook'
          ? await this.checkEndpoint(billing.webhookEndpoint)
          : null;
    }
  }

  /** One that is only failing is no reason: with nothing to send it would never show that it works again. */
  private async checkEndpoint(id: string): Promise<HoldReason | null> {
    const code = 'webhook_endpoint_enabled';
    const endpoint = await this.webhooks.findEndpoint(id);
    if (endpoint === null) {
      const detail = `The webhook endpoint ${id}, which is told of line items, was deleted.`;
      return { code, count: null, detail, list: null };
    }
    const { disabled } = endpoint;
    return disabled === null
      ? null
      : {
          code,
          count: null,
          detail: `The webhook endpoint ${id}, which is told of line items, is disabled since ${disabled.at.toISOString()} (${disabled.reason}).`,
          list: `/api/v1/webhook-endpoints/${id}`,
        };
  }
}
