/*
 * Aim: ingest through a source goes on while the database is away, and what another replica changed
 * of it is seen.
 * Method: two services on one database, one of which has a store that can be away.
 */
import { ApiKeysService } from '../../src/platform/access/api-keys.service.js';
import { ApiKeysStore } from '../../src/platform/access/api-keys.store.js';
import { SourcesService } from '../../src/sources/sources.service.js';
import { SourcesStore } from '../../src/sources/sources.store.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { FakeClock } from '../support/fake-clock.js';

class BreakableStore extends SourcesStore {
  isAway = false;

  override async find(idOrKey: string): Promise<Awaited<ReturnType<SourcesStore['find']>>> {
    if (this.isAway) {
      throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    }
    return await super.find(idOrKey);
  }
}

describe('sources', () => {
  let db: TestDatabase;
  let store: BreakableStore;
  let apiKeys: ApiKeysService;
  let service: SourcesService;
  let replica: SourcesService;
  const clock = new FakeClock('2026-11-01T00:00:00Z');

  beforeAll(async () => {
    db = await createTestDatabase();
    store = new BreakableStore(db.database);
    apiKeys = new ApiKeysService(new ApiKeysStore(db.database), db.database, clock);
    service = new SourcesService(store, apiKeys, db.database, clock);
    replica = new SourcesService(new SourcesStore(db.database), apiKeys, db.database, clock);
  });

  afterEach(() => {
    store.isAway = false;
  });

  afterAll(async () => {
    await db.drop();
  });

  const create = async (key: string): Promise<void> => {
    await service.create({ key, name: key, format: 'json', mapping: {}, tokenPlace: null });
  };

  it('are known for five minutes while the database is away', async () => {
    await create('known');
    expect(await service.getOpen('known')).toMatchObject({ source: { key: 'known' } });
    store.isAway = true;
    clock.advance(290_000);
    expect(await service.getOpen('known')).toMatchObject({ source: { key: 'known' } });
    await expect(service.getOpen('other')).rejects.toThrow('ECONNREFUSED');
    clock.advance(20_000);
    await expect(service.getOpen('known')).rejects.toThrow('ECONNREFUSED');
  });

  it('take nothing more ten seconds after a replica has archived them', async () => {
    await create('shared');
    const { token } = await service.createToken('shared', 'gateway', ['ingest']);
    expect(await service.getOpen('shared')).toBeDefined();
    expect(await apiKeys.authenticate(token)).toMatchObject({ scopes: ['ingest'] });
    await replica.archive('shared');
    clock.advance(10_000);
    await expect(service.getOpen('shared')).rejects.toMatchObject({ code: 'source_archived' });
    expect(await apiKeys.authenticate(token)).toBeNull();
  });

  it('are mapped anew ten seconds after a replica has changed them', async () => {
    await create('moved');
    expect((await service.getOpen('moved')).mapping.subject).toEqual([['subject']]);
    await replica.update('moved', { mapping: { subject: '$.user' } });
    clock.advance(10_000);
    expect((await service.getOpen('moved')).mapping.subject).toEqual([['user']]);
  });
});
