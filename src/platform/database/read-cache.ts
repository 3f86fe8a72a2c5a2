/*
 * What the hot path asks of the database with every request, such as who a key belongs to: trusted
 * for a while, and for longer while the database is away, so that ingest can wait for it.
 */
import { isDatabaseAway } from './pg-errors.js';

/** How long a replica trusts what it read; what another one changed is seen after this long at most. */
const CACHE_MS = 10_000;
const MAX_STALE_MS = 300_000;
const RETRY_MS = 1_000;
/** What is not there is cached too, so that it costs no query each time; beyond this the cache is dropped. */
const MAX_CACHED = 10_000;

interface Cached<Value> {
  readonly value: Value | null;
  readonly readAt: number;
  readonly until: number;
}

export class ReadCache<Value> {
  private readonly cache = new Map<string, Cached<Value>>();

  /** The value of this name as it was read a moment ago, or as `read` answers; null when there is none. */
  async get(name: string, now: Date, read: () => Promise<Value | null>): Promise<Value | null> {
    const nowMs = now.getTime();
    const cached = this.cache.get(name);
    if (cached !== undefined && cached.until > nowMs) {
      return cached.value;
    }
    const fresh = await this.refresh(cached, nowMs, read);
    if (this.cache.size >= MAX_CACHED) {
      this.cache.clear();
    }
    this.cache.set(name, fresh);
    return fresh.value;
  }

  /** Forgets everything, after a change. */
  clear(): void {
    this.cache.clear();
  }

  /** Reads the value; what was read before stands in for it for a while when the database is away. */
  private async refresh(
    before: Cached<Value> | undefined,
    now: number,
    read: () => Promise<Value | null>,
  ): Promise<Cached<Value>> {
    try {
      return { value: await read(), readAt: now, until: now + CACHE_MS };
    } catch (error) {
      if (before === undefined || before.readAt + MAX_STALE_MS < now || !isDatabaseAway(error)) {
        throw error;
      }
      return { ...before, until: now + RETRY_MS };
    }
  }
}
