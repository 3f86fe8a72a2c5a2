import { Stripe } from 'stripe';
import { LinksService } from '../../src/billing/customer-links/links.service.js';
import { LinksStore } from '../../src/billing/customer-links/links.store.js';
import { DraftQueueService } from '../../src/billing/drafts/draft-queue.service.js';
import { DraftQueuesStore } from '../../src/billing/drafts/draft-queues.store.js';
import { OwnInvoicesService } from '../../src/billing/drafts/own-invoices.service.js';
import { StripeDraftsStore } from '../../src/billing/drafts/stripe-drafts.store.js';
import { UnplacedService } from '../../src/billing/drafts/unplaced.service.js';
import { DraftEventsService } from '../../src/billing/invoices/draft-events.service.js';
import { FollowingService } from '../../src/billing/invoices/following.service.js';
import { InvoiceEventsService } from '../../src/billing/invoices/invoice-events.service.js';
import { InvoicesService } from '../../src/billing/invoices/invoices.service.js';
import { InvoicesStore } from '../../src/billing/invoices/invoices.store.js';
import { LedgerReader } from '../../src/billing/ledger/ledger.reader.js';
import { LedgerService } from '../../src/billing/ledger/ledger.service.js';
import { LedgerStore } from '../../src/billing/ledger/ledger.store.js';
import { CallsService } from '../../src/billing/sync/calls.service.js';
import { StandingService } from '../../src/billing/standing/standing.service.js';
import { StandingsReader } from '../../src/billing/standing/standings.reader.js';
import { StandingsStore } from '../../src/billing/standing/standings.store.js';
import { DraftPushService } from '../../src/billing/sync/draft-push.service.js';
import { FinalizePushService } from '../../src/billing/sync/finalize-push.service.js';
import { ItemPushService } from '../../src/billing/sync/item-push.service.js';
import { LeasesService } from '../../src/billing/sync/leases.service.js';
import { LeasesStore } from '../../src/billing/sync/leases.store.js';
import { LinesPushService } from '../../src/billing/sync/lines-push.service.js';
import { LinkPushService } from '../../src/billing/sync/link-push.service.js';
import { PushStepsService } from '../../src/billing/sync/push-steps.service.js';
import { PushService } from '../../src/billing/sync/push.service.js';
import { RecordingService } from '../../src/billing/sync/recording.service.js';
import { RetryService } from '../../src/billing/sync/retry.service.js';
import { SyncQueueService } from '../../src/billing/sync/sync-queue.service.js';
import { SyncsStore } from '../../src/billing/sync/syncs.store.js';
import { CustomersReader } from '../../src/customers/customers.reader.js';
import { CustomersService } from '../../src/customers/customers.service.js';
import { CustomersStore } from '../../src/customers/customers.store.js';
import { newId } from '../../src/kernel/ids.js';
import { type Config } from '../../src/platform/config.js';
import { type Database } from '../../src/platform/database/database.js';
import { PlansReader } from '../../src/pricing/plans.reader.js';
import { PlansStore } from '../../src/pricing/plans.store.js';
import { EventPollService } from '../../src/stripe/event-poll.service.js';
import { EventPollStore } from '../../src/stripe/event-poll.store.js';
import { ProviderEventsReader } from '../../src/stripe/provider-events.reader.js';
import { ProviderEventsService } from '../../src/stripe/provider-events.service.js';
import { ProviderEventsStore } from '../../src/stripe/provider-events.store.js';
import { RateLimiterService } from '../../src/stripe/rate-limiter.service.js';
import { RateLimitsStore } from '../../src/stripe/rate-limits.store.js';
import { StripeReachability } from '../../src/stripe/stripe-reachability.reader.js';
import { StripeCustomersClient } from '../../src/stripe/stripe-customers.client.js';
import { StripeClient } from '../../src/stripe/stripe.client.js';
import { StripeService } from '../../src/stripe/stripe.service.js';
import { SubscriptionsClient } from '../../src/stripe/subscriptions.client.js';
import { StripeSubscriptionsService } from '../../src/stripe/subscriptions.service.js';
import { EndpointsStore } from '../../src/webhooks/endpoints/endpoints.store.js';
import { MessagesStore } from '../../src/webhooks/messages.store.js';
import { WebhooksService } from '../../src/webhooks/webhooks.service.js';
import { silentLog, testConfig } from './config.js';
import { createTestDatabase, type TestDatabase } from './database.js';
import { factory } from './factory.js';
import { FakeClock } from './fake-clock.js';
import { eventually } from './service-process.js';
import { startStripeDouble, type StripeDouble } from './stripe-double/stripe-double.js';

export const WEBHOOK_SECRET = 'whsec_of_the_tests';
const SECRET_KEY = 'sk_test_of_the_tests';
const MINUTE_MS = 60_000;

