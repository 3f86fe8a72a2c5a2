import { Injectable } from '@nestjs/common';
import { type Page } from '../platform/http/page.js';
import { type ProviderEvent, type ProviderEventState } from './provider-event.js';
import { ProviderEventsStore } from './provider-events.store.js';

/** What may be asked about provider events. */
@Injectable()
export class ProviderEventsReader {
  constructor(private readonly store: ProviderEventsStore) {}

  /** Provider events, the last received first. */
  async list(
    state: ProviderEventState | null,
    limit: number,
    before: readonly string[] | null,
  ): Promise<Page<ProviderEvent>> {
    return await this.store.list(state, limit, before);
  }
}
