import { Test } from '@nestjs/testing';
import { Stripe } from 'stripe';
import { AppModule } from '../../src/app.module.js';
import { ErrorReportsService } from '../../src/billing/meter-events/error-reports.service.js';
import {
  MeterEventsReader,
  type NamedStream,
} from '../../src/billing/meter-events/meter-events.reader.js';
import { MeterLinksService } from '../../src/billing/meter-events/meter-links.service.js';
import { StreamRunsService } from '../../src/billing/meter-events/stream-runs.service.js';
import { type Subscription } from '../../src/billing/subscriptions/subscription.js';
import { type NewSubscription } from '../../src/billing/subscriptions/subscriptions.service.js';
import { type Customer } from '../../src/customers/customer.js';
import { CorrectionsService } from '../../src/events/corrections.service.js';
import { Clock } from '../../src/kernel/clock.js';
import { formatDecimal } from '../../src/kernel/decimal.js';
import { Database } from '../../src/platform/database/database.js';
import { ProviderEventsService } from '../../src/stripe/provider-events.service.js';
import { StripeClient } from '../../src/stripe/stripe.client.js';
import { perUnit, startBilling, type TestBilling } from './billing.js';
import { silentLog, testConfig } from './config.js';
import { FakeClock } from './fake-clock.js';
import { type Fuse, MortalClient, MortalDatabase } from './mortal.js';
import { startStripeDouble, type StripeDouble } from './stripe-double/stripe-double.js';

const SECRET_KEY = 'sk_test_of_the_meter_tests';
const WEBHOOK_SECRET = 'whsec_of_the_meter_tests';
const EVENT_NAME = 'api_requests';
const HOUR_MS = 3_600_000;

/** A customer whose usage goes to the meter at Stripe. */
export interface Sender {
  readonly customer: Customer;
  readonly stripeCustomerId: string;
  readonly subscription: Subscription;
}

/** What one process does about meter events. */
export interface MeterWorker {
  readonly runs: StreamRunsService;
  readonly reports: ErrorReportsService;
}

/** What is shown of a stream, as texts. */
export interface ShownStream {
  readonly quantity: string;
  readonly sent: string;
  readonly difference: string;
  readonly state: string;
}

/** The whole application, its database, and a double of Stripe with a meter, on one clock. */
export class MeterSending {
  readonly sdk: Stripe;

  private constructor(
    readonly billing: TestBilling,
    readonly double: StripeDouble,
    readonly clock: FakeClock,
    private readonly env: Record<string, string>,
  ) {
    this.sdk = new Stripe(SECRET_KEY, { ...double.address, maxNetworkRetries: 0 });
  }

  static async start(): Promise<MeterSending> {
    const now = '2026-11-01T00:00:00Z';
    const clock = new FakeClock(now);
    const double = await startStripeDouble({ clock: () => clock.now().getTime() });
    const env = {
      STRIPE_SECRET_KEY: SECRET_KEY,
      STRIPE_WEBHOOK_SECRETS: WEBHOOK_SECRET,
      STRIPE_API_BASE: double.url,
      // The pace is for tests of the pace.
      STRIPE_CALLS_PER_SECOND: '10000',
      STRIPE_ENDPOINT_CALLS_PER_SECOND: '10000',
    };
    const sending = new MeterSending(await startBilling(now, { env, clock }), double, clock, env);
    await sending.meterAtStripe(EVENT_NAME);
    await sending.billing.get(MeterLinksService).create('used', EVENT_NAME);
    return sending;
  }

  async close(): Promise<void> {
    await this.double.close();
    await this.billing.close();
  }

  async meterAtStripe(eventName: string, formula: 'sum' | 'count' = 'sum'): Promise<string> {
    const meter = await this.sdk.billing.meters.create({
      display_name: eventName,
      event_name: eventName,
      default_aggregation: { formula },
    });
    return meter.id;
  }

  /** A customer at Stripe, with a subscription here from the beginning of the present month on. */
  async subscribe(
    overrides: Partial<NewSubscription> = {},
    { graceSeconds = 600 }: { graceSeconds?: number } = {},
  ): Promise<Sender> {
    const stripeCustomerId = (await this.sdk.customers.create({})).id;
    const customer = await this.billing.customer({ stripeCustomerId, timeZone: 'UTC' });
    const plan = await this.billing.plan([perUnit('0.01')], { graceSeconds });
    const subscription = await this.billing.subscribe(customer, plan, {
      startsAt: this.month(0),
      billing: { provider: 'none', sendsMeterEvents: true },
      ...overrides,
    });
    return { customer, stripeCustomerId, subscription };
  }

