/*
 * Whether all that a source says it sent is stored. It announces how many events a window of time has;
 * what is stored is counted when it is asked for, so that what comes late closes a gap by itself. Of
 * what it numbers, `sequences` finds what is missing.
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
  firstCheckAt,
  type Gap,
  whyNoWindow,
  type Window,
} from './announced-count.js';
import { AnnouncedCountsStore } from './announced-counts.store.js';
import { type SequenceGap, SequenceGapsStore } from './sequences/sequence-gaps.store.js';
import { type Source } from './source.js';
import { SourcesService } from './sources.service.js';

/** Stands before all identifiers in a list that shows the last first. */
const LAST_ID = '~';
/** Windows that are counted for one page of gaps: four days of hours. */
const WINDOWS_AT_ONCE = 100;

export interface NewCount extends Window {
  readonly count: number;
  /** The API key of whoever announces it. */
  readonly by: string;
}

/** What did not come: of a window whose count was announced, or of a counter. */
export type ListedGap =
  | { readonly kind: 'announced'; readonly gap: Gap }
  | { readonly kind: 'sequence'; readonly gap: SequenceGap };

/** The last gap of a page. */
export interface GapPosition {
  readonly kind: ListedGap['kind'];
  readonly id: string;
}

@Injectable()
export class CompletenessService {
  constructor(
    private readonly store: AnnouncedCountsStore,
    private readonly sequenceGaps: SequenceGapsStore,
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
      const known = await this.store.lock(source.id, { from, to });
      if (known?.count.count === count) {
        return known.count;
      }
      if (known !== null) {
        await this.store.replace(known.count.id, now);
      }
      const id = newId('cnt');
      const made = { id, from, to, count, announcedAt: now, announcedBy: by, replacedAt: null };
      const checkAt = firstCheckAt(now, to, source.gapGrace);
      await this.store.insert(source.id, made, {
        checkAt,
        toldMissing: known?.toldMissing ?? null,
      });
      return made;
    });
  }

  /** All that a source ever announced, also what was replaced. */
  async list(idOrKey: string, limit: number, before: string | null): Promise<Page<AnnouncedCount>> {
    const source = await this.sources.get(idOrKey);
    return await this.store.list(source.id, limit, before);
  }

  /**
   * The gaps that may still be filled, first of windows, then of counters, the last first. A page counts a bounded number of windows, so it
   * may hold fewer gaps than the limit, or none, and yet not be the last one.
   */
  async listGaps(
    idOrKey: string,
    limit: number,
    before: GapPosition | null,
  ): Promise<Page<ListedGap>> {
    const source = await this.sources.get(idOrKey);
    const since = new Date(this.clock.now().getTime() - this.config.ingest.maxAgeSeconds * 1000);
    if (before?.kind === 'sequence') {
      return await this.listSequenceGaps(source.id, since, limit, before.id);
    }
    const counted = await this.listCountGaps(source, since, limit, before?.id ?? null);
    const room = limit - counted.items.length;
    if (counted.nextCursor !== null || room === 0) {
      // What comes next may be of the other kind, and may be nothing.
      const nextCursor = counted.nextCursor ?? toCursor(['sequence', LAST_ID]);
      return { ...counted, nextCursor };
    }
    const numbered = await this.listSequenceGaps(source.id, since, room, LAST_ID);
    return { ...numbered, items: [...counted.items, ...numbered.items] };
  }

  private async listSequenceGaps(
    sourceId: string,
    since: Date,
    limit: number,
    before: string,
  ): Promise<Page<ListedGap>> {
    const page = await this.sequenceGaps.list(sourceId, since, limit, before);
    const last = page.items.at(-1);
    return {
      items: page.items.map((gap) => ({ kind: 'sequence' as const, gap })),
      nextCursor:
        page.nextCursor === null || last === undefined ? null : toCursor(['sequence', last.id]),
    };
  }

  private async listCountGaps(
    source: Source,
    since: Date,
    limit: number,
    before: string | null,
  ): Promise<Page<ListedGap>> {
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
    return {
      items: items.map((gap) => ({ kind: 'announced' as const, gap })),
      nextCursor: hasMore && last !== undefined ? toCursor(['announced', last.id]) : null,
    };
  }
}
