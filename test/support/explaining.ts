/*
 * A month of usage that everything happens to, and what it must come to: the oracle goes through the
 * bodies that stood at the close, and knows no batches, no SQL and no rollups.
 */
import { type Subscription } from '../../src/billing/subscriptions/subscription.js';
import { SubscriptionsService } from '../../src/billing/subscriptions/subscriptions.service.js';
import { type Customer } from '../../src/customers/customer.js';
import { CorrectionsService } from '../../src/events/corrections.service.js';
import { EventsService } from '../../src/events/events.service.js';
import { type Interval, without } from '../../src/kernel/interval.js';
import { type Aggregation, type MeterValue } from '../../src/meters/meter.js';
import { MetersService } from '../../src/meters/meters.service.js';
import { type PricingModel } from '../../src/pricing/plan.js';
import { type NewPrice } from '../../src/pricing/price-rules.js';
import { readAmountTerms, readUsageTerms, type TermsText } from '../../src/pricing/price-terms.js';
import { type CountedEvent } from '../../src/usage/counted/counted-usage.js';
import { flat, type TestBilling } from './billing.js';
import { factory } from './factory.js';
import {
  isWithin,
  numberOf,
  type OracleEvent,
  type OracleMeter,
  type Ownership,
} from './usage-oracle.js';

export const SOURCE = 'kong/eu';
export const ZONE = 'America/New_York';
/** A month of 30 days and an hour, since clocks are set back on its first day. */
export const NOVEMBER: Interval = {
  start: new Date('2026-11-01T04:00:00Z'),
  end: new Date('2026-12-01T05:00:00Z'),
};
const NOTE = { reason: 'a test', by: 'key_test' };
const VALUE: MeterValue = { kind: 'property', path: '$.v' };
const GROUPED = [{ key: 'region', property: '$.region' }];

/** Each aggregation with a price; those with a match charge one region, the others the rest. */
const PRICES: readonly (readonly [string, Aggregation, PricingModel, TermsText])[] = [
  ['calls-eu', { kind: 'count' }, 'graduated', tiers('2', '0.335', '0.10')],
  ['calls', { kind: 'count' }, 'per_unit', { unit_price: '0.215', included: '1' }],
  ['bytes', { kind: 'sum', value: VALUE }, 'per_unit', { unit_price: '0.0173' }],
  ['peak', { kind: 'max', value: VALUE }, 'per_unit', { unit_price: '0.01' }],
  ['mean', { kind: 'avg', value: VALUE }, 'per_unit', { unit_price: '0.07' }],
  ['last', { kind: 'latest', value: VALUE }, 'volume', tiers('10', '0.1', '0.01')],
  ['users', { kind: 'unique_count', property: '$.v' }, 'per_unit', { unit_price: '0.25' }],
  [
    'p75',
    { kind: 'percentile', value: VALUE, percentile: '75' },
    'package',
    { package_size: '7', package_price: '0.11' },
  ],
  ['seats', { kind: 'time_weighted_sum', value: VALUE }, 'per_unit', { unit_price: '0.00013' }],
];

function tiers(upTo: string, first: string, then: string): TermsText {
  return {
    tiers: [
      { up_to: upTo, unit_price: first },
      { up_to: null, unit_price: then, flat_amount: '0.02' },
    ],
  };
}

const meterKey = (key: string): string => key.replace('-eu', '');

export async function createMeters(billing: TestBilling): Promise<void> {
  for (const [key, aggregation] of PRICES) {
    if (meterKey(key) === key) {
      // The oracle takes a level to be of its subject, whatever the group.
      const groupBy = key === 'seats' ? [] : GROUPED;
      const meter = factory.meter({ key, name: key, aggregation, groupBy });
      await billing.get(MetersService).create(meter);
    }
  }
}

/** All of them, a fee, and both limits of the invoice. */
export function manyPrices(): NewPrice[] {
  return [
    flat('1.00'),
    ...PRICES.map(([key, , model, terms]): NewPrice => {
      const match = key.endsWith('-eu') ? { match: { region: 'eu' } } : {};
      const price = readUsageTerms(model, { ...terms, ...match });
      return { key, meter: meterKey(key), ...price };
    }),
    { key: 'minimum_amount', ...readAmountTerms('minimum', { amount: '4.00' }) },
    { key: 'maximum_amount', ...readAmountTerms('maximum', { amount: '9.00' }) },
  ];
}

