/*
 * Aim: a worker that dies at any step leaves nothing doubled, lost or stuck.
 * Method: a process is its database and its Stripe client; both count their steps, and at the n-th one
 * the process is dead: that step and all that follow throw. For every n there is, another worker then
 * recovers.
 */
import { Fuse, MortalClient, MortalDatabase } from '../support/mortal.js';
import { type SeededInvoice, Syncing, type Worker } from '../support/syncing.js';

describe('a worker that dies', () => {
  let syncing: Syncing;

  beforeAll(async () => {
    syncing = await Syncing.start();
  });

  afterAll(async () => {
    await syncing.close();
  });

  function mortal(fuse: Fuse): Worker {
    return syncing.worker({
      database: new MortalDatabase(syncing.db.database.dataSource, fuse),
      client: (config, database) => new MortalClient(config, database, fuse),
    });
  }

  /** Lets a worker die at the n-th step, for each n until one lives; answers how many deaths there were. */
  async function dieEverywhere(afterDeath: () => Promise<void>): Promise<number> {
    for (let deadly = 1; ; deadly += 1) {
      const seeded = await syncing.seed();
      const fuse = new Fuse(deadly);
      const worker = mortal(fuse);
      await worker.push.pushOnce().catch(() => 0);
      await worker.invoiceEvents.processOnce().catch(() => 0);
      const hasLived = !fuse.isDead;
      await afterDeath();
      // The lease of the dead runs out.
      syncing.clock.advance(300_000);
      await syncing.pushAll(syncing.worker(), 3);
      const at = await syncing.atStripe(seeded.stripeCustomerId);
      const amounts = at.map(({ items }) => items.map((item) => item.amount));
      expect({ deadly, amounts }).toEqual({ deadly, amounts: [[-120, 4538]] });
      expect({ deadly, ...(await syncing.stored(seeded.invoiceId)) }).toEqual({
        deadly,
        state: 'open',
        lineItems: ['finalized', 'finalized'],
        syncs: ['succeeded', 'succeeded', 'succeeded', 'succeeded'],
        failures: [null, null],
      });
      expect(await syncing.messages(seeded.invoiceId)).toEqual(['invoice.finalized']);
      if (hasLived) {
        return deadly - 1;
      }
    }
  }

  it('at any step leaves each item once at Stripe', async () => {
    expect(await dieEverywhere(async () => await Promise.resolve())).toBeGreaterThan(50);
  });

  it('at any step, after which Stripe forgets all keys and a day goes by', async () => {
    const deaths = await dieEverywhere(async () => {
      await syncing.double.expireIdempotencyKeys();
      syncing.clock.advance(25 * 3_600_000);
    });
    expect(deaths).toBeGreaterThan(50);
  });

  /** The same while an event is processed. */
  async function dieProcessing(): Promise<number> {
    for (let deadly = 1; ; deadly += 1) {
      const seeded = await syncing.seed();
      await syncing.pushAll(syncing.worker(), 1);
      const [at] = await syncing.atStripe(seeded.stripeCustomerId);
      await syncing.sdk.invoices.pay(at?.invoice.id ?? '', { paid_out_of_band: true });
      const paid = syncing.double.state().events.filter((event) => event.type === 'invoice.paid');
      await syncing.deliver(syncing.worker(), paid.slice(-1));
      const fuse = new Fuse(deadly);
      await mortal(fuse)
        .invoiceEvents.processOnce()
        .catch(() => 0);
      const hasLived = !fuse.isDead;
      syncing.clock.advance(600_000);
      await syncing.processAll(syncing.worker(), 2);
      expect({ deadly, ...(await syncing.stored(seeded.invoiceId)) }).toMatchObject({
        deadly,
        state: 'paid',
        lineItems: ['paid', 'paid'],
      });
      expect(await syncing.messages(seeded.invoiceId)).toEqual([
        'invoice.finalized',
        'invoice.paid',
      ]);
      if (hasLived) {
        return deadly - 1;
      }
    }
  }

  it('while it processes an event leaves its effect once', async () => {
    expect(await dieProcessing()).toBeGreaterThan(8);
  });
});

describe('two workers', () => {
  let syncing: Syncing;

  beforeAll(async () => {
    syncing = await Syncing.start();
  });

  afterAll(async () => {
    await syncing.close();
  });

  it('share twenty customers, and never touch one at the same time', async () => {
    const seeded: SeededInvoice[] = [];
    for (let count = 0; count < 20; count += 1) {
      seeded.push(await syncing.seed({ amounts: [100, 200, 300] }));
    }
    syncing.double.limits({ latencyMs: 5, locks: false });
    syncing.double.resetConcurrency();
    const isDone = async (): Promise<boolean> => {
      const states = await Promise.all(
        seeded.map(async ({ invoiceId }) => (await syncing.stored(invoiceId)).state),
      );
      return states.every((state) => state === 'open');
    };
    const workers = [syncing.worker(), syncing.worker()];
    for (let minute = 0; minute < 20 && !(await isDone()); minute += 1) {
      await Promise.all(
        workers.map(async ({ push }) => {
          while ((await push.pushOnce()) > 0) {
            // There may be more.
          }
        }),
      );
      // Only between the rounds, so that no lease runs out under a call.
      syncing.clock.advance(60_000);
    }
    expect(await isDone()).toBe(true);
    expect(syncing.double.concurrency().max).toBe(1);
    for (const { stripeCustomerId } of seeded) {
      const at = await syncing.atStripe(stripeCustomerId);
      expect(at.map(({ items }) => items.length)).toEqual([3]);
    }
  });

  it('do not call when the lease has run out under them', async () => {
    const seeded = await syncing.seed();
    syncing.double.limits({ latencyMs: 0, locks: true });
    const slow = syncing.worker({
      client: (config, database) => {
        const client = syncing.client(config, database);
        const { createInvoice } = client;
        client.createInvoice = async (...input) => {
          const result = await createInvoice.apply(client, input);
          // The process stood still for an hour, and another one did the work.
          syncing.clock.advance(3_600_000);
          await syncing.pushAll(syncing.worker(), 1);
          return result;
        };
        return client;
      },
    });
    await slow.push.pushOnce();
    const at = await syncing.atStripe(seeded.stripeCustomerId);
    expect(at.map(({ items }) => items.length)).toEqual([2]);
    expect((await syncing.stored(seeded.invoiceId)).lineItems).toEqual(['finalized', 'finalized']);
    expect(await syncing.messages(seeded.invoiceId)).toEqual(['invoice.finalized']);
  });
});
