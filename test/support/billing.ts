import { Test } from '@nestjs/testing';
import { AppModule } from '../../src/app.module.js';
import { type Customer } from '../../src/customers/customer.js';
import { CustomersService } from '../../src/customers/customers.service.js';
import { type Subscription } from '../../src/billing/subscriptions/subscription.js';
import {
  type NewSubscription,
  SubscriptionsService,
} from '../../src/billing/subscriptions/subscriptions.service.js';
import { ClosingService } from '../../src/billing/periods/closing.service.js';
import { EventsService } from '../../src/events/events.service.js';
import { Clock } from '../../src/kernel/clock.js';
import { PlannedConnections } from '../../src/platform/database/planned-connections.js';
import { MetersService } from '../../src/meters/meters.service.js';
import { type CurrentPlan, type PricingModel } from '../../src/pricing/plan.js';
import { type NewPlan, PlansService } from '../../src/pricing/plans.service.js';
import { type NewPrice } from '../../src/pricing/price-rules.js';
import { readAmountTerms, readUsageTerms, type TermsText } from '../../src/pricing/price-terms.js';
import { silentLog, testConfig } from './config.js';
import { createTestDatabase, type TestDatabase } from './database.js';
import { factory } from './factory.js';
import { FakeClock } from './fake-clock.js';

type Class<T> = abstract new (...parameters: never[]) => T;

/** The whole application on a database of its own, without HTTP and with no worker running. */
export interface TestBilling {
  readonly db: TestDatabase;
  readonly clock: FakeClock;
  get<T>(type: Class<T>): T;
  /** Rows of a statement, for looking at what was stored. */
  rows(sql: string, parameters?: unknown[]): Promise<Record<string, unknown>[]>;
  /** Events of one subject, at one time each, with a value. */
  use(subject: string, time: string, values: readonly string[]): Promise<void>;
  /** A plan of these prices; the meter `used` sums `$.v`. */
  plan(prices: readonly NewPrice[], overrides?: Partial<NewPlan>): Promise<CurrentPlan>;
  /** A customer who owns the subject of its own key. */
  customer(overrides?: Parameters<typeof factory.customer>[0]): Promise<Customer>;
  subscribe(
    customer: Customer,
    plan: CurrentPlan,
    overrides?: Partial<NewSubscription>,
  ): Promise<Subscription>;
  /** Closes until nothing is due. */
  closeAllDue(): Promise<number>;
  close(): Promise<void>;
}

export const perUnit = (unitPrice: string, key = 'used'): NewPrice =>
  usagePrice('per_unit', { unit_price: unitPrice }, key);

/** A price of the meter `used`, with its terms as requests have them. */
export const usagePrice = (model: PricingModel, terms: TermsText, key = 'used'): NewPrice => ({
  key,
  meter: 'used',
  ...readUsageTerms(model, terms),
});

export const flat = (amount: string, key = 'base'): NewPrice => ({
  key,
  ...readAmountTerms('flat', { amount }),
});

let serial = 0;

export async function startBilling(
  now: string,
  {
    env = {},
    clock = new FakeClock(now),
    isPlanned = false,
  }: { env?: Record<string, string>; clock?: FakeClock; isPlanned?: boolean } = {},
): Promise<TestBilling> {
  const db = await createTestDatabase();
  const planned = isPlanned ? await PlannedConnections.open(db.url) : null;
  const { dataSource } = db.database;
  const config = testConfig({ METERLINE_ROLE: 'api', ...env });
  const module = await Test.createTestingModule({
    imports: [
      AppModule.with({
        ...{ config, log: silentLog, dataSource, databaseUrl: db.url },
        ...(planned !== null && { planned }),
      }),
    ],
  })
    .overrideProvider(Clock)
    .useValue(clock)
    .setLogger(silentLog)
    .compile();
  const get = <T>(type: Class<T>): T => module.get<T>(type);
  await get(MetersService).create(
    factory.meter({
      key: 'used',
      name: 'Used',
      aggregation: { kind: 'sum', value: { kind: 'property', path: '$.v' } },
    }),
  );
  return {
    db,
    clock,
    get,
    rows: async (sql, parameters = []) => await db.database.query(sql, parameters),
    use: async (subject, time, values) => {
      const events = values.map((v) => factory.event({ subject, time, data: { v } }));
      const body = Buffer.from(JSON.stringify(events));
      await get(EventsService).ingest(body, {});
    },
    plan: async (prices, overrides = {}) =>
      await get(PlansService).create({
        key: `plan-${(serial += 1)}`,
        name: 'Pro',
        currency: 'usd',
        interval: 'month',
        graceSeconds: 3_600,
        prices,
        ...overrides,
      }),
    customer: async (overrides = {}) => {
      const key = `payer-${(serial += 1)}`;
      return await get(CustomersService).create(factory.customer({ key, ...overrides }), [key]);
    },
    subscribe: async (customer, plan, overrides = {}) =>
      await get(SubscriptionsService).create({
        customer: customer.id,
        plan: plan.plan.id,
        startsAt: clock.now(),
        trialEndsAt: null,
        endsAt: null,
        anchor: { kind: 'calendar' },
        timeZone: null,
        billing: { provider: 'none' },
        ...overrides,
      }),
    closeAllDue: async () => {
      let total = 0;
      let closed: number;
      do {
        closed = await get(ClosingService).closeDue();
        total += closed;
      } while (closed > 0);
      return total;
    },
    close: async () => {
      await module.close();
      await planned?.close();
      if (dataSource.isInitialized) {
        await db.drop();
      }
    },
  };
}
