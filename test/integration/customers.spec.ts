import { CustomersReader } from '../../src/customers/customers.reader.js';
import { CustomersService } from '../../src/customers/customers.service.js';
import { CustomersStore } from '../../src/customers/customers.store.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { FakeClock } from '../support/fake-clock.js';

const acme = {
  name: 'Acme',
  email: null,
  currency: 'usd',
  timeZone: 'Europe/Berlin',
  stripeCustomerId: null,
  metadata: {},
};

describe('customers', () => {
  let db: TestDatabase;
  let service: CustomersService;
  let reader: CustomersReader;

  beforeAll(async () => {
    db = await createTestDatabase();
    const store = new CustomersStore(db.database);
    service = new CustomersService(store, db.database, new FakeClock('2026-11-01T00:00:00Z'));
    reader = new CustomersReader(store);
  });

  afterAll(async () => {
    await db.drop();
  });

  it('is found by id and by key', async () => {
    const created = await service.create({ ...acme, key: 'acme' }, ['k1']);
    expect(await reader.get('acme')).toEqual(created);
    expect(await reader.get(created.id)).toEqual(created);
  });

  it('refuses a second customer of the same key, and keeps none of its subjects', async () => {
    await service.create({ ...acme, key: 'twin' }, []);
    await expect(service.create({ ...acme, key: 'twin' }, ['k-twin'])).rejects.toMatchObject({
      code: 'key_taken',
    });
    const other = await service.create({ ...acme, key: 'other' }, ['k-twin']);
    expect(await reader.subjectsOf(other.id)).toHaveLength(1);
  });

  it('hands a subject over at a moment, without gap or overlap', async () => {
    const before = await service.create({ ...acme, key: 'before' }, ['moves']);
    const after = await service.create({ ...acme, key: 'after' }, []);
    const moment = new Date('2026-11-10T12:00:00Z');
    await service.assignSubject('after', 'moves', moment);
    expect(await reader.subjectsOf(before.id)).toEqual([
      { subject: 'moves', customerId: before.id, startsAt: null, endsAt: moment },
    ]);
    expect(await reader.subjectsOf(after.id)).toEqual([
      { subject: 'moves', customerId: after.id, startsAt: moment, endsAt: null },
    ]);
  });

  it('refuses a subject that is owned at that time', async () => {
    await service.create({ ...acme, key: 'owner' }, ['owned']);
    await expect(service.assignSubject('after', 'owned', null)).rejects.toMatchObject({
      code: 'subject_owned',
    });
  });
});
