/*
 * Aim: whatever becomes of Stripe's webhooks, our invoices end as Stripe's are.
 * Method: the double's own events, handed over shuffled, doubled, or not at all.
 */
import { type Worker, type SeededInvoice, Syncing } from '../support/syncing.js';

interface StripeEvent {
  readonly id: string;
  readonly type: string;
  readonly data: { readonly object: unknown };
}

describe('what becomes of an invoice', () => {
  let syncing: Syncing;
  let worker: Worker;

  beforeAll(async () => {
    syncing = await Syncing.start();
    worker = syncing.worker();
  });

  afterAll(async () => {
    await syncing.close();
  });

  function eventsSince(count: number): StripeEvent[] {
    return syncing.double.state().events.slice(count);
  }

  async function opened(): Promise<{ seeded: SeededInvoice; stripeId: string; before: number }> {
    const before = syncing.double.state().events.length;
    const seeded = await syncing.seed();
    await syncing.pushAll(worker, 1);
    const [at] = await syncing.atStripe(seeded.stripeCustomerId);
    return { seeded, stripeId: at?.invoice.id ?? '', before };
  }

  const ends = [
    [
      'paid',
      async (id: string) => await syncing.sdk.invoices.pay(id, { paid_out_of_band: true }),
      ['invoice.finalized', 'invoice.paid'],
    ],
    [
      'void',
      async (id: string) => await syncing.sdk.invoices.voidInvoice(id),
      ['invoice.finalized', 'invoice.voided'],
    ],
    [
      'uncollectible',
      async (id: string) => await syncing.sdk.invoices.markUncollectible(id),
      ['invoice.finalized'],
    ],
  ] as const;

  it.each(ends)(
    'is %s, in whatever order and however often it is told',
    async (state, end, told) => {
      const { seeded, stripeId, before } = await opened();
      await end(stripeId);
      const events = eventsSince(before);
      for (const order of [events.toReversed(), events, [...events, ...events.toReversed()]]) {
        await syncing.deliver(worker, order);
        await Promise.all([
          worker.invoiceEvents.processOnce(),
          syncing.worker().invoiceEvents.processOnce(),
        ]);
      }
      await syncing.processAll(worker, 2);
      const stored = await syncing.stored(seeded.invoiceId);
      expect(stored).toMatchObject({ state, lineItems: [state, state] });
      expect(await syncing.messages(seeded.invoiceId)).toEqual([...told]);
      const { totalMinor, number } = await worker.invoices.get(seeded.invoiceId);
      expect({ totalMinor, hasNumber: number !== null }).toEqual({
        totalMinor: 4418n,
        hasNumber: true,
      });
    },
  );

  it('is looked up once for all events that came before the look', async () => {
    const { seeded, stripeId, before } = await opened();
    await syncing.sdk.invoices.pay(stripeId, { paid_out_of_band: true });
    await syncing.deliver(worker, eventsSince(before));
    const about = async (): Promise<string[]> => {
      const { items } = await worker.reader.list(null, 200, null);
      return items.filter(({ objectId }) => objectId === stripeId).map(({ state }) => state);
    };
    expect((await about()).filter((state) => state === 'pending').length).toBeGreaterThan(2);
    // Another replica has claimed all but one of them.
    await syncing.db.database.query(
      `UPDATE provider_events SET next_attempt_at = $2
       WHERE object_id = $1 AND id > (SELECT min(id) FROM provider_events WHERE object_id = $1 AND state = 'pending')`,
      [stripeId, new Date(syncing.clock.now().getTime() + 300_000)],
    );
    // Clocks of replicas may disagree.
    syncing.clock.advance(10_001);
    syncing.double.clearRequests();
    await worker.invoiceEvents.processOnce();
    expect(syncing.double.requests().map(({ path }) => path)).toEqual([`/v1/invoices/${stripeId}`]);
    expect((await about()).filter((state) => state === 'pending')).toEqual([]);
    expect(await syncing.stored(seeded.invoiceId)).toMatchObject({ state: 'paid' });
  });

  it('is left to others by a process that is told to stop', async () => {
    const { seeded, before } = await opened();
    await syncing.deliver(worker, eventsSince(before));
    const stopping = syncing.worker();
    stopping.invoiceEvents.stop();
    expect(await stopping.invoiceEvents.processOnce()).toBeGreaterThan(0);
    await worker.invoiceEvents.processOnce();
    expect(await syncing.stored(seeded.invoiceId)).toMatchObject({ state: 'open' });
    const { items } = await worker.reader.list('pending', 200, null);
    expect(items).toEqual([]);
  });

  it('is paid after all when it was written off before', async () => {
    const { seeded, stripeId, before } = await opened();
    for (const [state, end] of [ends[2], ends[0]]) {
      await end(stripeId);
      await syncing.deliver(worker, eventsSince(before));
      await syncing.processAll(worker, 2);
      expect(await syncing.stored(seeded.invoiceId)).toMatchObject({
        state,
        lineItems: [state, state],
      });
    }
  });

  it('is heard of by the poll when every webhook was lost', async () => {
    const { seeded, stripeId } = await opened();
    await syncing.sdk.invoices.pay(stripeId, { paid_out_of_band: true });
    // The second under way belongs to the next poll.
    syncing.clock.advance(61_000);
    while (await worker.poll.pollOnce()) {
      // Page after page.
    }
    await syncing.processAll(worker, 2);
    expect(await syncing.stored(seeded.invoiceId)).toMatchObject({ state: 'paid' });
    const { items } = await worker.reader.list(null, 200, null);
    expect(items.map((event) => event.via)).toContain('poll');
  });

  it('is heard of by the poll over many pages, and after a poll that failed', async () => {
    const { seeded, stripeId } = await opened();
    for (let count = 0; count < 230; count += 1) {
      await syncing.double.emit('invoice.updated', {
        id: `in_foreign_${count}`,
        object: 'invoice',
      });
    }
    await syncing.sdk.invoices.voidInvoice(stripeId);
    syncing.clock.advance(61_000);
    syncing.double.orderFault({ path: '/v1/events', kind: 'html_503', skip: 1 });
    while (await worker.poll.pollOnce()) {
      // Until it fails.
    }
    syncing.clock.advance(61_000);
    while (await worker.poll.pollOnce()) {
      // Page after page.
    }
    await syncing.processAll(worker, 2);
    expect(await syncing.stored(seeded.invoiceId)).toMatchObject({ state: 'void' });
  });

  it('is told once for each failed payment', async () => {
    const { seeded, stripeId, before } = await opened();
    for (const name of ['first', 'second']) {
      await syncing.double.emit('invoice.payment_failed', {
        id: stripeId,
        object: 'invoice',
        name,
      });
    }
    const events = eventsSince(before);
    await syncing.deliver(worker, [...events, ...events]);
    await syncing.processAll(worker, 2);
    const failed = (await syncing.messages(seeded.invoiceId)).filter(
      (type) => type === 'invoice.payment_failed',
    );
    expect(failed).toHaveLength(2);
    expect(await syncing.stored(seeded.invoiceId)).toMatchObject({ state: 'open' });
  });

  it('waits while Stripe does not answer, and then fails for a person to see and retry', async () => {
    const { seeded, stripeId, before } = await opened();
    await syncing.sdk.invoices.voidInvoice(stripeId);
    const voided = eventsSince(before).filter((event) => event.type === 'invoice.voided');
    await syncing.deliver(worker, voided);
    syncing.double.orderFault({ method: 'GET', path: stripeId, kind: 'html_503', times: 40 });
    for (let hour = 0; hour < 40; hour += 1) {
      // Stripe answers everything else: it is no outage.
      await worker.poll.pollOnce();
      await worker.invoiceEvents.processOnce();
      syncing.clock.advance(2 * 3_600_000);
    }
    const failed = await worker.reader.list('failed', 200, null);
    expect(failed.items.map((event) => event.id)).toContain(voided[0]?.id);
    expect(failed.items[0]?.lastError).toMatch('Invalid JSON');
    syncing.double.clearFaults();
    await worker.events.retry(voided[0]?.id ?? '');
    await worker.invoiceEvents.processOnce();
    expect(await syncing.stored(seeded.invoiceId)).toMatchObject({ state: 'void' });
  });

  it('is not lost when it is told before its id is recorded here', async () => {
    const before = syncing.double.state().events.length;
    const seeded = await syncing.seed({ finalize: false });
    const path = '^/v1/invoices$';
    syncing.double.orderFault({ method: 'POST', path, kind: 'commit_then_drop', times: 2 });
    await worker.push.pushOnce();
    const created = eventsSince(before).filter((event) => event.type === 'invoice.created');
    await syncing.deliver(worker, created);
    await worker.invoiceEvents.processOnce();
    const pending = await worker.reader.list('pending', 200, null);
    expect(pending.items.map(({ id }) => id)).toEqual(created.map(({ id }) => id));
    await syncing.pushAll(worker, 2);
    await syncing.processAll(worker, 2);
    expect(await syncing.stored(seeded.invoiceId)).toMatchObject({ state: 'draft' });
    expect((await worker.reader.list('pending', 200, null)).items).toEqual([]);
  });

  it('is none of ours when nothing names it, and nothing is asked of Stripe', async () => {
    const event = await syncing.double.emit('invoice.paid', {
      id: 'in_foreign',
      object: 'invoice',
    });
    syncing.double.clearRequests();
    await syncing.deliver(worker, [event]);
    await worker.invoiceEvents.processOnce();
    const ignored = await worker.reader.list('ignored', 200, null);
    expect(ignored.items.map(({ id }) => id)).toContain(event.id);
    expect(syncing.double.requests()).toEqual([]);
  });

  it('shows an item that a person took off before finalizing, and bills it again on a retry', async () => {
    const before = syncing.double.state().events.length;
    const seeded = await syncing.seed({ amounts: [500, 700], finalize: false });
    await syncing.pushAll(worker, 1);
    const [at] = await syncing.atStripe(seeded.stripeCustomerId);
    const taken = at?.items.find((item) => item.amount === 700);
    await syncing.sdk.invoiceItems.del(taken?.id ?? '');
    await syncing.sdk.invoices.finalizeInvoice(at?.invoice.id ?? '');
    await syncing.deliver(worker, eventsSince(before));
    await syncing.processAll(worker, 2);
    expect(await syncing.stored(seeded.invoiceId)).toMatchObject({
      state: 'open',
      lineItems: ['finalized', 'failed'],
    });
    const { invoiceId } = await worker.retry.retry(seeded.lineItemIds[1] ?? '');
    await syncing.pushAll(worker, 1);
    expect(await syncing.stored(invoiceId)).toMatchObject({ lineItems: ['on_invoice'] });
  });
});
