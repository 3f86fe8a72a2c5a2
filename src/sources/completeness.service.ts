/*
 * Whether all that a source says it sent is stored. It announces how many events a window of time has;
 * what is stored is counted when it is asked for, so that what comes late closes a gap by itself.
 */
import { Inject, Injectable } from '@nestjs/common';
import { EventsReader } from '../events/events.reader.js';
import { Clock } from '../kernel/clock.js';
import { newId } from '../kernel/ids.js';
import { CONFIG, type Config } from '../platform/config.js';
import { Database } from '../platform/database/database.js';
import { type Page, toCursor } from '../platform/http/page.js';
import {
  type AnnouncedCount,
  findGap,
  type Gap,
  whyNoWindow,
  type Window,
} from './announced-count.js';
import { AnnouncedCountsStore } from './announced-counts.store.js';
import { SourcesService } from './sources.service.js';

/** Windows that are counted for one page of gaps: four days of hours. */
const WINDOWS_AT_ONCE = 100;

export interface NewCount extends Window {
  readonly count: number;
  /** The API key of whoever announces it. */
  readonly by: string;
}

@Injectable()
export class CompletenessService {
  constructor(
    private readonly store: AnnouncedCountsStore,
    private readonly sources: SourcesService,
    private readonly events: EventsReader,
    private readonly database: Database,
    private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * Takes what a source says about a window, in the place of what it said about the same one before.
   *
   * @throws DomainError when there is no such source, it is archived, or events of then are not taken
   */
  async announce(idOrKey: string, { from, to, count, by }: NewCount): Promise<AnnouncedCount> {
    const now = this.clock.now();
    const { source } = await this.sources.getOpen(idOrKey);
    const fault = whyNoWindow({ from, to }, { now, ...this.config.ingest });
    if (fault !== null) {
      throw fault;
    }
    return await this.database.transaction(async () => {
      await this.store.lockSource(source.id);
      const known = await this.store.find(source.id, { from, to });
      if (known?.count === count) {
        return known;
      }
      if (known !== null) {
        await this.store.replace(known.id, now);
      }
      const id = newId('cnt');
      const made = { id, from, to, count, announcedAt: now, announcedBy: by, replacedAt: null };
      await this.store.insert(source.id, made);
      return made;
    });
  }

  /** All that a source ever announced, also what was replaced. */
  async list(idOrKey: string, limit: number, before: string | null): Promise<Page<AnnouncedCount>> {
    const source = await this.sources.get(idOrKey);
    return await this.store.list(source.id, limit, before);
  }

  /**
   * The gaps of windows that may still be filled. A page counts a bounded number of windows, so it
   * may hold fewer gaps than the limit, or none, and yet not be the last one.
   */
  async listGaps(idOrKey: string, limit: number, before: string | null): Promise<Page<Gap>> {
    const source = await this.sources.get(idOrKey);
    const since = new Date(this.clock.now().getTime() - this.config.ingest.maxAgeSeconds * 1000);
    const found = await this.store.listInForce(source.id, since, WINDOWS_AT_ONCE + 1, before);
    const counted = found.slice(0, WINDOWS_AT_ONCE);
    const stored = await this.events.countInWindows(source.key, counted);
    const gaps = counted
      .map((announced, index) => findGap(announced, stored[index] ?? 0))
      .filter((gap) => gap !== null);
    const items = gaps.slice(0, limit);
    const isCut = gaps.length > limit;
    const last = isCut ? items.at(-1)?.announced : counted.at(-1);
    const hasMore = isCut || found.length > WINDOWS_AT_ONCE;
    return { items, nextCursor: hasMore && last !== undefined ? toCursor([last.id]) : null };
  }
}