/** What one process does about Stripe, put together by hand. */
export interface Worker {
  readonly push: PushService;
  readonly links: LinksService;
  readonly invoiceEvents: InvoiceEventsService;
  readonly events: ProviderEventsService;
  readonly reader: ProviderEventsReader;
  readonly poll: EventPollService;
  readonly invoices: InvoicesService;
  readonly retry: RetryService;
  readonly ledger: LedgerReader;
  readonly following: FollowingService;
  readonly standing: StandingService;
  readonly standings: StandingsReader;
}

interface WorkerOptions {
  readonly config?: Config;
  readonly database?: Database;
  readonly client?: (config: Config, database: Database) => StripeClient;
}

export interface SeededInvoice {
  readonly invoiceId: string;
  /** More than one when there are more line items than an invoice holds. */
  readonly invoiceIds: readonly string[];
  readonly customerId: string;
  readonly stripeCustomerId: string | null;
  readonly lineItemIds: readonly string[];
}

interface SeedOptions {
  readonly amounts?: readonly number[];
  readonly finalize?: boolean;
  readonly hasStripeCustomer?: boolean;
  readonly customer?: Parameters<typeof factory.customer>[0];
}

/** A database, a double of Stripe on the same clock, and as many workers as a test wants. */
export class Syncing {
  readonly sdk: Stripe;
  readonly config: Config;

  private constructor(
    readonly db: TestDatabase,
    readonly double: StripeDouble,
    readonly clock: FakeClock,
  ) {
    this.config = testConfig({
      STRIPE_SECRET_KEY: SECRET_KEY,
      STRIPE_WEBHOOK_SECRETS: `whsec_of_before,${WEBHOOK_SECRET}`,
      STRIPE_API_BASE: double.url,
      // The pace is for tests of the pace.
      STRIPE_CALLS_PER_SECOND: '10000',
      STRIPE_ENDPOINT_CALLS_PER_SECOND: '10000',
    });
    this.sdk = new Stripe(SECRET_KEY, { ...double.address, maxNetworkRetries: 0 });
  }

  /** Waits 400 ms for Stripe: for tests of what comes later. All others wait longer than a busy machine stalls. */
  get impatient(): Config {
    return { ...this.config, stripe: { ...this.config.stripe, timeoutMs: 400 } };
  }

  static async start(): Promise<Syncing> {
    const clock = new FakeClock('2026-12-01T01:00:00Z');
    const double = await startStripeDouble({ clock: () => clock.now().getTime() });
    return new Syncing(await createTestDatabase(), double, clock);
  }

  async close(): Promise<void> {
    await this.double.close();
    await this.db.drop();
  }

  worker(options: WorkerOptions = {}): Worker {
    const { clock } = this;
    const config = options.config ?? this.config;
    const database = options.database ?? this.db.database;
    const client = options.client?.(config, database) ?? this.client(config, database);
    const stripe = new StripeService(client, new StripeCustomersClient(client));
    const syncsStore = new SyncsStore(database);
    const queue = new SyncQueueService(syncsStore, clock);
    const ledgerStore = new LedgerStore(database);
    const ledger = new LedgerService(ledgerStore);
    const customers = new CustomersReader(new CustomersStore(database));
    const plans = new PlansReader(new PlansStore(database));
    const items = new LedgerReader(ledgerStore, customers, plans);
    const invoicesStore = new InvoicesStore(database);
    const webhooks = new WebhooksService(
      new MessagesStore(database),
      new EndpointsStore(database),
      database,
      clock,
    );
    const invoices = new InvoicesService(
      invoicesStore,
      queue,
      stripe,
      customers,
      database,
      silentLog,
    );
    const following = new FollowingService(
      invoicesStore,
      queue,
      ledger,
      items,
      webhooks,
      database,
      customers,
    );
    const standings = new StandingsStore(database);
    const standing = new StandingService(
      following,
      standings,
      customers,
      webhooks,
      database,
      clock,
      config,
    );
    const events = new ProviderEventsService(
      new ProviderEventsStore(database),
      client,
      new StripeReachability(config, new EventPollStore(database), client),
      clock,
      silentLog,
    );
    const queues = new DraftQueuesStore(database);
    const drafts = new DraftQueueService(
      config,
      queues,
      new StripeDraftsStore(database),
      ledger,
      clock,
    );
    const unplaced = new UnplacedService(
      queues,
      new OwnInvoicesService(invoices, ledger, clock),
      drafts,
    );
    const leases = new LeasesService(config, new LeasesStore(database), database, clock);
    const recording = new RecordingService(
      leases,
      syncsStore,
      ledger,
      following,
      drafts,
      clock,
      silentLog,
    );
    const itemPush = new ItemPushService(stripe, invoices, ledger, items);
    const steps = new PushStepsService(
      leases,
      recording,
      new DraftPushService(stripe, invoices, following, customers, ledger, items, clock),
      new LinesPushService(
        new CallsService(syncsStore, leases, ledger, items, invoices, clock, silentLog),
        leases,
        recording,
        itemPush,
        stripe,
        clock,
      ),
      invoices,
      new FinalizePushService(stripe, following, items, clock, silentLog),
      clock,
    );
    const links = new LinksService(
      config,
      new LinksStore(database),
      customers,
      new CustomersService(new CustomersStore(database), database, clock),
      clock,
    );
    const linkPush = new LinkPushService(links, leases, stripe, clock, silentLog);
    return {
      push: new PushService(syncsStore, leases, linkPush, steps, stripe, clock, silentLog),
      links,
      invoiceEvents: new InvoiceEventsService(
        events,
        invoices,
        following,
        new DraftEventsService(
          events,
          new StripeSubscriptionsService(new SubscriptionsClient(client)),
          drafts,
          database,
        ),
        database,
        clock,
        silentLog,
      ),
      events,
      reader: new ProviderEventsReader(new ProviderEventsStore(database)),
      poll: new EventPollService(
        config,
        new EventPollStore(database),
        client,
        events,
        clock,
        silentLog,
      ),
      invoices,
      retry: new RetryService(syncsStore, invoices, ledger, items, unplaced, database, clock),
      ledger: items,
      following,
      standing,
      standings: new StandingsReader(standings, customers),
    };
  }

