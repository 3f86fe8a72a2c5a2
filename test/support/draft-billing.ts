import { Test } from '@nestjs/testing';
import { Stripe } from 'stripe';
import { AppModule } from '../../src/app.module.js';
import { InvoiceEventsService } from '../../src/billing/invoices/invoice-events.service.js';
import { DraftWarningsService } from '../../src/billing/drafts/draft-warnings.service.js';
import { PlacingService } from '../../src/billing/drafts/placing.service.js';
import { PushService } from '../../src/billing/sync/push.service.js';
import { type Subscription } from '../../src/billing/subscriptions/subscription.js';
import { type NewSubscription } from '../../src/billing/subscriptions/subscriptions.service.js';
import { type Customer } from '../../src/customers/customer.js';
import { Clock } from '../../src/kernel/clock.js';
import { ProviderEventsService } from '../../src/stripe/provider-events.service.js';
import { flat, perUnit, startBilling, type TestBilling } from './billing.js';
import { silentLog, testConfig } from './config.js';
import { FakeClock } from './fake-clock.js';
import { startStripeDouble, type StripeDouble } from './stripe-double/stripe-double.js';

export const DRAFT_WEBHOOK_SECRET = 'whsec_of_the_draft_tests';
const SECRET_KEY = 'sk_test_of_the_draft_tests';
const MINUTE_MS = 60_000;
/** The fee that Stripe itself charges for each period. */
export const STRIPE_FEE = 2_000;

/** A customer with a subscription here that is billed by the drafts of one at Stripe. */
export interface OnDraft {
  readonly customer: Customer;
  readonly stripeCustomerId: string;
  readonly stripeSubscriptionId: string;
  readonly subscription: Subscription;
}

export interface StoredLine {
  readonly id: string;
  readonly amount_minor: number;
  readonly state: string;
  readonly stripe_invoice_id: string | null;
  readonly carried_over: string | null;
  readonly failure: string | null;
}

/** What does one thing about Stripe at a time; a second process has its own. */
export interface DraftWorker {
  readonly placing: PlacingService;
  readonly push: PushService;
  readonly invoiceEvents: InvoiceEventsService;
}

/** The whole application, its database, and a double of Stripe with subscriptions, on one clock. */
export class DraftBilling {
  readonly sdk: Stripe;

  private constructor(
    readonly billing: TestBilling,
    readonly double: StripeDouble,
    readonly clock: FakeClock,
    readonly env: Record<string, string>,
  ) {
    this.sdk = new Stripe(SECRET_KEY, { ...double.address, maxNetworkRetries: 0 });
  }

  static async start(): Promise<DraftBilling> {
    const now = '2026-11-01T00:00:00Z';
    const clock = new FakeClock(now);
    const double = await startStripeDouble({ clock: () => clock.now().getTime() });
    const env = {
      STRIPE_SECRET_KEY: SECRET_KEY,
      STRIPE_WEBHOOK_SECRETS: DRAFT_WEBHOOK_SECRET,
      STRIPE_API_BASE: double.url,
      // The pace is for tests of the pace.
      STRIPE_CALLS_PER_SECOND: '10000',
      STRIPE_ENDPOINT_CALLS_PER_SECOND: '10000',
    };
    return new DraftBilling(await startBilling(now, { env, clock }), double, clock, env);
  }

  async close(): Promise<void> {
    await this.double.close();
    await this.billing.close();
  }

  /** Begins a month with nothing left to do of those before. */
  async beginMonth(): Promise<void> {
    await this.billing.rows(`DELETE FROM billing_periods WHERE state = 'open'`);
    await this.billing.rows('UPDATE draft_queues SET next_look_at = NULL');
    await this.billing.rows('UPDATE stripe_drafts SET check_at = NULL');
    this.double.clearFaults();
    this.double.clearRequests();
    this.clock.set(this.month(1));
  }

