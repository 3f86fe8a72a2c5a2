/*
 * The life of a source and of its tokens. What requests ask of a source is cached like keys are, so
 * that ingest goes on for a while when the database is away; a change is seen by other replicas
 * within ten seconds.
 */
import { Injectable } from '@nestjs/common';
import { Clock } from '../kernel/clock.js';
import { conflict, type DomainError, notFound } from '../kernel/errors.js';
import { newId } from '../kernel/ids.js';
import { type ApiKey } from '../platform/access/api-key.js';
import { ApiKeysService, type NewApiKey } from '../platform/access/api-keys.service.js';
import { type Scope } from '../platform/access/scope.js';
import { Database } from '../platform/database/database.js';
import { ReadCache } from '../platform/database/read-cache.js';
import { type Page } from '../platform/http/page.js';
import { getFormat } from './formats/formats.js';
import { compileMapping, type Mapping } from './mapping.js';
import {
  DEFAULT_GAP_GRACE_SECONDS,
  type ReadySource,
  type RejectingRule,
  type Source,
  type SourceChanges,
} from './source.js';
import { SourcesStore } from './sources.store.js';

export type NewSource = Pick<Source, 'key' | 'name' | 'format' | 'mapping' | 'tokenPlace'> & {
  readonly expectedEvery?: number | null;
  readonly rejecting?: RejectingRule | null;
  readonly gapGrace?: number;
};

@Injectable()
export class SourcesService {
  private readonly cache = new ReadCache<ReadySource>();

  constructor(
    private readonly store: SourcesStore,
    private readonly apiKeys: ApiKeysService,
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  async create(input: NewSource): Promise<Source> {
    const source = {
      expectedEvery: null,
      rejecting: null,
      gapGrace: DEFAULT_GAP_GRACE_SECONDS,
      ...input,
      id: newId('src'),
      lastStoredAt: null,
      silentSince: null,
      rejectingSince: null,
      createdAt: this.clock.now(),
      archivedAt: null,
    };
    await this.store.insert(source);
    this.cache.clear();
    return source;
  }

  async get(idOrKey: string): Promise<Source> {
    const source = await this.store.find(idOrKey);
    if (source === null) {
      throw notFound('source', idOrKey);
    }
    return source;
  }

  async list(limit: number, before: string | null): Promise<Page<Source>> {
    return await this.store.list(limit, before);
  }

  /** Changes what may change of a source that is not archived. */
  async update(idOrKey: string, changes: SourceChanges): Promise<Source> {
    const source = await this.store.update(idOrKey, changes, this.clock.now());
    if (source === null) {
      throw archived(await this.get(idOrKey));
    }
    this.cache.clear();
    return source;
  }

  /** Ends a source for good, and all its tokens with it. Its events stay, and so its key stays taken. */
  async archive(idOrKey: string): Promise<Source> {
    const source = await this.database.transaction(async () => {
      const found = await this.store.archive(idOrKey, this.clock.now());
      if (found === null) {
        throw notFound('source', idOrKey);
      }
      await this.apiKeys.revokeOfSource(found.id);
      return found;
    });
    this.cache.clear();
    return source;
  }

  /** A source as it was read a moment ago; null when there is none. */
  async find(idOrKey: string): Promise<ReadySource | null> {
    return await this.cache.get(idOrKey, this.clock.now(), async () => {
      const source = await this.store.find(idOrKey);
      return source === null ? null : toReady(source);
    });
  }

  /** A source that may be sent to. */
  async getOpen(idOrKey: string): Promise<ReadySource> {
    const ready = await this.find(idOrKey);
    if (ready === null) {
      throw notFound('source', idOrKey);
    }
    if (ready.source.archivedAt !== null) {
      throw archived(ready.source);
    }
    return ready;
  }

  /** A new token, which is in this answer only. */
  async createToken(idOrKey: string, name: string, scopes: readonly Scope[]): Promise<NewApiKey> {
    const source = await this.get(idOrKey);
    if (source.archivedAt !== null) {
      throw archived(source);
    }
    return await this.apiKeys.createForSource(source.id, name, scopes);
  }

  async listTokens(idOrKey: string, limit: number, before: string | null): Promise<Page<ApiKey>> {
    const source = await this.get(idOrKey);
    return await this.apiKeys.list(limit, before, source.id);
  }

  async revokeToken(idOrKey: string, tokenId: string): Promise<ApiKey> {
    const source = await this.get(idOrKey);
    return await this.apiKeys.revoke(tokenId, source.id);
  }
}

/** The mapping of a source: that of its format, but for what it says itself. */
export function effectiveMapping(format: string, mapping: Partial<Mapping>): Mapping {
  return { ...getFormat(format).mapping, ...mapping };
}

function toReady(source: Source): ReadySource {
  return {
    source,
    format: getFormat(source.format),
    mapping: compileMapping(effectiveMapping(source.format, source.mapping)),
  };
}

function archived(source: Source): DomainError {
  return conflict('source_archived', `The source '${source.key}' is archived.`);
}
