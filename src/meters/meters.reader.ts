import { Injectable } from '@nestjs/common';
import { notFound } from '../kernel/errors.js';
import { type Page } from '../platform/http/page.js';
import { type Meter } from './meter.js';
import { MetersStore } from './meters.store.js';

/** What other features may ask about meters. */
@Injectable()
export class MetersReader {
  constructor(private readonly store: MetersStore) {}

  /** The meter named by our id or by key; throws not_found. */
  async get(idOrKey: string): Promise<Meter> {
    const meter = await this.store.find(idOrKey);
    if (meter === null) {
      throw notFound('meter', idOrKey);
    }
    return meter;
  }

  /** The same, or null. */
  async find(idOrKey: string): Promise<Meter | null> {
    return await this.store.find(idOrKey);
  }

  /** Those that exist among `ids`, by id. */
  async byIds(ids: readonly string[]): Promise<ReadonlyMap<string, Meter>> {
    const meters = await this.store.findMany([...new Set(ids)]);
    return new Map(meters.map((meter) => [meter.id, meter]));
  }

  /** Meters, newest first. */
  async list(limit: number, before: string | null): Promise<Page<Meter>> {
    return await this.store.list(limit, before);
  }

  /** Every meter, in the order of creation. */
  async all(): Promise<Meter[]> {
    return await this.store.findAll();
  }
}