  /** A customer with a closed period whose line items are queued for Stripe. */
  async seed(options: SeedOptions = {}): Promise<SeededInvoice> {
    const { amounts = [4538, -120], finalize = true, hasStripeCustomer = true } = options;
    const stripeCustomer = hasStripeCustomer ? await this.sdk.customers.create({}) : null;
    const customer = await new CustomersService(
      new CustomersStore(this.db.database),
      this.db.database,
      this.clock,
    ).create(
      factory.customer({ stripeCustomerId: stripeCustomer?.id ?? null, ...options.customer }),
      [],
    );
    const period = await this.seedPeriod(customer.id, amounts.length);
    const worker = this.worker();
    const lines = amounts.map((amount) => ({ id: newId('li'), amountMinor: BigInt(amount) }));
    const carried = await this.db.database.transaction(async () => {
      const items = await worker.invoices.carry(
        {
          customerId: customer.id,
          billingPeriodId: period.id,
          currency: 'usd',
          finalize,
          now: this.clock.now(),
        },
        lines,
      );
      for (const [index, item] of items.entries()) {
        await this.db.database.query(
          `INSERT INTO line_items (id, customer_id, subscription_id, billing_period_id, price_id, kind,
             amount_minor, currency, description, cut_off_batch, steps, state, invoice_id, created_at)
           VALUES ($1, $2, $3, $4, $5, 'flat', $6, 'usd', $7, 0, '[]', 'pending', $8, $9)`,
          [
            item.id,
            customer.id,
            period.subscriptionId,
            period.id,
            period.priceIds[index],
            item.amountMinor.toString(),
            `Line ${index}`,
            item.invoiceId,
            this.clock.now(),
          ],
        );
      }
      await worker.invoices.enqueueAll(items);
      return items;
    });
    const invoiceIds = [...new Set(carried.map((item) => item.invoiceId))];
    return {
      invoiceId: invoiceIds[0] ?? '',
      invoiceIds,
      customerId: customer.id,
      stripeCustomerId: stripeCustomer?.id ?? null,
      lineItemIds: lines.map(({ id }) => id),
    };
  }

  private async seedPeriod(
    customerId: string,
    count: number,
  ): Promise<{ id: string; subscriptionId: string; priceIds: string[] }> {
    const [planId, versionId, subscriptionId, id] = [
      newId('plan'),
      newId('planv'),
      newId('sub'),
      newId('bp'),
    ];
    const run = async (sql: string, parameters: unknown[]): Promise<void> => {
      await this.db.database.query(sql, parameters);
    };
    await run(`INSERT INTO plans (id, key, name, created_at) VALUES ($1, $1, 'Plan', now())`, [
      planId,
    ]);
    await run(
      `INSERT INTO plan_versions (id, plan_id, version, currency, interval, grace_seconds, created_at)
       VALUES ($1, $2, 1, 'usd', 'month', 0, now())`,
      [versionId, planId],
    );
    const priceIds = Array.from({ length: count }, () => newId('price'));
    for (const [index, priceId] of priceIds.entries()) {
      await run(
        `INSERT INTO prices (id, plan_version_id, key, position, kind, amount)
         VALUES ($1, $2, $3, $4, 'flat', 1)`,
        [priceId, versionId, `fee-${index}`, index],
      );
    }
    await run(
      `INSERT INTO subscriptions (id, customer_id, plan_id, starts_at, anchor, time_zone, provider, finalize, created_at)
       VALUES ($1, $2, $3, '2026-11-01', 'calendar', 'UTC', 'stripe', true, now())`,
      [subscriptionId, customerId, planId],
    );
    await run(
      `INSERT INTO billing_periods (id, subscription_id, plan_version_id, starts_at, ends_at, closes_at,
         state, cut_off_batch, closed_at)
       VALUES ($1, $2, $3, '2026-11-01', '2026-12-01', '2026-12-01', 'closed', 0, '2026-12-01')`,
      [id, subscriptionId, versionId],
    );
    return { id, subscriptionId, priceIds };
  }

