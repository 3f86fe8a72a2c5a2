/*
 * Aim: a worker that dies at any step leaves nothing doubled, lost or stuck.
 * Method: a process is its database and its Stripe client; both count their steps, and at the n-th one
 * the process is dead: that step and all that follow throw. Another worker then recovers, for each n in
 * strides, or every n there is with EVERY_STEP=1.
 */
import { Fuse, mortalWorker, strideOf } from '../support/mortal.js';
import { type FaultOrder } from '../support/stripe-double/faults.js';
import { type SeededInvoice, Syncing } from '../support/syncing.js';

describe('a worker that dies', () => {
  let syncing: Syncing;

  beforeAll(async () => {
    syncing = await Syncing.start();
  });

  afterAll(async () => {
    await syncing.close();
  });

  /** Lets a worker die at the n-th step, for each n until one lives; answers how many deaths there were. */
  async function dieEverywhere({
    amounts = [-120, 4538],
    fault,
    stride,
    afterDeath = async () => await Promise.resolve(),
  }: {
    amounts?: number[];
    /** What Stripe does wrong besides; the worker then comes back for a second time. */
    fault?: FaultOrder;
    /** Of how many steps it dies at one. */
    stride: number;
    afterDeath?: () => Promise<void>;
  }): Promise<number> {
    for (let deadly = 1; ; deadly += strideOf(stride)) {
      const seeded = await syncing.seed({ amounts });
      const fuse = new Fuse(deadly);
      const worker = mortalWorker(syncing, fuse);
      if (fault !== undefined) {
        syncing.double.clearFaults();
        syncing.double.orderFault(fault);
        await worker.push.pushOnce().catch(() => 0);
        syncing.clock.advance(60_000);
      }
      await worker.push.pushOnce().catch(() => 0);
      await worker.invoiceEvents.processOnce().catch(() => 0);
      const hasLived = !fuse.isDead;
      await afterDeath();
      // The lease of the dead runs out.
      syncing.clock.advance(300_000);
      await syncing.pushAll(syncing.worker(), 3);
      const at = await syncing.atStripe(seeded.stripeCustomerId);
      const found = at.map(({ items }) =>
        items.map((item) => item.amount).toSorted((a, b) => a - b),
      );
      expect({ deadly, found }).toEqual({ deadly, found: [amounts] });
      expect({ deadly, ...(await syncing.stored(seeded.invoiceId)) }).toEqual({
        deadly,
        state: 'open',
        lineItems: amounts.map(() => 'finalized'),
        syncs: ['succeeded', ...amounts.map(() => 'succeeded'), 'succeeded'],
        failures: amounts.map(() => null),
      });
      expect(await syncing.messages(seeded.invoiceId)).toEqual(['invoice.finalized']);
      if (hasLived) {
        return deadly - 1;
      }
    }
  }

  it('leaves items that go together once at Stripe', async () => {
    expect(await dieEverywhere({ stride: 2 })).toBeGreaterThan(50);
  });

  it('leaves an item that goes alone once at Stripe', async () => {
    expect(await dieEverywhere({ amounts: [4538], stride: 5 })).toBeGreaterThan(40);
  });

  it('leaves each once, though items that went together go on alone', async () => {
    const fault = {
      method: 'POST',
      path: '/add_lines$',
      kind: 'error_500_before',
      stored: true,
    } as const;
    expect(await dieEverywhere({ fault, stride: 8 })).toBeGreaterThan(80);
  });

  it('leaves each once, though Stripe forgets all keys and a day goes by', async () => {
    const afterDeath = async (): Promise<void> => {
      await syncing.double.expireIdempotencyKeys();
      syncing.clock.advance(25 * 3_600_000);
    };
    expect(await dieEverywhere({ afterDeath, stride: 3 })).toBeGreaterThan(50);
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
      await mortalWorker(syncing, fuse)
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
