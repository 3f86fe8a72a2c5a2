import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { invalidField, notFound } from '../../kernel/errors.js';
import { newId } from '../../kernel/ids.js';
import { Database } from '../database/database.js';
import { isConnectionLost } from '../database/pg-errors.js';
import { type Page } from '../http/page.js';
import { type ApiKey, hashToken, hintOf, newToken, sameHash } from './api-key.js';
import { ApiKeysStore } from './api-keys.store.js';
import { type Scope } from './scope.js';

/** How long a replica trusts what it read of a key; a revoked key works at most this long elsewhere. */
const CACHE_MS = 10_000;
/** While the database is away a key that was known works on, so that ingest can wait for it. */
const MAX_STALE_MS = 300_000;
const RETRY_MS = 1_000;
/** Unknown tokens are cached too, so that a wrong one costs no query each time; beyond this the cache is dropped. */
const MAX_CACHED = 10_000;
const ENV_KEY_NAME = 'METERLINE_ADMIN_KEY';

interface Cached {
  readonly key: ApiKey | null;
  readonly readAt: number;
  readonly until: number;
}

@Injectable()
export class ApiKeysService {
  private readonly cache = new Map<string, Cached>();

  constructor(
    private readonly store: ApiKeysStore,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** The key of a token, or null when there is none in force. */
  async authenticate(token: string): Promise<ApiKey | null> {
    const tokenHash = hashToken(token);
    const cacheKey = tokenHash.toString('latin1');
    const now = this.clock.now().getTime();
    const cached = this.cache.get(cacheKey);
    if (cached !== undefined && cached.until > now) {
      return cached.key;
    }
    const fresh = await this.read(tokenHash, now, cached);
    if (this.cache.size >= MAX_CACHED) {
      this.cache.clear();
    }
    this.cache.set(cacheKey, fresh);
    return fresh.key;
  }

  /** A new key and its token, which is in this answer only. */
  async create(name: string, scopes: readonly Scope[]): Promise<{ key: ApiKey; token: string }> {
    const token = newToken();
    const key = this.describe(name, scopes, token);
    await this.store.insert(key, hashToken(token));
    return { key, token };
  }

  async list(limit: number, before: string | null): Promise<Page<ApiKey>> {
    return await this.store.list(limit, before);
  }

  /** Ends a key at once here, and within ten seconds on other replicas. */
  async revoke(id: string): Promise<ApiKey> {
    const key = await this.store.revoke(id, this.clock.now());
    if (key === null) {
      throw notFound('API key', id);
    }
    this.cache.clear();
    return key;
  }

  /**
   * Makes sure that somebody can administer.
   *
   * @param given METERLINE_ADMIN_KEY; it replaces the one given at an earlier start
   * @returns the token of a key made now because there was none; to be shown once
   */
  async ensureAdmin(given: string | undefined): Promise<string | null> {
    return await this.database.transaction(async () => {
      const hasAdmin = await this.store.lockAndCheckAdmin();
      if (given !== undefined) {
        const tokenHash = hashToken(given);
        await this.store.revokeOthersNamed(ENV_KEY_NAME, tokenHash, this.clock.now());
        await this.store.insert(this.describe(ENV_KEY_NAME, ['admin'], given), tokenHash);
        // The settings may have gone back to an earlier key.
        await this.store.reinstate(tokenHash, ENV_KEY_NAME);
        return null;
      }
      return hasAdmin ? null : (await this.create('first admin key', ['admin'])).token;
    });
  }

  /** Reads the key; what was read before stands in for it for a while when the database is away. */
  private async read(tokenHash: Buffer, now: number, before: Cached | undefined): Promise<Cached> {
    try {
      const found = await this.store.findByHash(tokenHash);
      const key = found !== null && sameHash(found.tokenHash, tokenHash) ? found.key : null;
      return { key, readAt: now, until: now + CACHE_MS };
    } catch (error) {
      if (before === undefined || before.readAt + MAX_STALE_MS < now || !isConnectionLost(error)) {
        throw error;
      }
      return { ...before, until: now + RETRY_MS };
    }
  }

  private describe(name: string, scopes: readonly Scope[], token: string): ApiKey {
    if (scopes.length === 0) {
      throw invalidField('scopes', 'is_empty', 'must name at least one scope');
    }
    return {
      id: newId('key'),
      name,
      hint: hintOf(token),
      scopes,
      createdAt: this.clock.now(),
      revokedAt: null,
    };
  }
}
