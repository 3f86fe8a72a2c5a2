/*
 * What Meterline does with Stripe, as stories that hold against Stripe itself and against its double alike:
 * each is a function of the stage that it is played on.
 */
import { type Stripe } from 'stripe';
import { MeterLinksService } from '../../../src/billing/meter-events/meter-links.service.js';
import { type Subscription } from '../../../src/billing/subscriptions/subscription.js';
import { CorrectionsService } from '../../../src/events/corrections.service.js';
import { flat, perUnit } from '../billing.js';
import { HOUR_MS, MINUTE_MS, type Payer, SECOND_MS, type Stage, work } from './stage.js';

/** A fee that Stripe itself charges, minor units. */
const STRIPE_FEE = 2_000;
/** Longer than Stripe leaves its drafts open, and than it waits before it charges an invoice. */
const AFTER_DRAFT_MS = 3 * HOUR_MS;

async function useNow(stage: Stage, { customer }: Payer, ...values: string[]): Promise<void> {
  await stage.billing.use(customer.key, stage.clock.now().toISOString(), values);
}

/** Where the open period of a subscription ends. */
async function periodEnd(stage: Stage, { id }: Subscription): Promise<Date> {
  const [row] = await stage.billing.rows(
    `SELECT ends_at FROM billing_periods WHERE subscription_id = $1 AND state = 'open'`,
    [id],
  );
  return row?.['ends_at'] as Date;
}

/** Amounts, states and invoices at Stripe of the line items of a subscription that cost something. */
async function linesOf(
  stage: Stage,
  { id }: Subscription,
): Promise<{ amount: number; state: string; invoice: string | null }[]> {
  const rows = await stage.billing.rows(
    `SELECT item.amount_minor::integer AS amount, item.state, invoice.stripe_invoice_id AS invoice
     FROM line_items AS item LEFT JOIN invoices AS invoice ON invoice.id = item.invoice_id
     WHERE item.subscription_id = $1 AND item.amount_minor <> 0 ORDER BY item.amount_minor`,
    [id],
  );
  return rows as { amount: number; state: string; invoice: string | null }[];
}

async function invoicesOf(stage: Stage, { stripeCustomerId }: Payer): Promise<Stripe.Invoice[]> {
  return (await stage.sdk.invoices.list({ customer: stripeCustomerId, limit: 100 })).data;
}

/** A period becomes an invoice of its own, which Stripe collects. */
export async function ownInvoice(stage: Stage): Promise<void> {
  const payer = await stage.payer();
  const plan = await stage.billing.plan([flat('5.00'), perUnit('0.01')]);
  const subscription = await stage.billing.subscribe(payer.customer, plan, {
    anchor: { kind: 'anniversary', at: null },
    billing: { provider: 'stripe', finalize: true },
  });
  await useNow(stage, payer, '100', '23');
  const end = await periodEnd(stage, subscription);
  await stage.goTo(new Date(end.getTime() + HOUR_MS + MINUTE_MS));
  await stage.eventually(async () => {
    await work(stage);
    const lines = await linesOf(stage, subscription);
    expect(lines).toMatchObject([{ amount: 123 }, { amount: 500 }]);
    expect(['finalized', 'paid']).toContain(lines[0]?.state);
  });
  const invoices = await invoicesOf(stage, payer);
  expect(invoices.map(({ total, currency }) => [total, currency])).toEqual([[623, 'usd']]);
  await stage.goTo(new Date(stage.clock.now().getTime() + AFTER_DRAFT_MS));
  await stage.eventually(async () => {
    await work(stage);
    const id = invoices[0]?.id;
    expect(await linesOf(stage, subscription)).toEqual([
      { amount: 123, state: 'paid', invoice: id },
      { amount: 500, state: 'paid', invoice: id },
    ]);
  });
  expect(await invoicesOf(stage, payer)).toMatchObject([{ status: 'paid', amount_paid: 623 }]);
}