/** The meter of a price, for the oracle. */
export function oracleOf(priceKey: string): OracleMeter {
  const aggregation = PRICES.find(([key]) => key === priceKey)?.[1] ?? { kind: 'count' };
  const isEu = ({ data: { region } }: OracleEvent): boolean => region === 'eu';
  return {
    kind: aggregation.kind,
    ...(aggregation.kind === 'percentile' ? { percentile: aggregation.percentile } : {}),
    groupOf: () => 'all',
    numberOf: ({ data: { v } }) => numberOf(v),
    matches: (event) =>
      event.type === 'api.request' &&
      (meterKey(priceKey) !== 'calls' || isEu(event) === priceKey.endsWith('-eu')),
  };
}

export const byRegion = (meter: OracleMeter): OracleMeter => ({
  ...meter,
  groupOf: ({ data: { region } }) =>
    JSON.stringify(meter.kind === 'time_weighted_sum' ? [] : [region ?? null]),
});

/** What is owned, without the spans of a pause. */
export function unpaused(
  owned: readonly Ownership[],
  pauses: Subscription['pauses'],
  window: Interval,
): Ownership[] {
  return owned.flatMap((span) =>
    without(window, pauses).flatMap(({ start, end }) => {
      const from = span.from !== null && span.from > start ? span.from : start;
      const to = span.to !== null && span.to < end ? span.to : end;
      return from < to ? [{ ...span, from, to }] : [];
    }),
  );
}

/** Whether a meter can read the event. */
export function isRead(meter: OracleMeter, event: OracleEvent): boolean {
  const { v } = event.data;
  switch (meter.kind) {
    case 'count':
      return true;
    case 'unique_count':
      return v !== undefined && v !== null;
    default:
      return meter.numberOf(event) !== null;
  }
}

export { isWithin };

/** An event as it was sent, and the body that counts; null when it is void. */
export interface Sent {
  readonly id: string;
  body: OracleEvent | null;
}

/** Sends, voids and replaces events, and keeps what stands. */
export class Ledgered {
  readonly all: Sent[] = [];

  constructor(
    private readonly billing: TestBilling,
    private readonly prefix: string,
  ) {}

  standing(): (OracleEvent & { readonly id: string })[] {
    return this.all.flatMap(({ id, body }) => (body === null ? [] : [{ ...body, id }]));
  }

  async send(bodies: readonly OracleEvent[]): Promise<void> {
    const sent = bodies.map((body) => ({
      id: `${this.prefix}/${this.all.length + 1}-${serial()}`,
      body,
    }));
    const events = sent.map(({ id, body }) => factory.event({ ...body, id, source: SOURCE }));
    await this.billing.get(EventsService).ingest(Buffer.from(JSON.stringify(events)), {});
    this.all.push(...sent);
  }

  async void(event: Sent): Promise<void> {
    await this.billing.get(CorrectionsService).void({ source: SOURCE, id: event.id }, NOTE);
    event.body = null;
  }

  async replace(event: Sent, body: OracleEvent): Promise<void> {
    const identity = { source: SOURCE, id: event.id };
    const data = JSON.stringify(body.data);
    const next = { ...identity, ...body, data, extensions: null };
    await this.billing.get(CorrectionsService).replace(identity, () => next, NOTE);
    event.body = body;
  }

  /** Voids those that numbers pick, or puts a body in their place. */
  async correct(picks: readonly number[], bodies: readonly OracleEvent[]): Promise<void> {
    for (const [index, pick] of picks.entries()) {
      const event = this.all[pick % Math.max(1, this.all.length)];
      const body = bodies[index];
      if (event !== undefined) {
        await (body === undefined || pick % 2 === 0 ? this.void(event) : this.replace(event, body));
      }
    }
  }
}

let last = 0;
const serial = (): number => (last += 1);

/** Subscribes a customer from the first of November on, with pauses. */
export async function subscribeInNovember(
  billing: TestBilling,
  customer: Customer,
  pauses: readonly Interval[],
): Promise<Subscription> {
  const plan = await billing.plan(manyPrices());
  const subscriptions = billing.get(SubscriptionsService);
  let subscription = await billing.subscribe(customer, plan, {
    timeZone: ZONE,
    startsAt: NOVEMBER.start,
  });
  for (const { start, end } of pauses) {
    await subscriptions.pause(subscription.id, start);
    subscription = await subscriptions.resume(subscription.id, end);
  }
  return subscription;
}

export const sortedIds = (events: readonly Pick<CountedEvent, 'id'>[]): string[] =>
  events.map(({ id }) => id).toSorted();
