/*
 * Aim: a process that dies at any step of filling a draft of Stripe's leaves nothing doubled, lost or stuck.
 * Method: a second application on the same database counts its statements and calls, and at the n-th one
 * it is dead. For every n there is, the first application then recovers.
 */
import { Test } from '@nestjs/testing';
import { AppModule } from '../../src/app.module.js';
import { PlacingService } from '../../src/billing/drafts/placing.service.js';
import { InvoiceEventsService } from '../../src/billing/invoices/invoice-events.service.js';
import { PushService } from '../../src/billing/sync/push.service.js';
import { Clock } from '../../src/kernel/clock.js';
import { Database } from '../../src/platform/database/database.js';
import { StripeClient } from '../../src/stripe/stripe.client.js';
import { silentLog, testConfig } from '../support/config.js';
import { DraftBilling, type DraftWorker, type OnDraft } from '../support/draft-billing.js';
import { Fuse, MortalClient, MortalDatabase, strideOf } from '../support/mortal.js';

const HOUR_MS = 3_600_000;

describe('a process that dies while it fills drafts', () => {
  let drafts: DraftBilling;
  let fuse: Fuse;
  let mortal: DraftWorker;
  let closeMortal: () => Promise<void>;

  beforeAll(async () => {
    drafts = await DraftBilling.start();
    fuse = new Fuse(Infinity);
    ({ mortal, close: closeMortal } = await startMortal());
  });

  afterAll(async () => {
    await closeMortal();
    await drafts.close();
  });

  async function startMortal(): Promise<{ mortal: DraftWorker; close: () => Promise<void> }> {
    const { database } = drafts.billing.db;
    const config = testConfig({ METERLINE_ROLE: 'api', ...drafts.env });
    const mortalDatabase = new MortalDatabase(database.dataSource, fuse);
    const module = await Test.createTestingModule({
      imports: [
        AppModule.with({
          config,
          log: silentLog,
          dataSource: database.dataSource,
          databaseUrl: drafts.billing.db.url,
        }),
      ],
    })
      .overrideProvider(Clock)
      .useValue(drafts.clock)
      .overrideProvider(Database)
      .useValue(mortalDatabase)
      .overrideProvider(StripeClient)
      .useValue(new MortalClient(config, mortalDatabase, fuse))
      .setLogger(silentLog)
      .compile();
    return {
      mortal: {
        placing: module.get(PlacingService),
        push: module.get(PushService),
        invoiceEvents: module.get(InvoiceEventsService),
      },
      close: async () => {
        fuse.set(Infinity);
        await module.close();
      },
    };
  }

  /** Everything that the dying process does about a draft, as far as it comes. */
  async function die(): Promise<void> {
    await mortal.invoiceEvents.processOnce().catch(() => 0);
    await mortal.placing.placeOnce().catch(() => 0);
    await mortal.push.pushOnce().catch(() => 0);
  }

  async function expectEachOnce(on: OnDraft, deadly: number, carriers: string[]): Promise<void> {
    const lines = await drafts.lines(on);
    const times = drafts.timesAtStripe();
    expect({ deadly, times: lines.map((line) => times.get(line.id)) }).toEqual({
      deadly,
      times: [1, 1],
    });
    expect({ deadly, states: lines.map((line) => line.state) }).toEqual({
      deadly,
      states: carriers.length === 1 ? ['on_invoice', 'on_invoice'] : expect.anything(),
    });
    expect(carriers).toEqual(expect.arrayContaining(lines.map((line) => line.stripe_invoice_id)));
  }

  /** Lets the process die at every n-th step until it lives; answers at which step it did. */
  async function dieEverywhere(
    stride: number,
    afterDeath: (on: OnDraft, draft: string) => Promise<string[]>,
  ): Promise<number> {
    for (let deadly = 1; ; deadly += strideOf(stride)) {
      fuse.set(Infinity);
      await drafts.beginMonth();
      const on = await drafts.subscribe();
      const draft = await drafts.renew(on);
      await drafts.billing.closeAllDue();
      await drafts.deliver(drafts.eventsOf(draft));
      fuse.set(deadly);
      await die();
      const hasLived = !fuse.isDead;
      // The leases of the dead run out.
      drafts.clock.advance(600_000);
      const carriers = await afterDeath(on, draft);
      await drafts.work(2);
      await expectEachOnce(on, deadly, carriers);
      if (hasLived) {
        return deadly;
      }
    }
  }

  it('leaves each line item once at Stripe', async () => {
    const deaths = await dieEverywhere(3, async (_, draft) => await Promise.resolve([draft]));
    expect(deaths).toBeGreaterThan(50);
  });

  it('leaves each once, though the draft is final then and Stripe has forgotten all keys', async () => {
    const deaths = await dieEverywhere(5, async (on, draft) => {
      await drafts.double.expireIdempotencyKeys();
      drafts.clock.advance(25 * HOUR_MS);
      await drafts.double.finalizeDue();
      await drafts.work(1);
      return [draft, await drafts.renewQuietly(on)];
    });
    expect(deaths).toBeGreaterThan(50);
  });
});
