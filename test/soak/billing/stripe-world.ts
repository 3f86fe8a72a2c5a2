/*
 * Stripe as it is on its worst days: calls that fail in every way there is, keys that are forgotten,
 * webhooks that come late, twice, in another order or never, and drafts that are finalized whenever it
 * pleases. It is a process that is never killed: what it has is what customers are asked to pay.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type FaultOrder } from '../../support/stripe-double/faults.js';
import { type StripeDouble, startStripeDouble } from '../../support/stripe-double/stripe-double.js';
import { type Random } from '../random.js';

const SECRET_KEY = 'sk_test_of_the_soak';
const WEBHOOK_SECRET = 'whsec_of_the_soak';
const TIMEOUT_MS = 1_500;
const DAY_MS = 86_400_000;
const MOST_REST_MS = 150;
/**
 * Stripe keeps a key for a day, and Meterline sends under one again only after a look; both happen under
 * one lease, which is shorter than this.
 */
const KEY_LIFE_MS = 60_000;
/** What Stripe itself charges for a period of one of its subscriptions. */
const STRIPE_FEE = 700;
/** Nobody listens there. */
const NOWHERE = 'http://127.0.0.1:9/webhooks/stripe';

const PATHS = [
  '^/v1/invoices$',
  '^/v1/invoices/[^/]+$',
  '/add_lines$',
  '/finalize$',
  '^/v1/invoice',
  '^/v1/subscriptions',
  // Those who subscribe make customers at Stripe, too, without patience for it.
  '^/v1/(?!customers)',
];
/** Called seldom, so that faults of it are ordered apart. */
const METER_EVENTS = '^/v1/billing/meter_events$';
/** Ordered and not met yet; beyond this they are taken back, since nothing may ever meet them. */
const MOST_FAULTS = 12;
const REASONS = [
  'global-rate',
  'endpoint-rate',
  'endpoint-concurrency',
  'resource-specific',
  'lock_timeout',
] as const;

export class StripeWorld {
  /** How often each fault was ordered. */
  readonly faults = new Map<string, number>();
  keysForgotten = 0;
  draftsFinalized = 0;
  /** Where the present period of each subscription ends, ms. */
  private readonly periodEnds = new Map<string, number>();
  private isStopped = false;
  private raging: Promise<void> = Promise.resolve();

  private constructor(
    readonly double: StripeDouble,
    private readonly random: Random,
  ) {}

  static async start(random: Random): Promise<StripeWorld> {
    const double = await startStripeDouble({ webhooks: { secrets: [WEBHOOK_SECRET] } });
    return new StripeWorld(double, random);
  }

  /** Settings of the service. */
  get env(): Record<string, string> {
    return {
      STRIPE_SECRET_KEY: SECRET_KEY,
      STRIPE_API_BASE: this.double.url,
      STRIPE_WEBHOOK_SECRETS: WEBHOOK_SECRET,
      STRIPE_TIMEOUT_MS: String(TIMEOUT_MS),
      STRIPE_POLL_SECONDS: '5',
      // The pace is proven elsewhere.
      STRIPE_CALLS_PER_SECOND: '1000',
      STRIPE_ENDPOINT_CALLS_PER_SECOND: '1000',
      STRIPE_METER_EVENTS_SECONDS: '60',
      RECONCILE_HOUR: 'off',
    };
  }

  async createCustomer(name: string): Promise<string> {
    return await this.post('customers', { name });
  }

