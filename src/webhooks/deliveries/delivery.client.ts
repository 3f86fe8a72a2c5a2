/* The only file that talks to endpoints: headers and signature of one attempt, sent once. */
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config.js';
import { OutboundHttp, type OutboundResult } from '../../platform/outbound/outbound-http.js';
import { Sealer } from '../../platform/sealer.js';
import { VERSION } from '../../platform/version.js';
import { headerContext, secretContext } from '../endpoints/sealing.js';
import { sign } from './signature.js';
import { type OutgoingDelivery } from './webhook-delivery.js';

export interface SentDelivery {
  readonly answer: OutboundResult;
  /** What of the request nobody is to read in the answer. */
  readonly secrets: readonly string[];
}

@Injectable()
export class DeliveryClient {
  constructor(
    private readonly outbound: OutboundHttp,
    private readonly sealer: Sealer,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * Sends a message to its endpoint (Standard Webhooks 1.0.0, "Webhook headers"). `webhook-id` is the
   * message's id in every attempt: the receiver's key to take it once.
   *
   * @throws SealError before anything was sent, when no key opens the endpoint's secrets
   */
  async send(delivery: OutgoingDelivery, now: Date): Promise<SentDelivery> {
    const { messageId: id, body, url, endpointId } = delivery;
    const secrets = delivery.sealedSecrets.map((sealed) =>
      this.sealer.open(sealed, secretContext(endpointId)),
    );
    const own = this.ownHeaders(delivery);
    const timestampSeconds = Math.floor(now.getTime() / 1_000);
    const signature = sign(secrets, { id, timestampSeconds, body });
    const answer = await this.outbound.post({
      url,
      body,
      timeoutMs: this.config.webhooks.timeoutMs,
      headers: {
        ...own,
        'content-type': 'application/json',
        'user-agent': `Meterline/${VERSION}`,
        'webhook-id': id,
        'webhook-timestamp': String(timestampSeconds),
        'webhook-signature': signature,
      },
    });
    return { answer, secrets: [...secrets, ...signature.split(' '), ...Object.values(own)] };
  }

  private ownHeaders({ sealedHeaders, endpointId }: OutgoingDelivery): Record<string, string> {
    const opened = Object.entries(sealedHeaders).map(([name, sealed]) => [
      name,
      this.sealer.open(sealed, headerContext(endpointId, name)),
    ]);
    return Object.fromEntries(opened) as Record<string, string>;
  }
}
