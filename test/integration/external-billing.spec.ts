/*
 * Aim: the whole ledger works with another billing platform instead of Stripe: it hears of each line item,
 * whoever dies, and what it says moves line items, invoices and standings.
 * Method: the whole application twice on one database, and a platform that answers over HTTP.
 */
import { HandingOverService } from '../../src/billing/external/handing-over.service.js';
import { StateReportsService } from '../../src/billing/external/state-reports.service.js';
import { UndeliveredService } from '../../src/billing/external/undelivered.service.js';
import { InvoicesReader } from '../../src/billing/invoices/invoices.reader.js';
import { ClosingService } from '../../src/billing/periods/closing.service.js';
import { StandingsReader } from '../../src/billing/standing/standings.reader.js';
import { StandingService } from '../../src/billing/standing/standing.service.js';
import { SubscriptionsService } from '../../src/billing/subscriptions/subscriptions.service.js';
import { RetryService } from '../../src/billing/sync/retry.service.js';
import { DeliveriesService } from '../../src/webhooks/deliveries/deliveries.service.js';
import { RetriesService } from '../../src/webhooks/deliveries/retries.service.js';
import { EndpointsService } from '../../src/webhooks/endpoints/endpoints.service.js';
import { flat, perUnit, startBilling, type TestBilling } from '../support/billing.js';
import { strideOf } from '../support/mortal.js';
import { type Replica, startReplica } from '../support/replica.js';
import { type Receiver, startReceiver } from '../support/webhook-receiver.js';

const ENV = { WEBHOOK_ALLOWED_CIDRS: '127.0.0.0/8' };
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;

type Told = Record<string, unknown> & { readonly line_item: string };

