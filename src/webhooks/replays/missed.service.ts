/* What an endpoint has missed since it was disabled, which is offered once it is in use again. */
import { Injectable } from '@nestjs/common';
import { WebhooksReader } from '../webhooks.reader.js';
import { MissedStore } from './missed.store.js';

export interface Missed {
  /** Null when it has missed nothing, or all of it was brought. */
  readonly from: Date | null;
  /** At most 10,000. */
  readonly messageCount: number;
}

@Injectable()
export class MissedService {
  constructor(
    private readonly store: MissedStore,
    private readonly reader: WebhooksReader,
  ) {}

  /** Since when an endpoint was told nothing, and how many messages it lacks; throws not_found. */
  async get(endpointId: string): Promise<Missed> {
    const { disabled, missedFrom } = await this.reader.getEndpoint(endpointId);
    const from = missedFrom ?? disabled?.at ?? null;
    return {
      from,
      messageCount: from === null ? 0 : await this.store.count(endpointId, from),
    };
  }
}
