import { DateTime } from 'luxon';
import type { Account } from './account.js';
import { invalid, noSuch } from './errors.js';
import { newId } from './ids.js';
import { advance } from './invoice-life.js';
import type { Subscription, TestClock } from './objects.js';
import * as p from './parameters.js';
import { type Route, route } from './routes.js';
import { finalizeDue, renew, subscribe } from './subscriptions.js';

/** https://docs.stripe.com/billing/testing/test-clocks: clocks go after a month, real time. */
const LIFE_SECONDS = 30 * 86_400;

/** A month from an anchor on, as often as given; a day that a month does not have is its last one. */
const months = (anchor: number, count: number): Date =>
  DateTime.fromSeconds(anchor, { zone: 'utc' }).plus({ months: count }).toJSDate();

function existing(account: Account, id: string): TestClock {
  const clock = account.testClocks.get(id);
  if (clock === undefined) {
    throw noSuch('test clock', id, 'id', 404);
  }
  return clock;
}

function create(account: Account, frozenTime: number, name: string | null): TestClock {
  const clock: TestClock = {
    id: newId('clock'),
    object: 'test_helpers.test_clock',
    created: account.now(),
    deletes_after: account.now() + LIFE_SECONDS,
    frozen_time: frozenTime,
    livemode: false,
    name,
    status: 'ready',
  };
  account.testClocks.set(clock.id, clock);
  account.goTo(frozenTime);
  return clock;
}

/** One clock for the whole account, unlike Stripe's: the double is one story's. */
function goOn(account: Account, id: string, frozenTime: number): TestClock {
  const clock = existing(account, id);
  if (frozenTime <= clock.frozen_time) {
    throw invalid('The frozen_time must be after the current frozen_time.', {
      param: 'frozen_time',
    });
  }
  clock.frozen_time = frozenTime;
  // Renewals at their own times, so that what they leave open has its hour.
  for (const subscription of account.subscriptions.values()) {
    renewUntil(account, subscription, frozenTime);
  }
  account.goTo(frozenTime);
  finalizeDue(account);
  for (const record of account.invoices.values()) {
    if (record.head.status === 'open') {
      advance(account, record);
    }
  }
  return { ...clock, status: 'advancing' };
}

function renewUntil(account: Account, subscription: Subscription, until: number): void {
  const [item] = subscription.items.data;
  if (item === undefined || subscription.status !== 'active') {
    return;
  }
  for (let count = 1; item.current_period_end <= until; count += 1) {
    const end = months(subscription.billing_cycle_anchor, count);
    if (end.getTime() / 1_000 > item.current_period_end) {
      account.goTo(item.current_period_end);
      renew(account, subscription.id, end);
    }
  }
}

const priceFields = {
  currency: p.required(p.currency()),
  unit_amount: p.required(p.amount()),
  recurring: p.required(p.hash({ interval: p.required(p.oneOf('month', 'month')) })),
  product_data: p.required(p.hash({ name: p.required(p.text(250)) })),
};

const subscriptionFields = {
  customer: p.required(p.text()),
  items: p.required(p.list(p.hash({ price: p.required(p.text()) }), 1)),
};

function startSubscription(
  account: Account,
  { customer, items }: p.ParamsOf<typeof subscriptionFields>,
): Subscription {
  const priceId = items[0]?.price ?? '';
  const price = account.prices.get(priceId);
  if (price === undefined) {
    throw noSuch('price', priceId, 'items[0][price]');
  }
  const now = account.now();
  const { currency, unit_amount: amount } = price;
  const span = { start: new Date(now * 1_000), end: months(now, 1) };
  return subscribe(account, { customer, currency, amount, ...span });
}

/** What the stories in Stripe's sandbox need besides. */
export const testClockRoutes: Route[] = [
  route(
    'POST',
    '/v1/test_helpers/test_clocks',
    { frozen_time: p.required(p.integer()), name: p.text(300) },
    ({ account, params }) => create(account, params.frozen_time, params.name ?? null),
  ),
  route('GET', '/v1/test_helpers/test_clocks/:id', {}, ({ account, id }) => existing(account, id)),
  route(
    'POST',
    '/v1/test_helpers/test_clocks/:id/advance',
    { frozen_time: p.required(p.integer()) },
    ({ account, id, params }) => goOn(account, id, params.frozen_time),
  ),
  route('DELETE', '/v1/test_helpers/test_clocks/:id', {}, ({ account, id }) => {
    existing(account, id);
    account.testClocks.delete(id);
    return { id, object: 'test_helpers.test_clock', deleted: true };
  }),
  route('POST', '/v1/prices', priceFields, ({ account, params }) => {
    const { currency, unit_amount, recurring } = params;
    const price = { id: newId('price'), object: 'price', currency, unit_amount, recurring };
    account.prices.set(price.id, price);
    return price;
  }),
  route('POST', '/v1/subscriptions', subscriptionFields, ({ account, params }) =>
    startSubscription(account, params),
  ),
];
