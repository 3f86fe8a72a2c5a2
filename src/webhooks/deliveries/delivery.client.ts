/* The only file that talks to endpoints: headers and signature of one attempt, sent once. */
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config.js';
import { OutboundHttp, type OutboundResult } from '../../platform/outbound/outbound-http.js';
import { VERSION } from '../../platform/version.js';
import { sign } from './signature.js';
import { type OutgoingDelivery } from './webhook-delivery.js';

@Injectable()
export class DeliveryClient {
  constructor(
    private readonly outbound: OutboundHttp,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * Sends a message to its endpoint (Standard Webhooks 1.0.0, "Webhook headers"). `webhook-id` is the
   * message's id in every attempt: the receiver's key to take it once.
   */
  async send(delivery: OutgoingDelivery, now: Date): Promise<OutboundResult> {
    const { messageId: id, body, url, secret } = delivery;
    const timestampSeconds = Math.floor(now.getTime() / 1_000);
    return await this.outbound.post({
      url,
      body,
      timeoutMs: this.config.webhooks.timeoutMs,
      headers: {
        'content-type': 'application/json',
        'user-agent': `Meterline/${VERSION}`,
        'webhook-id': id,
        'webhook-timestamp': String(timestampSeconds),
        'webhook-signature': sign(secret, { id, timestampSeconds, body }),
      },
    });
  }
}
