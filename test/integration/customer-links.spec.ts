/*
 * Aim: a customer becomes one of Stripe's exactly once, and never by a guess.
 * Method: as of push.spec: the real services and database, and a double that is told what to do wrong.
 */
import { type Stripe } from 'stripe';
import { CUSTOMER_METADATA, type LinkWish } from '../../src/billing/customer-links/link.js';
import { type CustomerAtStripe } from '../../src/billing/customer-links/links.service.js';
import { CustomersService } from '../../src/customers/customers.service.js';
import { CustomersStore } from '../../src/customers/customers.store.js';
import { factory } from '../support/factory.js';
import { Fuse, mortalWorker, strideOf } from '../support/mortal.js';
import { Syncing } from '../support/syncing.js';

const MINUTE_MS = 60_000;

let syncing: Syncing;

beforeAll(async () => {
  syncing = await Syncing.start();
});

afterEach(() => {
  syncing.double.clearFaults();
});

afterAll(async () => {
  await syncing.close();
});

const customers = (): CustomersService =>
  new CustomersService(new CustomersStore(syncing.db.database), syncing.db.database, syncing.clock);

const customer = async (overrides: Parameters<typeof factory.customer>[0] = {}): Promise<string> =>
  (await customers().create(factory.customer(overrides), [])).id;

const atStripe = async (params: Stripe.CustomerCreateParams): Promise<string> => {
  const { id } = await syncing.sdk.customers.create(params);
  // Until it can be found by searching.
  syncing.clock.advance(2 * MINUTE_MS);
  return id;
};

const link = async (id: string, wish: LinkWish): Promise<CustomerAtStripe> => {
  const worker = syncing.worker();
  await worker.links.request(id, wish);
  await syncing.pushAll(worker);
  return await worker.links.find(id);
};

/** Those at Stripe that name the customer. */
const namesakes = async (id: string): Promise<Stripe.Customer[]> => {
  const all = await syncing.sdk.customers.list({ limit: 100 });
  return all.data.filter(({ metadata }) => metadata[CUSTOMER_METADATA] === id);
};

describe('a customer that is created at Stripe', () => {
  it('has our id in its metadata, and is recorded with the account', async () => {
    const id = await customer({ name: 'Acme', email: 'ap@acme.example' });
    const found = await link(id, { how: 'create' });
    const [created, ...others] = await namesakes(id);
    expect(others).toEqual([]);
    expect(created).toMatchObject({ name: 'Acme', email: 'ap@acme.example' });
    expect(found.customer.stripeCustomerId).toBe(created?.id);
    expect(found.link).toMatchObject({
      state: 'linked',
      stripeCustomerId: created?.id,
      stripeAccountId: syncing.double.state().id,
    });
    await expect(link(id, { how: 'create' })).rejects.toMatchObject({ code: 'already_linked' });
  });

  it.each([
    ['dropped before', { kind: 'drop_before', times: 2 }],
    ['done, then dropped', { kind: 'commit_then_drop', times: 3 }],
    ['done, but answered 500', { kind: 'error_500_after_commit' }],
    ['not done, a 500 kept under the key', { kind: 'error_500_before', stored: true }],
    ['answered a 429 kept under the key', { kind: 'error_429', stored: true }],
    ['slower than the timeout, working late', { kind: 'slow', delayMs: 900, when: 'before' }],
  ] as const)('is there once when it is %s', async (_, fault) => {
    const id = await customer();
    syncing.double.orderFault({ method: 'POST', path: '^/v1/customers$', ...fault });
    const config = fault.kind === 'slow' ? syncing.impatient : syncing.config;
    const worker = syncing.worker({ config });
    await worker.links.request(id, { how: 'create' });
    await syncing.pushAll(worker);
    await syncing.quiet();
    await syncing.pushAll();
    const [created, ...others] = await namesakes(id);
    expect(others).toEqual([]);
    const found = await syncing.worker().links.find(id);
    expect(found.customer.stripeCustomerId).toBe(created?.id);
    expect(found.link?.state).toBe('linked');
  });

  it('is there once when Stripe has forgotten the key, and searching finds nothing yet', async () => {
    const id = await customer();
    const path = '^/v1/customers$';
    syncing.double.orderFault({ method: 'POST', path, kind: 'commit_then_drop', times: 2 });
    const worker = syncing.worker();
    await worker.links.request(id, { how: 'create' });
    await worker.push.pushOnce();
    await syncing.double.expireIdempotencyKeys();
    await syncing.pushAll(worker);
    expect(await namesakes(id)).toHaveLength(1);
  });

  it('is there once wherever the process dies', async () => {
    for (let deadly = 1, hasLived = false; !hasLived; deadly += strideOf(3)) {
      const id = await customer();
      await syncing.worker().links.request(id, { how: 'create' });
      const fuse = new Fuse(deadly);
      await mortalWorker(syncing, fuse)
        .push.pushOnce()
        .catch(() => 0);
      hasLived = !fuse.isDead;
      syncing.clock.advance(5 * MINUTE_MS);
      await syncing.pushAll(syncing.worker(), 2);
      const ids = (await namesakes(id)).map((one) => one.id);
      const found = await syncing.worker().links.find(id);
      expect({ deadly, ids, state: found.link?.state }).toEqual({
        deadly,
        ids: [found.customer.stripeCustomerId],
        state: 'linked',
      });
    }
  });

  it('is the one that names ours already', async () => {
    const id = await customer();
    const known = await atStripe({ metadata: { [CUSTOMER_METADATA]: id } });
    expect((await link(id, { how: 'create' })).customer.stripeCustomerId).toBe(known);
  });
});

