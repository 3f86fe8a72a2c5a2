import { ApiKeysService } from '../../src/platform/access/api-keys.service.js';
import { ApiKeysStore } from '../../src/platform/access/api-keys.store.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { FakeClock } from '../support/fake-clock.js';

/** A store whose database can be away. */
class BreakableStore extends ApiKeysStore {
  isAway = false;

  override async findByHash(
    tokenHash: Buffer,
  ): Promise<Awaited<ReturnType<ApiKeysStore['findByHash']>>> {
    if (this.isAway) {
      throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    }
    return await super.findByHash(tokenHash);
  }
}

describe('api keys', () => {
  let db: TestDatabase;
  let store: BreakableStore;
  let service: ApiKeysService;
  let replica: ApiKeysService;
  const clock = new FakeClock('2026-11-01T00:00:00Z');

  beforeAll(async () => {
    db = await createTestDatabase();
    store = new BreakableStore(db.database);
    service = new ApiKeysService(store, db.database, clock);
    replica = new ApiKeysService(new ApiKeysStore(db.database), db.database, clock);
  });

  afterEach(() => {
    store.isAway = false;
  });

  afterAll(async () => {
    await db.drop();
  });

  it('lets a known key in for five minutes while the database is away, and no other', async () => {
    const { key, token } = await service.create('known', ['ingest']);
    expect(await service.authenticate(token)).toEqual(key);
    store.isAway = true;
    clock.advance(60_000);
    expect(await service.authenticate(token)).toEqual(key);
    await expect(service.authenticate('mlk_other')).rejects.toThrow('ECONNREFUSED');
    clock.advance(300_000);
    await expect(service.authenticate(token)).rejects.toThrow('ECONNREFUSED');
  });

  it('lets a key that a replica revoked work for ten seconds at most', async () => {
    const { key, token } = await service.create('revoked', ['read']);
    expect(await service.authenticate(token)).toEqual(key);
    await replica.revoke(key.id);
    clock.advance(10_000);
    expect(await service.authenticate(token)).toBeNull();
  });

  it('makes one first admin key, however many replicas start at once', async () => {
    const tokens = await Promise.all(
      [service, replica, service, replica].map(async (one) => await one.ensureAdmin(undefined)),
    );
    expect(tokens.filter((token) => token !== null)).toHaveLength(1);
  });

  it('replaces the admin key of the settings when another one is set', async () => {
    const [first, second] = ['a'.repeat(32), 'b'.repeat(32)];
    await service.ensureAdmin(first);
    await service.ensureAdmin(first);
    expect(await service.authenticate(first)).toMatchObject({ scopes: ['admin'] });
    await service.ensureAdmin(second);
    clock.advance(10_000);
    expect(await service.authenticate(first)).toBeNull();
    expect(await service.authenticate(second)).toMatchObject({ scopes: ['admin'] });
    // Back to the first one.
    await service.ensureAdmin(first);
    clock.advance(10_000);
    expect(await service.authenticate(first)).toMatchObject({ scopes: ['admin'] });
  });
});