  /** Pushes until nothing is due, minute after minute, long enough for all short waits. */
  async pushAll(worker: Worker = this.worker(), minutes = 12): Promise<void> {
    for (let minute = 0; minute < minutes; minute += 1) {
      while ((await worker.push.pushOnce()) > 0) {
        // There may be more.
      }
      this.clock.advance(MINUTE_MS);
    }
  }

  /** Pushes a few times a minute, however much is due. */
  async push(minutes: number, times = 4, worker: Worker = this.worker()): Promise<void> {
    for (let minute = 0; minute < minutes; minute += 1) {
      for (let time = 0; time < times; time += 1) {
        await worker.push.pushOnce();
      }
      this.clock.advance(MINUTE_MS);
    }
  }

  /** Works off provider events in the same way. */
  async processAll(worker: Worker = this.worker(), minutes = 12): Promise<void> {
    for (let minute = 0; minute < minutes; minute += 1) {
      while ((await worker.invoiceEvents.processOnce()) > 0) {
        // There may be more.
      }
      this.clock.advance(MINUTE_MS);
    }
  }

  /** What the double holds for a customer: invoices with their items. */
  async atStripe(
    stripeCustomerId: string | null,
  ): Promise<{ invoice: Stripe.Invoice; items: Stripe.InvoiceItem[] }[]> {
    const customer = stripeCustomerId ?? '';
    const invoices = await this.sdk.invoices.list({ customer, limit: 100 });
    return await Promise.all(
      invoices.data.map(async (invoice) => {
        const items = await this.sdk.invoiceItems
          .list({ invoice: invoice.id, limit: 100 })
          .autoPagingToArray({ limit: 1_000 });
        return { invoice, items };
      }),
    );
  }

  /** The events of the double from `after` on, signed as webhooks. */
  async deliver(worker: Worker, events: readonly object[]): Promise<void> {
    for (const event of events) {
      const payload = JSON.stringify(event);
      await worker.events.receive(Buffer.from(payload), this.sign(payload));
    }
  }

  sign(payload: string, secret = WEBHOOK_SECRET): string {
    const timestamp = Math.floor(this.clock.now().getTime() / 1_000);
    return Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp });
  }

  /** State of an invoice, its line items and its syncs, as stored. */
  async stored(invoiceId: string | null): Promise<{
    state: string;
    lineItems: string[];
    syncs: string[];
    failures: (string | null)[];
  }> {
    const { database } = this.db;
    const [invoice] = await database.query<{ state: string }>(
      'SELECT state FROM invoices WHERE id = $1',
      [invoiceId],
    );
    const items = await database.query<{ state: string; failure: string | null }>(
      'SELECT state, failure FROM line_items WHERE invoice_id = $1 ORDER BY id',
      [invoiceId],
    );
    const syncs = await database.query<{ state: string }>(
      'SELECT state FROM provider_syncs WHERE invoice_id = $1 ORDER BY position',
      [invoiceId],
    );
    return {
      state: invoice?.state ?? 'none',
      lineItems: items.map((item) => item.state),
      syncs: syncs.map((sync) => sync.state),
      failures: items.map((item) => item.failure),
    };
  }

  /** Types of the messages about an invoice, in order. */
  async messages(invoiceId: string): Promise<string[]> {
    const rows = await this.db.database.query<{ type: string }>(
      `SELECT type FROM webhook_messages
       WHERE body::jsonb -> 'data' ->> 'invoice' = $1 ORDER BY sequence`,
      [invoiceId],
    );
    return rows.map((row) => row.type);
  }

  /** Waits until the double has answered whatever it was asked, heard or not. */
  async quiet(): Promise<void> {
    const { double, clock } = this;
    await eventually(
      async () =>
        await Promise.resolve(double.requests().every((one) => one.status !== null || one.dropped)),
    );
    clock.advance(3_600_000);
  }

  /** A client of its own settings. */
  client(config: Config, database: Database): StripeClient {
    return new StripeClient(config, database, limiter(config, database));
  }
}

/** The limiter of one process. */
export function limiter(config: Config, database: Database): RateLimiterService {
  return new RateLimiterService(config, new RateLimitsStore(database), silentLog);
}
