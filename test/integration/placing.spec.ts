/*
 * Aim: whoever places line items by a look that is out of date by then changes nothing that another has
 * done meanwhile. Method: a look that answers only after something else was done, with the rest as it is.
 */
import { AsyncResource } from 'node:async_hooks';
import { DraftQueueService } from '../../src/billing/drafts/draft-queue.service.js';
import { DraftQueuesStore } from '../../src/billing/drafts/draft-queues.store.js';
import { DraftSightService } from '../../src/billing/drafts/draft-sight.service.js';
import { OwnInvoicesService } from '../../src/billing/drafts/own-invoices.service.js';
import { PlacementsService } from '../../src/billing/drafts/placements.service.js';
import { PlacingService } from '../../src/billing/drafts/placing.service.js';
import { LinksService } from '../../src/billing/customer-links/links.service.js';
import { InvoicesService } from '../../src/billing/invoices/invoices.service.js';
import { LedgerService } from '../../src/billing/ledger/ledger.service.js';
import { SubscriptionsService } from '../../src/billing/subscriptions/subscriptions.service.js';
import { Database } from '../../src/platform/database/database.js';
import { Log } from '../../src/platform/log.js';
import { StripeService } from '../../src/stripe/stripe.service.js';
import { StripeSubscriptionsService } from '../../src/stripe/subscriptions.service.js';
import { IN_THIS_DATABASE } from '../support/database.js';
import { DraftBilling, type OnDraft } from '../support/draft-billing.js';
import { eventually } from '../support/service-process.js';

type Meanwhile = () => Promise<void>;

/** Looks, and tells what it saw only after something else. */
class SlowSight extends DraftSightService {
  meanwhile: Meanwhile = async () => {
    await Promise.resolve();
  };

  override async sort(
    ...asked: Parameters<DraftSightService['sort']>
  ): ReturnType<DraftSightService['sort']> {
    const seen = await super.sort(...asked);
    await this.meanwhile();
    return seen;
  }
}

/** Bills what a subscription leaves only after something else. */
class SlowOwnInvoices extends OwnInvoicesService {
  meanwhile: Meanwhile = async () => {
    await Promise.resolve();
  };

  override async bill(...asked: Parameters<OwnInvoicesService['bill']>): Promise<void> {
    await this.meanwhile();
    await super.bill(...asked);
  }
}

