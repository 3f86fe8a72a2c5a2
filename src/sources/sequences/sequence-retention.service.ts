/* Forgets counters of which nothing comes any more, and gaps that nothing can fill. */
import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { CONFIG, type Config } from '../../platform/config.js';
import { SequenceGapsStore } from './sequence-gaps.store.js';
import { SequencesStore } from './sequences.store.js';

/** Rows that are removed in one go. */
const REMOVED_AT_ONCE = 1_000;

@Injectable()
export class SequenceRetentionService {
  constructor(
    private readonly counters: SequencesStore,
    private readonly gaps: SequenceGapsStore,
    private readonly clock: Clock,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Removes what is older than events may be. */
  async forgetOld(): Promise<void> {
    const maxAgeMs = this.config.ingest.maxAgeSeconds * 1_000;
    const since = new Date(this.clock.now().getTime() - maxAgeMs);
    await this.counters.deleteIdle(since, REMOVED_AT_ONCE);
    await this.gaps.deleteOld(since, REMOVED_AT_ONCE);
  }
}
