/*
 * Customers who use something, subscribe, use more of what is long over, and cancel at last, whatever
 * dies meanwhile. Everything is sent until it has its 2xx. What each has to pay is known by what was
 * sent alone.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ADMIN_KEY } from '../../support/service-process.js';
import { type Random } from '../random.js';
import { type Tally } from '../tally.js';
import { type BillingMode, MODES, type Outside } from './modes.js';
import { daysAgo, SPAN_DAYS } from './stripe-world.js';

const HOUR_MS = 3_600_000;
const RETRY_MS = 100;
const TIMEOUT_MS = 60_000;
const MOST_REST_MS = 400;
const AT_ONCE = 3;
/** Those who were made before so many others cancel. */
const STAY = 6;
export const EVENT_TYPE = 'soak.billed';
export const FEE_MINOR = 500n;
/** What a unit costs, in minor units. */
export const UNIT_MINOR = 3n;

export const METER = {
  ...{ key: 'billed', name: 'Billed', event_type: EVENT_TYPE, aggregation: 'sum' },
  value_property: '$.units',
};
export const PLAN = {
  ...{ key: 'billed', name: 'Billed', currency: 'usd', interval: 'day', grace_seconds: 0 },
  prices: [
    { key: 'base', kind: 'flat', amount: '5.00', due: 'in_arrears' },
    { key: 'units', kind: 'usage', meter: 'billed', model: 'per_unit', unit_price: '0.03' },
  ],
};

/** A customer, and what was used. */
export interface Subscriber {
  readonly key: string;
  readonly mode: BillingMode;
  readonly stripeCustomerId: string;
  readonly subscription: string;
  units: bigint;
  /** Whether it cancels, or has. */
  isLeaving: boolean;
}

export class Subscribers {
  readonly all: Subscriber[] = [];
  private isStopped = false;
  private isAbandoned = false;
  private tries = 0;
  private made = 0;
  private events = 0;
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly tally: Tally,
    private readonly random: Random,
    private readonly outside: Outside,
    private readonly urls: () => readonly string[],
  ) {}

  start(): void {
    const lanes = Array.from({ length: AT_ONCE }, async () => {
      while (!this.isStopped) {
        await this.add();
        const leaving = this.all.find(({ isLeaving }) => !isLeaving);
        if (leaving !== undefined && this.all.indexOf(leaving) < this.all.length - STAY) {
          await this.cancel(leaving);
        }
        await sleep(this.random.whole(0, MOST_REST_MS));
      }
    });
    this.running = Promise.all(lanes).then(() => undefined);
    // Whoever stops it learns of its fault.
    this.running.catch(() => undefined);
  }

  /** Makes no new ones, and lets all that are left cancel. */
  async stop(): Promise<void> {
    this.isStopped = true;
    await this.running;
    for (const subscriber of this.all) {
      if (!subscriber.isLeaving) {
        await this.cancel(subscriber);
      }
    }
  }

  abandon(): void {
    this.isStopped = true;
    this.isAbandoned = true;
  }

  private async add(): Promise<void> {
    const number = (this.made += 1);
    const key = `billed-${number}`;
    const mode = MODES[number % MODES.length]!;
    const stripeCustomerId = await this.outside.world.createCustomer(key);
    const billing = await mode.prepare(this.outside, stripeCustomerId);
    await this.post('customers', key, {
      ...{ key, name: key, currency: 'usd', subjects: [key] },
      stripe_customer_id: stripeCustomerId,
    });
    let units = await this.use(key, mode);
    const made = await this.post('subscriptions', key, {
      ...{ customer: key, plan: PLAN.key, billing, anchor: 'calendar' },
      starts_at: daysAgo(SPAN_DAYS).toISOString(),
    });
    // By now some of its periods may be closed.
    units += await this.use(key, mode);
    const subscription = String(made?.['id']);
    this.all.push({ key, mode, stripeCustomerId, subscription, units, isLeaving: false });
  }

  private async cancel(subscriber: Subscriber): Promise<void> {
    const { key, mode, subscription } = subscriber;
    subscriber.isLeaving = true;
    subscriber.units += await this.use(key, mode);
    await this.post(`subscriptions/${subscription}/cancel`, key, { at: 'now', bill: 'at_once' });
  }

  /** Some usage of some time since it began; answers how many units. */
  private async use(subject: string, { isUsageOnly }: BillingMode): Promise<bigint> {
    const since = daysAgo(isUsageOnly ? 0 : SPAN_DAYS).getTime();
    const count = this.random.whole(1, 6);
    let sum = 0n;
    const events = Array.from({ length: count }, () => {
      const units = this.random.whole(1, 1_000);
      sum += BigInt(units);
      const time = new Date(this.random.whole(since, Date.now() - HOUR_MS / 60)).toISOString();
      const id = String((this.events += 1));
      return { id, source: 'billed', type: EVENT_TYPE, subject, time, data: { units } };
    });
    await this.post('events', events[0]!.id, events);
    return sum;
  }

  /** Sends it until it has its 2xx; answers the body. */
  private async post(
    path: string,
    name: string,
    body: unknown,
  ): Promise<Record<string, unknown> | null> {
    while (!this.isAbandoned) {
      const list = this.urls();
      const url = list[(this.tries += 1) % list.length]!;
      const sentAt = performance.now();
      const { status, answer } = await postOnce(`${url}/api/v1/${path}`, name, body);
      this.tally.answered(status);
      if (status.startsWith('2')) {
        this.tally.succeeded(url, sentAt);
        return answer;
      }
      if (status !== '503' && status !== 'cut') {
        this.tally.fault(`POST ${path} was answered ${status}: ${JSON.stringify(answer)}`);
        return null;
      }
      await sleep(RETRY_MS);
    }
    return null;
  }
}

async function postOnce(
  url: string,
  name: string,
  body: unknown,
): Promise<{ status: string; answer: Record<string, unknown> | null }> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${ADMIN_KEY}`,
        'content-type': 'application/json',
        'idempotency-key': `${new URL(url).pathname} ${name}`,
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const answer = (await response.json()) as Record<string, unknown>;
    return { status: String(response.status), answer };
  } catch (error) {
    const isLate = error instanceof Error && error.name === 'TimeoutError';
    return { status: isLate ? 'no answer' : 'cut', answer: null };
  }
}