  /** Where a month begins, counted from the present one. */
  month(count: number): Date {
    const now = this.clock.now();
    return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + count, 1));
  }

  get worker(): DraftWorker {
    return {
      placing: this.billing.get(PlacingService),
      push: this.billing.get(PushService),
      invoiceEvents: this.billing.get(InvoiceEventsService),
    };
  }

  /** Another process on the same database, with other settings. */
  async process(
    env: Record<string, string>,
  ): Promise<{ worker: DraftWorker; close: () => Promise<void> }> {
    const { dataSource } = this.billing.db.database;
    const config = testConfig({ METERLINE_ROLE: 'api', ...this.env, ...env });
    const databaseUrl = this.billing.db.url;
    const module = await Test.createTestingModule({
      imports: [AppModule.with({ config, log: silentLog, dataSource, databaseUrl })],
    })
      .overrideProvider(Clock)
      .useValue(this.clock)
      .setLogger(silentLog)
      .compile();
    return {
      worker: {
        placing: module.get(PlacingService),
        push: module.get(PushService),
        invoiceEvents: module.get(InvoiceEventsService),
      },
      close: async () => {
        await module.close();
      },
    };
  }

  /** A customer at Stripe with a subscription there for the present month, and one here beside it. */
  async subscribe(
    overrides: Partial<NewSubscription> = {},
    { graceSeconds = 0 }: { graceSeconds?: number } = {},
  ): Promise<OnDraft> {
    const stripeCustomerId = (await this.sdk.customers.create({})).id;
    const start = this.month(0);
    const end = this.month(1);
    const at = { customer: stripeCustomerId, currency: 'usd', amount: STRIPE_FEE, start, end };
    const { id: stripeSubscriptionId } = await this.double.subscribe(at);
    const customer = await this.billing.customer({ stripeCustomerId, timeZone: 'UTC' });
    const plan = await this.billing.plan([flat('5.00'), perUnit('0.01')], { graceSeconds });
    const subscription = await this.billing.subscribe(customer, plan, {
      startsAt: start,
      billing: { provider: 'stripe', finalize: true, stripeSubscription: stripeSubscriptionId },
      ...overrides,
    });
    return { customer, stripeCustomerId, stripeSubscriptionId, subscription };
  }

  /** The month goes by here and at Stripe; answers the id of the draft. */
  async renew({ stripeSubscriptionId }: OnDraft): Promise<string> {
    this.clock.set(this.month(1));
    return await this.double.renew(stripeSubscriptionId, this.month(1));
  }

  /** Stripe makes another draft, which here no new period is billed on. */
  async renewQuietly(on: OnDraft): Promise<string> {
    await this.billing.rows(`DELETE FROM billing_periods WHERE state = 'open'`);
    await this.billing.rows(
      `INSERT INTO billing_periods (id, subscription_id, plan_version_id, starts_at, ends_at, closes_at, state)
       SELECT 'bp_of_later', subscription_id, plan_version_id, '2999-01-01', '2999-02-01', '2999-02-01', 'open'
       FROM billing_periods WHERE subscription_id = $1 LIMIT 1
       ON CONFLICT (id) DO UPDATE SET subscription_id = excluded.subscription_id`,
      [on.subscription.id],
    );
    return await this.renew(on);
  }

  /** Works off all there is, round after round, while minutes go by. */
  async work(minutes = 3, worker: DraftWorker = this.worker): Promise<void> {
    for (let minute = 0; minute < minutes; minute += 1) {
      await this.billing.closeAllDue();
      let count: number;
      do {
        count = await worker.invoiceEvents.processOnce();
        count += await worker.placing.placeOnce();
        count += await worker.push.pushOnce();
      } while (count > 0);
      await this.billing.get(DraftWarningsService).warnOnce();
      this.clock.advance(MINUTE_MS);
    }
  }

  /** Hands over events of the double as signed webhooks. */
  async deliver(events: readonly object[]): Promise<void> {
    for (const event of events) {
      const payload = JSON.stringify(event);
      const timestamp = Math.floor(this.clock.now().getTime() / 1_000);
      const secret = DRAFT_WEBHOOK_SECRET;
      const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp });
      await this.billing.get(ProviderEventsService).receive(Buffer.from(payload), signature);
    }
  }

  /** Events of the double about one object, of some types. */
  eventsOf(objectId: string, ...types: readonly string[]): object[] {
    return this.double
      .state()
      .events.filter(
        (event) =>
          (event.data.object as { id: string }).id === objectId &&
          (types.length === 0 || types.includes(event.type)),
      );
  }

  /** The line items of a subscription as stored, by their amounts. */
  async lines({ subscription }: OnDraft): Promise<StoredLine[]> {
    const rows = await this.billing.rows(
      `SELECT item.id, item.amount_minor::integer AS amount_minor, item.state, invoice.stripe_invoice_id,
         item.carried_over, item.failure
       FROM line_items AS item LEFT JOIN invoices AS invoice ON invoice.id = item.invoice_id
       WHERE item.subscription_id = $1
       ORDER BY item.billing_period_id, item.amount_minor`,
      [subscription.id],
    );
    return rows as unknown as StoredLine[];
  }

  /** Amounts on each invoice of the customer at Stripe, without Stripe's own fee, newest invoice first. */
  async atStripe({ stripeCustomerId }: OnDraft): Promise<Record<string, number[]>> {
    const invoices = await this.sdk.invoices.list({ customer: stripeCustomerId, limit: 100 });
    const entries = await Promise.all(
      invoices.data.map(async ({ id }) => {
        const items = await this.sdk.invoiceItems.list({ invoice: id, limit: 100 });
        const ours = items.data.filter((item) => item.metadata?.['meterline_line_item']);
        return [id, ours.map((item) => item.amount).toSorted((a, b) => a - b)] as const;
      }),
    );
    return Object.fromEntries(entries.filter(([, amounts]) => amounts.length > 0));
  }

  /** How often each line item is on an invoice at Stripe. */
  timesAtStripe(): Map<string, number> {
    const times = new Map<string, number>();
    for (const item of this.double.state().items) {
      const id = item.metadata['meterline_line_item'];
      if (id !== undefined) {
        times.set(id, (times.get(id) ?? 0) + 1);
      }
    }
    return times;
  }

  /** Types and data of the messages about a customer. */
  async messages({
    customer,
  }: OnDraft): Promise<{ type: string; data: Record<string, unknown> }[]> {
    const rows = await this.billing.rows(
      `SELECT type, body::jsonb -> 'data' AS data FROM webhook_messages
       WHERE body::jsonb -> 'data' ->> 'customer' = $1 ORDER BY sequence`,
      [customer.key],
    );
    return rows as { type: string; data: Record<string, unknown> }[];
  }
}