/** A period goes on the draft that a subscription at Stripe makes when it renews, beside Stripe's own fee. */
export async function subscriptionInvoice(stage: Stage): Promise<void> {
  const payer = await stage.payer();
  const stripeSubscription = await stage.subscribeAtStripe(payer, STRIPE_FEE);
  const plan = await stage.billing.plan([perUnit('0.01')], { graceSeconds: 0 });
  const subscription = await stage.billing.subscribe(payer.customer, plan, {
    anchor: { kind: 'anniversary', at: null },
    billing: { provider: 'stripe', finalize: true, stripeSubscription },
  });
  await useNow(stage, payer, '150');
  const end = await periodEnd(stage, subscription);
  await stage.goTo(new Date(end.getTime() + 5 * MINUTE_MS));
  await stage.eventually(async () => {
    await work(stage);
    const lines = await linesOf(stage, subscription);
    expect(lines).toMatchObject([{ amount: 150, state: 'on_invoice' }]);
  });
  await stage.goTo(new Date(stage.clock.now().getTime() + AFTER_DRAFT_MS));
  await stage.eventually(async () => {
    await work(stage);
    expect(await linesOf(stage, subscription)).toMatchObject([{ amount: 150, state: 'paid' }]);
  });
  const [renewal] = await invoicesOf(stage, payer);
  expect(renewal).toMatchObject({
    billing_reason: 'subscription_cycle',
    status: 'paid',
    total: STRIPE_FEE + 150,
  });
}

/** What is used is summed up by a meter at Stripe, whole, and less by what is voided. */
export async function meterEvents(stage: Stage): Promise<void> {
  const payer = await stage.payer();
  const { eventName, id: meter } = await stage.meter();
  await stage.billing.get(MeterLinksService).create('used', eventName);
  const plan = await stage.billing.plan([perUnit('0.01')], { graceSeconds: 300 });
  const startsAt = stage.clock.now();
  const subscription = await stage.billing.subscribe(payer.customer, plan, {
    anchor: { kind: 'anniversary', at: null },
    billing: { provider: 'none', sendsMeterEvents: true },
  });
  const sumIs = async (expected: number, from: Date, to: Date): Promise<void> => {
    await stage.eventually(async () => {
      const summaries = await stage.sdk.billing.meters.listEventSummaries(meter, {
        customer: payer.stripeCustomerId,
        start_time: toMinute(from),
        end_time: toMinute(to) + 60,
      });
      const sum = summaries.data.reduce((all, { aggregated_value: value }) => all + value, 0);
      expect(sum).toBe(expected);
    });
  };
  const end = await periodEnd(stage, subscription);
  await useNow(stage, payer, '10.5', '30');
  await work(stage);
  await sumIs(40, startsAt, stage.clock.now());
  await stage.goTo(new Date(stage.clock.now().getTime() + 2 * HOUR_MS));
  await useNow(stage, payer, '0.75');
  await work(stage);
  await sumIs(41, startsAt, stage.clock.now());
  await voidUsage(stage, payer, '30');
  await stage.goTo(new Date(stage.clock.now().getTime() + 2 * HOUR_MS));
  await work(stage);
  await sumIs(11, startsAt, stage.clock.now());
  await stage.goTo(new Date(end.getTime() + HOUR_MS));
  await work(stage);
  await useNow(stage, payer, '0.8');
  await stage.goTo(new Date(stage.clock.now().getTime() + 2 * HOUR_MS));
  await work(stage);
  // The fraction of the month before has become whole with this one's.
  await sumIs(1, new Date(end.getTime() + MINUTE_MS), stage.clock.now());
}

async function voidUsage(stage: Stage, { customer }: Payer, value: string): Promise<void> {
  const [row] = await stage.billing.rows(
    `SELECT source, id FROM usage_events WHERE subject = $1 AND data::jsonb ->> 'v' = $2`,
    [customer.key, value],
  );
  const identity = { source: String(row?.['source']), id: String(row?.['id']) };
  await stage.billing.get(CorrectionsService).void(identity, { reason: 'a story', by: 'a story' });
}

/** Whole seconds of the minute that an instant lies in. */
function toMinute(instant: Date): number {
  return Math.floor(instant.getTime() / MINUTE_MS) * (MINUTE_MS / SECOND_MS);
}

/** All stories, by what they tell. */
export const STORIES: readonly (readonly [string, (stage: Stage) => Promise<void>])[] = [
  ['an invoice of our own', ownInvoice],
  ["an invoice of Stripe's subscription", subscriptionInvoice],
  ["events for Stripe's meters", meterEvents],
];
