import { Injectable } from '@nestjs/common';
import { EventsReader } from '../../events/events.reader.js';
import { type SubjectSpan } from '../../events/subject-span.js';
import { type Interval } from '../../kernel/interval.js';
import { OpenGapsStore, type UnsettledCount } from './open-gaps.store.js';

/** Windows that are counted for one answer, some milliseconds each; beyond, nobody has looked for long. */
const MAX_WINDOWS = 100;

/** Whether something of a span did not come, whichever source should have sent it. */
@Injectable()
export class OpenGapsReader {
  constructor(
    private readonly store: OpenGapsStore,
    private readonly events: EventsReader,
  ) {}

  /**
   * Those of the sources that somebody's events come from: within the spans, of one of the types. All of
   * them when nothing at all came of any source there, since then nobody can tell. In a transaction, as
   * of its snapshot.
   */
  async among(
    sources: readonly string[],
    spans: readonly SubjectSpan[],
    types: readonly string[],
  ): Promise<readonly string[]> {
    if (sources.length === 0) {
      return [];
    }
    const used = await this.events.sourcesUsed(spans, types, sources);
    return used ?? sources;
  }

  /**
   * The keys of the sources with a gap that may be of a span: windows of which another number of
   * events is stored than was announced, counted now, and numbers that are missing. With more than a
   * hundred windows to count, all of their sources. In a transaction, as of its snapshot.
   */
  async sourcesIn(span: Interval): Promise<readonly string[]> {
    const unsettled = await this.store.listUnsettled(span, MAX_WINDOWS + 1);
    const sources = new Set(await this.store.listSourcesWithGaps(span));
    const counted = unsettled.length > MAX_WINDOWS ? unsettled : await this.wrong(unsettled);
    for (const { sourceKey } of counted) {
      sources.add(sourceKey);
    }
    return [...sources].toSorted();
  }

  private async wrong(unsettled: readonly UnsettledCount[]): Promise<UnsettledCount[]> {
    const wrong: UnsettledCount[] = [];
    for (const source of new Set(unsettled.map(({ sourceKey }) => sourceKey))) {
      const windows = unsettled.filter(({ sourceKey }) => sourceKey === source);
      const stored = await this.events.countInWindows(source, windows);
      wrong.push(...windows.filter(({ announced }, index) => announced !== stored[index]));
    }
    return wrong;
  }
}
