import { Injectable } from '@nestjs/common';
import { Clock } from '../../kernel/clock.js';
import { invalidField, notFound } from '../../kernel/errors.js';
import { newId } from '../../kernel/ids.js';
import { Database } from '../database/database.js';
import { ReadCache } from '../database/read-cache.js';
import { type Page } from '../http/page.js';
import { type ApiKey, hashToken, hintOf, newToken, sameHash } from './api-key.js';
import { ApiKeysStore } from './api-keys.store.js';
import { type Scope } from './scope.js';

const ENV_KEY_NAME = 'METERLINE_ADMIN_KEY';

/** A key and its token, which is shown once. */
export interface NewApiKey {
  readonly key: ApiKey;
  readonly token: string;
}

@Injectable()
export class ApiKeysService {
  private readonly cache = new ReadCache<ApiKey>();

  constructor(
    private readonly store: ApiKeysStore,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** The key of a token, or null when there is none in force. */
  async authenticate(token: string): Promise<ApiKey | null> {
    const tokenHash = hashToken(token);
    return await this.cache.get(tokenHash.toString('latin1'), this.clock.now(), async () => {
      const found = await this.store.findByHash(tokenHash);
      return found !== null && sameHash(found.tokenHash, tokenHash) ? found.key : null;
    });
  }

  /** A new key and its token, which is in this answer only. */
  async create(name: string, scopes: readonly Scope[]): Promise<NewApiKey> {
    return await this.insert(this.describe(name, scopes), newToken());
  }

  /** A new key that is taken only where this source is sent to. */
  async createForSource(
    sourceId: string,
    name: string,
    scopes: readonly Scope[],
  ): Promise<NewApiKey> {
    return await this.insert({ ...this.describe(name, scopes), sourceId }, newToken());
  }

  /** Keys, newest first; with a source only its own. */
  async list(
    limit: number,
    before: string | null,
    sourceId: string | null = null,
  ): Promise<Page<ApiKey>> {
    return await this.store.list(limit, before, sourceId);
  }

  /**
   * Ends a key at once here, and within ten seconds on other replicas.
   *
   * @param sourceId when given, it must be a key of this source
   */
  async revoke(id: string, sourceId: string | null = null): Promise<ApiKey> {
    const key = await this.store.revoke(id, sourceId, this.clock.now());
    if (key === null) {
      throw notFound(sourceId === null ? 'API key' : 'token', id);
    }
    this.cache.clear();
    return key;
  }

  /** Ends all keys of a source. */
  async revokeOfSource(sourceId: string): Promise<void> {
    await this.store.revokeOfSource(sourceId, this.clock.now());
    this.cache.clear();
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
        await this.insert(this.describe(ENV_KEY_NAME, ['admin']), given);
        // The settings may have gone back to an earlier key.
        await this.store.reinstate(tokenHash, ENV_KEY_NAME);
        return null;
      }
      return hasAdmin ? null : (await this.create('first admin key', ['admin'])).token;
    });
  }

  private async insert(key: Omit<ApiKey, 'hint'>, token: string): Promise<NewApiKey> {
    const hinted = { ...key, hint: hintOf(token) };
    await this.store.insert(hinted, hashToken(token));
    return { key: hinted, token };
  }

  private describe(name: string, scopes: readonly Scope[]): Omit<ApiKey, 'hint'> {
    if (scopes.length === 0) {
      throw invalidField('scopes', 'is_empty', 'must name at least one scope');
    }
    return {
      id: newId('key'),
      name,
      scopes,
      sourceId: null,
      createdAt: this.clock.now(),
      revokedAt: null,
    };
  }
}