describe('placing line items on drafts', () => {
  let drafts: DraftBilling;

  beforeAll(async () => {
    drafts = await DraftBilling.start();
  });

  beforeEach(async () => {
    await drafts.beginMonth();
  });

  afterAll(async () => {
    await drafts.close();
  });

  /** Another replica's, which is slow. */
  function slowReplica(): { placing: PlacingService; sight: SlowSight; own: SlowOwnInvoices } {
    const { billing } = drafts;
    const get = billing.get.bind(billing);
    const invoices = get(InvoicesService);
    const sight = new SlowSight(
      get(StripeService),
      get(StripeSubscriptionsService),
      get(LinksService),
      invoices,
      get(DraftQueuesStore),
    );
    const own = new SlowOwnInvoices(invoices, get(LedgerService), drafts.clock);
    const placing = new PlacingService(
      get(DraftQueuesStore),
      sight,
      get(PlacementsService),
      own,
      get(Database),
      drafts.clock,
      get(Log),
    );
    return { placing, sight, own };
  }

  async function wake({ stripeSubscriptionId }: OnDraft): Promise<void> {
    await drafts.billing.get(DraftQueueService).wake(stripeSubscriptionId);
  }

  async function customerAtStripe(on: OnDraft, id: string): Promise<void> {
    await drafts.billing.rows('UPDATE customers SET stripe_customer_id = $2 WHERE id = $1', [
      on.customer.id,
      id,
    ]);
  }

  it('does not fail what another replica has placed while it looked', async () => {
    const on = await drafts.subscribe();
    const draft = await drafts.renew(on);
    await drafts.billing.closeAllDue();
    const { placing, sight } = slowReplica();
    // What it sees: the subscription at Stripe is another customer's.
    await customerAtStripe(on, 'cus_somebody_else');
    sight.meanwhile = async () => {
      await customerAtStripe(on, on.stripeCustomerId);
      await wake(on);
      await drafts.work();
    };
    expect(await placing.placeOnce()).toBe(1);
    await drafts.work();
    expect(await drafts.atStripe(on)).toEqual({ [draft]: [0, 500] });
    expect((await drafts.lines(on)).map(({ failure }) => failure)).toEqual([null, null]);
  });

  it('does not bill on its own once more what another replica is billing', async () => {
    const on = await drafts.subscribe();
    const { subscription } = on;
    await drafts.renew(on);
    await drafts.billing
      .get(SubscriptionsService)
      .cancel(subscription.id, { when: 'now', bill: 'at_once' });
    await drafts.billing.closeAllDue();
    const { placing, own } = slowReplica();
    // Of nobody's transaction.
    const outside = new AsyncResource('another replica');
    let other: Promise<unknown> = Promise.resolve();
    own.meanwhile = async () => {
      own.meanwhile = async () => {
        await Promise.resolve();
      };
      await outside.runInAsyncScope(async () => {
        let isDone = false;
        other = (async () => {
          await wake(on);
          await drafts.billing.get(PlacingService).placeOnce();
        })().finally(() => {
          isDone = true;
        });
        // It ends, or waits for us.
        await eventually(async () => {
          const waiting = await drafts.billing.rows(
            `SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND ${IN_THIS_DATABASE}`,
          );
          return isDone || waiting.length > 0;
        });
      });
    };
    // Twice, if what was woken is taken by another lane of its own.
    expect(await placing.placeOnce()).toBeGreaterThan(0);
    await other;
    await drafts.work();
    const [lines] = Object.values(await drafts.atStripe(on));
    expect(lines).toEqual([0, 500]);
    const invoices = await drafts.billing.rows(
      `SELECT (SELECT count(*)::integer FROM line_items WHERE invoice_id = invoice.id) AS lines
       FROM invoices AS invoice WHERE customer_id = $1`,
      [on.customer.id],
    );
    expect(invoices).toEqual([{ lines: 2 }]);
  });

  describe('when Stripe does not answer about many', () => {
    /** Renewed subscriptions with line items that wait, the first ones those that Stripe is slow about. */
    const waiting = async (count: number): Promise<OnDraft[]> => {
      const all: OnDraft[] = [];
      for (let made = 0; made < count; made += 1) {
        all.push(await drafts.subscribe());
      }
      drafts.clock.set(drafts.month(1));
      for (const on of all) {
        await drafts.double.renew(on.stripeSubscriptionId, drafts.month(1));
      }
      await drafts.billing.closeAllDue();
      return all;
    };
    /** Lets looks at some subscriptions wait until it is told to go on. */
    const hold = (sight: SlowSight, of: readonly OnDraft[]): (() => void) => {
      const held = new Set(of.map((on) => on.stripeSubscriptionId));
      let release = (): void => undefined;
      const released = new Promise<void>((resolve) => {
        release = resolve;
      });
      const sort = sight.sort.bind(sight);
      sight.sort = async (queue, items) => {
        if (held.has(queue.stripeSubscriptionId)) {
          await released;
        }
        return await sort(queue, items);
      };
      return release;
    };
    const isPlaced = async (on: OnDraft): Promise<boolean> =>
      (await drafts.lines(on)).every(({ stripe_invoice_id: at }) => at !== null);

    it('places what is new beside what has failed before', async () => {
      const all = await waiting(13);
      const [healthy, blocked] = [all.at(-1)!, all.slice(0, -1)];
      await drafts.billing.rows(
        `UPDATE draft_queues SET attempt_count = 3, next_look_at = next_look_at - interval '1 hour'
         WHERE stripe_subscription_id = ANY ($1)`,
        [blocked.map((on) => on.stripeSubscriptionId)],
      );
      const { placing, sight } = slowReplica();
      const release = hold(sight, blocked);
      const again = placing.placeOnce('again');
      expect(await placing.placeOnce('new')).toBe(1);
      expect(await isPlaced(healthy)).toBe(true);
      release();
      expect(await again).toBe(blocked.length);
      expect(await Promise.all(all.map(isPlaced))).not.toContain(false);
    });

    it('places one after another while some lanes wait', async () => {
      const all = await waiting(12);
      const [slow, quick] = [all.slice(0, 7), all.slice(7)];
      await drafts.billing.rows(
        `UPDATE draft_queues SET next_look_at = next_look_at - interval '1 hour'
         WHERE stripe_subscription_id = ANY ($1)`,
        [slow.map((on) => on.stripeSubscriptionId)],
      );
      const { placing, sight } = slowReplica();
      const release = hold(sight, slow);
      const run = placing.placeOnce('new');
      await eventually(async () => !(await Promise.all(quick.map(isPlaced))).includes(false));
      expect(await Promise.all(slow.map(isPlaced))).not.toContain(true);
      release();
      expect(await run).toBe(12);
    });
  });
});