  /** Makes an object, by hand; answers its id. */
  private async post(path: string, fields: Record<string, string>): Promise<string> {
    const response = await fetch(`${this.double.url}/v1/${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${SECRET_KEY}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      body: new URLSearchParams(fields).toString(),
    });
    const { id } = (await response.json()) as { id: string };
    return id;
  }

  /** A meter of Stripe's that sums up. */
  async createMeter(eventName: string): Promise<void> {
    await this.post('billing/meters', {
      ...{ display_name: eventName, event_name: eventName },
      'default_aggregation[formula]': 'sum',
    });
  }

  /** What its meters count of a customer. */
  counted(customer: string): bigint {
    return this.double
      .state()
      .meterEvents.filter(
        ({ state, payload }) => state === 'counted' && payload['stripe_customer_id'] === customer,
      )
      .reduce((sum, { payload }) => sum + BigInt(payload['value'] ?? ''), 0n);
  }

  /** A subscription of Stripe's since some days ago, that renews whenever it pleases. */
  async subscribe(customer: string): Promise<string> {
    const start = daysAgo(SPAN_DAYS);
    const end = new Date(start.getTime() + DAY_MS);
    const { id } = await this.double.subscribe({
      ...{ customer, currency: 'usd', amount: STRIPE_FEE, start, end },
    });
    this.periodEnds.set(id, end.getTime());
    return id;
  }

  /** Does its worst until `calm`. */
  rage(urls: () => readonly string[]): void {
    this.raging = (async () => {
      while (!this.isStopped) {
        await sleep(this.random.whole(0, MOST_REST_MS));
        await this.strike(urls);
      }
    })();
    // Whoever calms it learns of a fault of its own.
    this.raging.catch(() => undefined);
  }

  /** Works as it should from now on. */
  async calm(url: string): Promise<void> {
    this.isStopped = true;
    await this.raging;
    this.double.clearFaults();
    this.double.webhooks({
      ...{ url: `${url}/webhooks/stripe`, copies: 1, shuffle: false, delayMs: 0, maxAttempts: 4 },
    });
  }

  /** Finalizes every draft that it has made by itself. */
  async finalizeAll(): Promise<void> {
    for (const draft of this.double.draftsToFinalize()) {
      await this.double.advance(draft);
    }
  }

  async close(): Promise<void> {
    this.isStopped = true;
    await this.raging.catch(() => undefined);
    await this.double.close();
  }

  private async strike(urls: () => readonly string[]): Promise<void> {
    const { random, double } = this;
    switch (random.whole(0, 7)) {
      case 0:
      case 1:
        if (double.pendingFaults().length >= MOST_FAULTS) {
          double.clearFaults();
        }
        this.orderFault(this.anyFault());
        return;
      case 2:
        double.webhooks({
          url: random.happens(0.2) ? NOWHERE : `${random.pick(urls())}/webhooks/stripe`,
          copies: random.whole(1, 4),
          shuffle: random.happens(0.5),
          shuffleWindowMs: 1_000,
          delayMs: random.happens(0.3) ? random.whole(0, 3_000) : 0,
          maxAttempts: random.whole(1, 4),
          timeoutMs: 1_000,
        });
        return;
      case 3:
        await this.renewOne();
        return;
      case 4:
        await this.finalizeOne();
        return;
      case 5:
        this.orderFault({ ...this.anyFault(), method: 'POST', path: METER_EVENTS, skip: 0 });
        return;
      default:
        this.keysForgotten += await double.expireIdempotencyKeys(KEY_LIFE_MS);
    }
  }

  private orderFault(fault: FaultOrder): void {
    this.faults.set(fault.kind, (this.faults.get(fault.kind) ?? 0) + 1);
    this.double.orderFault(fault);
  }

  private anyFault(): FaultOrder {
    const { random } = this;
    const where = {
      path: random.pick(PATHS),
      times: random.whole(1, 4),
      skip: random.whole(0, 3),
      ...(random.happens(0.6) && { method: 'POST' }),
    };
    const faults: readonly FaultOrder[] = [
      { ...where, kind: 'drop_before' },
      { ...where, kind: 'commit_then_drop' },
      { ...where, kind: 'error_500_after_commit' },
      { ...where, kind: 'error_500_before', stored: random.happens(0.5) },
      {
        ...where,
        ...{ kind: 'error_429', reason: random.pick(REASONS), stored: random.happens(0.3) },
      },
      {
        ...where,
        ...{ kind: 'slow', when: random.happens(0.5) ? 'before' : 'after' },
        delayMs: random.whole(0, 2 * TIMEOUT_MS),
      },
      { ...where, kind: 'html_503' },
    ];
    return random.pick(faults);
  }

  /** Begins the next period of one of its subscriptions, up to the present day. */
  private async renewOne(): Promise<void> {
    const due = [...this.periodEnds].filter(([, end]) => end <= Date.now());
    if (due.length > 0) {
      const [id, end] = this.random.pick(due);
      this.periodEnds.set(id, end + DAY_MS);
      await this.double.renew(id, new Date(end + DAY_MS));
    }
  }

  private async finalizeOne(): Promise<void> {
    const drafts = this.double.draftsToFinalize();
    if (drafts.length > 0) {
      this.draftsFinalized += (await this.double.advance(this.random.pick(drafts))).length;
    }
  }
}

/** How far back subscriptions begin. */
export const SPAN_DAYS = 4;

/** The first instant of a day of UTC. */
export function daysAgo(count: number): Date {
  return new Date((Math.floor(Date.now() / DAY_MS) - count) * DAY_MS);
}