describe('a customer that is matched', () => {
  const failed = async (id: string, wish: LinkWish): Promise<unknown> => {
    const { customer: found, link: last } = await link(id, wish);
    expect(found.stripeCustomerId).toBeNull();
    expect(last?.state).toBe('failed');
    return { code: last?.failureCode, message: last?.lastError };
  };

  it('by metadata has our id or our key there', async () => {
    for (const by of ['id', 'key'] as const) {
      const key = `it-s-${by}`;
      const id = await customer({ key });
      const named = await atStripe({
        metadata: { [CUSTOMER_METADATA]: by === 'id' ? id : key },
      });
      expect((await link(id, { how: 'metadata' })).customer.stripeCustomerId).toBe(named);
    }
  });

  it('by metadata is none that has the same name and e-mail only', async () => {
    const person = { name: 'Acme', email: 'same@acme.example' };
    const id = await customer(person);
    await atStripe(person);
    expect(await failed(id, { how: 'metadata' })).toMatchObject({ code: 'not_found' });
  });

  it.each(['metadata', 'create'] as const)(
    'by %s is refused when there are two, and they are named',
    async (how) => {
      const id = await customer();
      const two = [
        await atStripe({ metadata: { [CUSTOMER_METADATA]: id } }),
        await atStripe({ metadata: { [CUSTOMER_METADATA]: id } }),
      ];
      const { code, message } = (await failed(id, { how })) as { code: string; message: string };
      expect(code).toBe('ambiguous');
      two.forEach((one) => {
        expect(message).toContain(one);
      });
    },
  );

  it('by id is the one, and may be asked for again after a failure', async () => {
    const id = await customer();
    const missing = { how: 'id', stripeCustomerId: 'cus_none123' } as const;
    expect(await failed(id, missing)).toMatchObject({ code: 'not_found' });
    const stripeCustomerId = await atStripe({});
    const found = await link(id, { how: 'id', stripeCustomerId });
    expect(found.customer.stripeCustomerId).toBe(stripeCustomerId);
  });

  it('by id is not one that was deleted, has another currency, or belongs to somebody else', async () => {
    const deleted = await atStripe({});
    await syncing.sdk.customers.del(deleted);
    const euro = await atStripe({});
    await syncing.sdk.invoiceItems.create({ customer: euro, amount: 100, currency: 'eur' });
    const taken = await atStripe({});
    await customer({ stripeCustomerId: taken });
    for (const [stripeCustomerId, code] of [
      [deleted, 'not_found'],
      [euro, 'currency_mismatch'],
      [taken, 'taken'],
    ] as const) {
      const id = await customer();
      expect(await failed(id, { how: 'id', stripeCustomerId })).toMatchObject({ code });
    }
  });

  it('is linked one way at a time', async () => {
    const id = await customer();
    const { links } = syncing.worker();
    await links.request(id, { how: 'metadata' });
    await expect(links.request(id, { how: 'create' })).rejects.toMatchObject({
      code: 'link_pending',
    });
    await syncing.pushAll();
  });
});

describe('an invoice of a customer that Stripe does not know', () => {
  it('waits while the customer is being linked', async () => {
    const seeded = await syncing.seed({ hasStripeCustomer: false });
    const worker = syncing.worker();
    await worker.links.request(seeded.customerId, { how: 'create' });
    syncing.double.orderFault({ path: '^/v1/customers', kind: 'html_503', times: 2 });
    await syncing.pushAll(worker, 1);
    expect((await syncing.stored(seeded.invoiceId)).lineItems).toEqual(['pending', 'pending']);
    await syncing.pushAll(worker);
    expect(await syncing.stored(seeded.invoiceId)).toMatchObject({ state: 'open' });
  });

  it('makes the customer, once for all invoices, with STRIPE_CREATE_CUSTOMERS', async () => {
    const stripe = { ...syncing.config.stripe, isCreatingCustomers: true };
    const worker = syncing.worker({ config: { ...syncing.config, stripe } });
    const amounts = Array.from({ length: 251 }, () => 100);
    const seeded = await syncing.seed({ hasStripeCustomer: false, amounts });
    syncing.double.orderFault({
      method: 'POST',
      path: '^/v1/customers$',
      kind: 'commit_then_drop',
    });
    await syncing.pushAll(worker);
    const [created, ...others] = await namesakes(seeded.customerId);
    expect(others).toEqual([]);
    const states = (await syncing.atStripe(created?.id ?? '')).map(({ invoice }) => invoice.status);
    expect(states).toEqual(['open', 'open']);
  });
});