describe('billing through a webhook', () => {
  let billing: TestBilling;
  let platform: Receiver;
  let answer: () => { status?: number; headers?: Record<string, string>; body?: string };
  let endpointId: string;

  /** What the platform was told, and under which webhook-id. */
  const told = (): { id: string; data: Told }[] =>
    platform.requests.map(({ headers, body }) => ({
      id: String(headers['webhook-id']),
      data: (JSON.parse(body) as { data: Told }).data,
    }));
  const lines = async (): Promise<Record<string, unknown>[]> =>
    await billing.rows(
      `SELECT item.id, item.state, told.external_id, told.acknowledged_at IS NOT NULL AS is_acknowledged
       FROM line_items AS item LEFT JOIN external_line_items AS told ON told.line_item_id = item.id
       ORDER BY item.id`,
    );
  const deliverWith = async ({ get }: Pick<Replica, 'get'>): Promise<number> => {
    const deliveries = get(DeliveriesService);
    await deliveries.sweep();
    const claimed = await deliveries.claim(50);
    for (const delivery of claimed) {
      await deliveries.deliver(delivery);
    }
    return claimed.length;
  };
  const deliverAll = async (): Promise<void> => {
    while ((await deliverWith(billing)) > 0) {
      // There may be more.
    }
  };
  /** A month of ten units at 1.00 and a fee of 5.00, closed. */
  const closed = async (): Promise<{ customerId: string; subscriptionId: string }> => {
    const customer = await billing.customer();
    await billing.use(customer.key, '2026-10-10T00:00:00Z', ['4', '6']);
    const subscription = await billing.subscribe(
      customer,
      await billing.plan([perUnit('1.00'), flat('5.00')]),
      {
        startsAt: new Date('2026-10-01T00:00:00Z'),
        billing: { provider: 'webhook', webhookEndpoint: endpointId },
      },
    );
    await billing.closeAllDue();
    return { customerId: customer.id, subscriptionId: subscription.id };
  };
  const report = async (
    lineItemId: string,
    state: 'finalized' | 'paid' | 'uncollectible' | 'void',
    more: { dueAt?: Date; invoiceNumber?: string } = {},
  ): Promise<void> => {
    await billing.get(StateReportsService).report(lineItemId, {
      state,
      externalId: null,
      dueAt: more.dueAt ?? null,
      invoiceNumber: more.invoiceNumber ?? null,
      invoiceUrl: null,
    });
  };
  const invoice = async (customerId: string): Promise<Record<string, unknown>> => {
    const { items } = await billing
      .get(InvoicesReader)
      .list({ customer: customerId, state: null }, 10, null);
    expect(items).toHaveLength(1);
    return { ...items[0]?.invoice };
  };
  const standing = async (customerId: string): Promise<string> =>
    (await billing.get(StandingsReader).get(customerId)).standing?.standing ?? 'good';
  const messages = async (): Promise<unknown[]> =>
    (await billing.rows('SELECT type FROM webhook_messages ORDER BY sequence')).map(
      ({ type }) => type,
    );

  beforeEach(async () => {
    billing = await startBilling('2026-11-10T12:00:00Z', { env: ENV });
    answer = () => ({ body: JSON.stringify({ external_id: 'line-7' }) });
    platform = await startReceiver({ answer: () => answer() });
    const created = await billing
      .get(EndpointsService)
      .create({ url: platform.url, types: ['webhook.test'], description: '' });
    endpointId = created.endpoint.id;
  });

  afterEach(async () => {
    await platform.close();
    await billing.close();
  });

  it('tells the named endpoint of each line item, and keeps what it answers', async () => {
    const { customerId, subscriptionId } = await closed();
    expect(await lines()).toMatchObject([{ state: 'pending' }, { state: 'pending' }]);
    expect(await invoice(customerId)).toMatchObject({ provider: 'webhook', state: 'pending' });
    await deliverAll();
    expect(told().map(({ data }) => data)).toEqual([
      expect.objectContaining({
        subscription: subscriptionId,
        price: 'used',
        meter: 'used',
        kind: 'usage',
        revision: 1,
        quantity: { delta: '10', total: '10' },
        amount: { delta: '10.00', delta_minor: 1_000, total: '10.00', total_minor: 1_000 },
        final: true,
        corrects: null,
      }),
      expect.objectContaining({ price: 'base', meter: null, kind: 'flat', quantity: null }),
    ]);
    expect(await lines()).toMatchObject([
      { state: 'on_invoice', external_id: 'line-7', is_acknowledged: true },
      { state: 'on_invoice', external_id: 'line-7', is_acknowledged: true },
    ]);
    expect(await invoice(customerId)).toMatchObject({ state: 'draft', totalMinor: 1_500n });
    expect(await billing.rows('SELECT id FROM provider_syncs')).toEqual([]);
  });

  it('waits for an endpoint that does not take it, and shows what was given up', async () => {
    await closed();
    answer = () => ({ status: 500 });
    let failed = 0;
    // The schedule takes three days and up to a fifth less; after five an endpoint would be disabled.
    for (let hour = 0; failed < 2 && hour < 5 * 24; hour += 1) {
      await deliverAll();
      failed += await billing.get(UndeliveredService).failUndelivered();
      expect(hour < 60 ? failed : 0).toBe(0);
      billing.clock.advance(HOUR_MS);
    }
    expect(failed).toBe(2);
    const [first] = await lines();
    expect(first).toMatchObject({ state: 'failed', is_acknowledged: false });
    const before = new Set(told().map(({ id }) => id));
    answer = () => ({ body: 'thanks' });
    const retried = await billing.get(UndeliveredService).retry(String(first?.['id']));
    expect(retried?.lineItemIds).toHaveLength(2);
    await deliverAll();
    expect(await lines()).toMatchObject([
      { state: 'on_invoice', external_id: null, is_acknowledged: true },
      { state: 'on_invoice', external_id: null, is_acknowledged: true },
    ]);
    // Under another webhook-id, with the same content.
    const again = told().slice(-2);
    expect(again.some(({ id }) => before.has(id))).toBe(false);
    expect(again.map(({ data }) => data)).toEqual(
      told()
        .slice(0, 2)
        .map(({ data }) => data),
    );
    await expect(
      billing.get(UndeliveredService).retry(String(first?.['id'])),
    ).rejects.toMatchObject({ code: 'not_failed' });
  });

  it('goes to another endpoint from then on, and what failed with it', async () => {
    const { subscriptionId } = await closed();
    await billing.get(EndpointsService).delete(endpointId);
    await billing.get(DeliveriesService).sweep();
    await billing.get(UndeliveredService).failUndelivered();
    const [first] = await lines();
    expect(first).toMatchObject({ state: 'failed' });
    const other = await startReceiver();
    try {
      const { endpoint } = await billing
        .get(EndpointsService)
        .create({ url: other.url, types: [], description: '' });
      const subscriptions = billing.get(SubscriptionsService);
      await expect(subscriptions.tellElsewhere(subscriptionId, endpointId)).rejects.toMatchObject({
        code: 'invalid_request',
      });
      await subscriptions.tellElsewhere(subscriptionId, endpoint.id);
      await billing.get(UndeliveredService).retry(String(first?.['id']));
      await deliverAll();
      expect(await lines()).toMatchObject([{ state: 'on_invoice' }, { state: 'on_invoice' }]);
      expect(platform.requests).toHaveLength(0);
    } finally {
      await other.close();
    }
  });

  it('is acknowledged by whichever of its messages the endpoint takes', async () => {
    await closed();
    answer = () => ({ status: 500, headers: { 'webhook-delivery': 'abort-message' } });
    await deliverAll();
    expect(await billing.get(UndeliveredService).failUndelivered()).toBe(2);
    const [first] = await lines();
    const [before] = await billing.rows(
      `SELECT delivery.id FROM webhook_deliveries AS delivery
       JOIN external_line_items AS told ON told.message_id = delivery.message_id
       ORDER BY told.line_item_id LIMIT 1`,
    );
    await billing.get(UndeliveredService).retry(String(first?.['id']));
    // The messages of the retry fail like those before, and one of these is tried again by hand.
    await deliverAll();
    answer = () => ({ body: '{ "external_id": "of-the-first" }' });
    await billing.get(RetriesService).retry(String(before?.['id']));
    await deliverAll();
    expect(await lines()).toMatchObject([
      { state: 'on_invoice', external_id: 'of-the-first', is_acknowledged: true },
      { state: 'pending', is_acknowledged: false },
    ]);
  });

  it('fails when its message is not kept any more, and was never taken', async () => {
    await closed();
    await billing.get(EndpointsService).delete(endpointId);
    await billing.get(DeliveriesService).sweep();
    // As retention does once the delivery is over, should nobody have noticed by then.
    await billing.rows('DELETE FROM webhook_deliveries');
    await billing.rows('DELETE FROM webhook_messages');
    expect(await billing.get(UndeliveredService).failUndelivered()).toBe(2);
    expect(await lines()).toMatchObject([{ state: 'failed' }, { state: 'failed' }]);
  });

  it('moves line items, the invoice and the standing as the platform reports, forward only', async () => {
    const { customerId } = await closed();
    await deliverAll();
    const [usage, fee] = (await lines()).map(({ id }) => String(id)) as [string, string];
    const dueAt = new Date('2026-11-20T00:00:00Z');
    await report(usage, 'finalized', { dueAt, invoiceNumber: 'R-1' });
    expect(await invoice(customerId)).toMatchObject({ state: 'draft', number: 'R-1' });
    await report(fee, 'finalized');
    await report(fee, 'finalized');
    expect(await invoice(customerId)).toMatchObject({ state: 'open', amountPaidMinor: 0n });
    await billing.get(StandingService).judgeDue();
    expect(await standing(customerId)).toBe('good');
    billing.clock.advance(2 * WEEK_MS);
    await billing.get(StandingService).judgeDue();
    expect(await standing(customerId)).toBe('past_due');
    await report(usage, 'paid');
    expect(await invoice(customerId)).toMatchObject({ state: 'open', amountPaidMinor: 1_000n });
    await report(fee, 'uncollectible');
    expect(await standing(customerId)).toBe('suspended');
    await report(fee, 'paid');
    expect(await invoice(customerId)).toMatchObject({ state: 'paid', amountPaidMinor: 1_500n });
    expect(await standing(customerId)).toBe('good');
    await expect(report(fee, 'finalized')).rejects.toMatchObject({ code: 'state_passed' });
    const types = (await messages()).filter((type) => String(type).startsWith('invoice.'));
    expect(types).toEqual(['invoice.finalized', 'invoice.paid']);
  });

  it('takes a report for an acknowledgement, also of what had failed', async () => {
    const { customerId } = await closed();
    const [usage, fee] = (await lines()).map(({ id }) => String(id)) as [string, string];
    await billing.get(EndpointsService).delete(endpointId);
    await billing.get(DeliveriesService).sweep();
    await billing.get(UndeliveredService).failUndelivered();
    await report(usage, 'void');
    await report(fee, 'void');
    expect(await lines()).toMatchObject([
      { state: 'void', is_acknowledged: true },
      { state: 'void', is_acknowledged: true },
    ]);
    expect(await invoice(customerId)).toMatchObject({ state: 'void', amountPaidMinor: 0n });
    expect(await messages()).toContain('invoice.voided');
  });

  it('tells of a correction with the total that it leads to', async () => {
    const { customerId } = await closed();
    const [{ key } = { key: '' }] = await billing.rows('SELECT key FROM customers WHERE id = $1', [
      customerId,
    ]);
    await billing.use(String(key), '2026-10-11T00:00:00Z', ['2.5']);
    billing.clock.set('2026-12-01T02:00:00Z');
    await billing.closeAllDue();
    await deliverAll();
    const adjustment = told()
      .map(({ data }) => data)
      .find(({ kind }) => kind === 'adjustment');
    const first = told()[0]?.data.line_item;
    expect(adjustment).toMatchObject({
      charge: first,
      corrects: first,
      revision: 2,
      quantity: { delta: '2.5', total: '12.5' },
      amount: { delta_minor: 250, total_minor: 1_250 },
    });
  });

  it('refuses what it does not collect', async () => {
    const customer = await billing.customer();
    await billing.subscribe(customer, await billing.plan([flat('5.00')]), {
      startsAt: new Date('2026-10-01T00:00:00Z'),
    });
    await billing.closeAllDue();
    const [own] = await lines();
    const id = String(own?.['id']);
    await expect(report(id, 'paid')).rejects.toMatchObject({ code: 'not_external' });
    await expect(report('li_unknown', 'paid')).rejects.toMatchObject({ kind: 'not_found' });
    expect(await billing.get(UndeliveredService).retry(id)).toBeNull();
    // Nobody was asked to collect it, so it cannot have failed.
    await expect(billing.get(RetryService).retry(id)).rejects.toMatchObject({ code: 'not_failed' });
    await expect(billing.get(RetryService).retry('li_unknown')).rejects.toMatchObject({
      kind: 'not_found',
    });
    await expect(
      billing.subscribe(customer, await billing.plan([flat('5.00')]), {
        billing: { provider: 'webhook', webhookEndpoint: 'we_00000000000000000000000000' },
      }),
    ).rejects.toMatchObject({ code: 'invalid_request' });
    await expect(billing.get(HandingOverService).tell('inv_none', [id])).rejects.toThrow(
      'no subscription with a webhook endpoint',
    );
  });

  it('tells of each line item under one id, wherever a process dies', async () => {
    const replica = await startReplica(billing, ENV);
    const plan = await billing.plan([perUnit('1.00'), flat('5.00')]);
    const stride = strideOf(9);
    let hasDied = true;
    for (let deadly = 1; hasDied; deadly += stride) {
      const customer = await billing.customer();
      await billing.use(customer.key, '2026-10-10T00:00:00Z', ['4', '6']);
      await billing.subscribe(customer, plan, {
        startsAt: new Date('2026-10-01T00:00:00Z'),
        endsAt: new Date('2026-11-01T00:00:00Z'),
        billing: { provider: 'webhook', webhookEndpoint: endpointId },
      });
      replica.fuse.set(deadly);
      await replica
        .get(ClosingService)
        .closeDue()
        .catch(() => 0);
      await deliverWith(replica).catch(() => 0);
      hasDied = replica.fuse.isDead;
      // Another process goes on, once the lease of the dead one has ended.
      billing.clock.advance(61_000);
      await billing.closeAllDue();
      await deliverAll();
      expect(await invoice(customer.id)).toMatchObject({ state: 'draft', totalMinor: 1_500n });
    }
    const states = new Set((await lines()).map(({ state }) => state));
    expect([...states]).toEqual(['on_invoice']);
    const ids = new Map(told().map(({ id, data }) => [id, data.line_item]));
    expect(new Set(ids.values()).size).toBe(ids.size);
    expect(ids.size).toBe((await lines()).length);
  });
});