  /** Where a month begins, counted from the present one. */
  month(count: number): Date {
    const now = this.clock.now();
    return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + count, 1));
  }

  /** Uses something now. */
  async use({ customer }: Sender, ...values: string[]): Promise<void> {
    await this.useAt({ customer }, this.clock.now(), ...values);
  }

  async useAt(
    { customer }: Pick<Sender, 'customer'>,
    time: Date,
    ...values: string[]
  ): Promise<void> {
    await this.billing.use(customer.key, time.toISOString(), values);
  }

  /** Voids everything that a customer used with one value. */
  async voidUsage({ customer }: Sender, value: string): Promise<void> {
    const rows = await this.billing.rows(
      `SELECT source, id FROM usage_events WHERE subject = $1 AND data::jsonb ->> 'v' = $2`,
      [customer.key, value],
    );
    for (const row of rows) {
      const identity = { source: String(row['source']), id: String(row['id']) };
      await this.billing.get(CorrectionsService).void(identity, { reason: 'a test', by: 'a test' });
    }
  }

  get worker(): MeterWorker {
    return {
      runs: this.billing.get(StreamRunsService),
      reports: this.billing.get(ErrorReportsService),
    };
  }

  /** A second process that dies when the fuse says so, with other settings. */
  async mortalWorker(
    fuse: Fuse,
    env: Record<string, string> = {},
  ): Promise<{ worker: MeterWorker; close: () => Promise<void> }> {
    const { database, url } = this.billing.db;
    const config = testConfig({ METERLINE_ROLE: 'api', ...this.env, ...env });
    const mortalDatabase = new MortalDatabase(database.dataSource, fuse);
    const { dataSource } = database;
    const module = await Test.createTestingModule({
      imports: [AppModule.with({ config, log: silentLog, dataSource, databaseUrl: url })],
    })
      .overrideProvider(Clock)
      .useValue(this.clock)
      .overrideProvider(Database)
      .useValue(mortalDatabase)
      .overrideProvider(StripeClient)
      .useValue(new MortalClient(config, mortalDatabase, fuse))
      .setLogger(silentLog)
      .compile();
    return {
      worker: { runs: module.get(StreamRunsService), reports: module.get(ErrorReportsService) },
      close: async () => {
        fuse.set(Infinity);
        await module.close();
      },
    };
  }

  /** Works off what is due, and again after each of some hours. */
  async work(hours = 1, worker: MeterWorker = this.worker): Promise<void> {
    for (let hour = 0; hour <= hours; hour += 1) {
      if (hour > 0) {
        this.clock.advance(HOUR_MS);
      }
      await this.billing.closeAllDue();
      await worker.runs.runOnce();
    }
  }

  /** Goes to an instant, and works off what is due then. */
  async workAt(instant: Date): Promise<void> {
    this.clock.set(instant);
    await this.work(0);
  }

  /** The values that Stripe counts for a customer, in the order in which they came. */
  atStripe({ stripeCustomerId }: Sender): number[] {
    return this.double
      .state()
      .meterEvents.filter(
        ({ state, payload }) =>
          state === 'counted' && payload['stripe_customer_id'] === stripeCustomerId,
      )
      .map(({ payload }) => Number(payload['value']));
  }

  /** How much Stripe counts for a customer. */
  sumAtStripe(sender: Sender): number {
    return this.atStripe(sender).reduce((sum, value) => sum + value, 0);
  }

  /** Stripe's own sum for a customer in a span of whole minutes. */
  async summary({ stripeCustomerId }: Sender, start: Date, end: Date): Promise<number> {
    const [meter] = (await this.sdk.billing.meters.list({ limit: 100 })).data.filter(
      ({ event_name: name }) => name === EVENT_NAME,
    );
    const summaries = await this.sdk.billing.meters.listEventSummaries(meter?.id ?? '', {
      customer: stripeCustomerId,
      start_time: start.getTime() / 1_000,
      end_time: end.getTime() / 1_000,
    });
    return summaries.data.reduce((sum, { aggregated_value: value }) => sum + value, 0);
  }

  /** The streams of a customer, by their periods. */
  async streams({ customer }: Sender): Promise<readonly NamedStream[]> {
    const filter = { customer: customer.key, subscriptionId: null, state: null };
    const { items } = await this.billing.get(MeterEventsReader).listStreams(filter, 100, null);
    return items.toSorted((a, b) => a.stream.startsAt.getTime() - b.stream.startsAt.getTime());
  }

  async shown(sender: Sender): Promise<ShownStream[]> {
    return (await this.streams(sender)).map(({ stream, sums, difference }) => ({
      quantity: formatDecimal(stream.quantity),
      sent: formatDecimal(sums.sent),
      difference: formatDecimal(difference),
      state: stream.state,
    }));
  }

  /** States and values of the events of a customer, in the order in which they were made. */
  async events({ customer }: Sender): Promise<{ id: string; state: string; value: string }[]> {
    const rows = await this.billing.rows(
      `SELECT event.id, event.state, event.value::text AS value
       FROM meter_events AS event JOIN meter_event_streams AS stream ON stream.id = event.stream_id
       WHERE stream.customer_id = $1 ORDER BY stream.starts_at, event.sequence`,
      [customer.id],
    );
    return rows as { id: string; state: string; value: string }[];
  }

  /** Hands events over as signed webhooks; a thin one without the data that only fetching it answers. */
  async deliver(events: readonly object[]): Promise<void> {
    for (const event of events) {
      const payload = JSON.stringify({ ...event, data: undefined });
      const timestamp = Math.floor(this.clock.now().getTime() / 1_000);
      const secret = WEBHOOK_SECRET;
      const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp });
      await this.billing.get(ProviderEventsService).receive(Buffer.from(payload), signature);
    }
  }
}
