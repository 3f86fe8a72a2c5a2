/*
 * Aim: whatever becomes of Stripe's webhooks, customers stand as their invoices do, and each change is
 * told once.
 * Method: the double's own events, handed over shuffled, doubled, to two workers at once, or not at all.
 */
import { type NamedStanding } from '../../src/billing/standing/standings.reader.js';
import { type SeededInvoice, Syncing, type Worker } from '../support/syncing.js';

const DAY_MS = 86_400_000;

describe('the standing of a customer', () => {
  let syncing: Syncing;
  let worker: Worker;

  beforeAll(async () => {
    syncing = await Syncing.start();
    worker = syncing.worker();
  });

  afterAll(async () => {
    await syncing.close();
  });

  const eventsSince = (count: number): { id: string; type: string }[] =>
    syncing.double.state().events.slice(count);
  const standingOf = async ({ customerId }: SeededInvoice): Promise<NamedStanding> =>
    await worker.standings.get(customerId);
  const stands = async (seeded: SeededInvoice): Promise<string | undefined> =>
    (await standingOf(seeded)).standing?.standing;
  /** What endpoints were told of the customer: before and after. */
  const told = async ({ customerId }: SeededInvoice): Promise<unknown[]> =>
    (
      await syncing.db.database.query<{ data: Record<string, unknown> }>(
        `SELECT body::jsonb -> 'data' AS data FROM webhook_messages
         WHERE type = 'customer.standing_changed' AND body::jsonb -> 'data' ->> 'customer' =
           (SELECT key FROM customers WHERE id = $1)
         ORDER BY sequence`,
        [customerId],
      )
    ).map(({ data }) => [data['standing_before'], data['standing']]);
  const opened = async (): Promise<{ seeded: SeededInvoice; stripeId: string; before: number }> => {
    const before = syncing.double.state().events.length;
    const seeded = await syncing.seed();
    await syncing.pushAll(worker, 1);
    const [at] = await syncing.atStripe(seeded.stripeCustomerId);
    return { seeded, stripeId: at?.invoice.id ?? '', before };
  };
  const failPayment = async (seeded: SeededInvoice, stripeId: string): Promise<void> => {
    const card = await syncing.sdk.paymentMethods.attach('pm_card_chargeCustomerFail', {
      customer: seeded.stripeCustomerId ?? '',
    });
    await expect(
      syncing.sdk.invoices.pay(stripeId, { payment_method: card.id }),
    ).rejects.toMatchObject({ code: 'card_declined' });
  };
  const hear = async (events: readonly { id: string }[]): Promise<void> => {
    await syncing.deliver(worker, events);
    await Promise.all([
      worker.invoiceEvents.processOnce(),
      syncing.worker().invoiceEvents.processOnce(),
    ]);
    await syncing.processAll(worker, 2);
  };

  /** Invoices like this one, of which nothing is to be sent. */
  const copies = async (invoiceId: string, name: string, count: number): Promise<string[]> => {
    const rows = await syncing.db.database.query<{ id: string }>(
      `INSERT INTO invoices (id, customer_id, billing_period_id, currency, finalize, state, created_at, updated_at)
       SELECT id || $2 || copy.place, customer_id, billing_period_id, currency, finalize, 'pending',
         created_at, updated_at
       FROM invoices CROSS JOIN generate_series(1, $3::integer) AS copy (place) WHERE id = $1
       RETURNING id`,
      [invoiceId, name, count],
    );
    return rows.map(({ id }) => id);
  };
  /** As if Stripe had been seen so. */
  const follow = async (
    ids: readonly string[],
    status: 'open' | 'paid',
    isAttempted = true,
  ): Promise<void> => {
    await Promise.all(
      ids.map(async (id) => {
        const now = syncing.clock.now();
        const collection = { dueAt: null, isAttempted, finalizedAt: now };
        const amounts = {
          currency: 'usd',
          totalMinor: 100n,
          amountPaidMinor: 0n,
          creditedMinor: 0n,
          number: null,
        };
        const invoice = {
          ...{ id: `in_${id}`, status, ...amounts, hostedInvoiceUrl: null },
          ...{ metadata: {}, collection },
        };
        await worker.following.follow(id, { kind: 'present', invoice, items: null }, now);
      }),
    );
  };

  it('is good while an invoice waits to be charged', async () => {
    const { seeded, before } = await opened();
    await hear(eventsSince(before));
    expect(await stands(seeded)).toBe('good');
    expect((await standingOf(seeded)).unpaid).toMatchObject([
      { invoiceId: seeded.invoiceId, pastDueAt: null },
    ]);
    expect(await told(seeded)).toEqual([]);
  });

  const orders = [
    ['in order', (events: { id: string; type: string }[]) => events],
    ['backwards', (events: { id: string; type: string }[]) => events.toReversed()],
    ['twice', (events: { id: string; type: string }[]) => [...events, ...events.toReversed()]],
    ['the last alone', (events: { id: string; type: string }[]) => events.slice(-1)],
  ] as const;

  it.each(orders)(
    'is past due after a failed payment and good after a paid one, told %s',
    async (_, order) => {
      const { seeded, stripeId, before } = await opened();
      await failPayment(seeded, stripeId);
      const failed = eventsSince(before);
      await hear(order(failed));
      const { standing, unpaid } = await standingOf(seeded);
      expect(standing?.standing).toBe('past_due');
      expect(unpaid).toHaveLength(1);
      await syncing.sdk.invoices.pay(stripeId, { paid_out_of_band: true });
      await hear(order(eventsSince(before)));
      expect(await stands(seeded)).toBe('good');
      expect((await standingOf(seeded)).unpaid).toEqual([]);
      // What was heard of before is news no longer.
      await hear(failed.toReversed());
      expect(await told(seeded)).toEqual([
        ['good', 'past_due'],
        ['past_due', 'good'],
      ]);
    },
  );

  it('is suspended when it was past due for too long, by the time alone, once over two workers', async () => {
    const { seeded, stripeId, before } = await opened();
    const finalizedAt = syncing.clock.now().getTime();
    await failPayment(seeded, stripeId);
    await hear(eventsSince(before));
    syncing.clock.set(new Date(finalizedAt + 29 * DAY_MS));
    await worker.standing.judgeDue();
    expect(await stands(seeded)).toBe('past_due');
    syncing.clock.set(new Date(finalizedAt + 31 * DAY_MS));
    await Promise.all([
      worker.standing.judgeDue(),
      worker.standing.judgeDue(),
      syncing.worker().standing.judgeDue(),
    ]);
    expect(await stands(seeded)).toBe('suspended');
    await worker.standing.begin();
    await worker.standing.judgeDue();
    expect(await told(seeded)).toEqual([
      ['good', 'past_due'],
      ['past_due', 'suspended'],
    ]);
    const listed = await worker.standings.list('suspended', 10, null);
    expect(listed.items.map(({ customer }) => customer.id)).toContain(seeded.customerId);
    await syncing.sdk.invoices.voidInvoice(stripeId);
    await hear(eventsSince(before));
    expect(await stands(seeded)).toBe('good');
    expect((await worker.standings.list(null, 100, null)).items).not.toContainEqual(
      expect.objectContaining({ customer: expect.objectContaining({ id: seeded.customerId }) }),
    );
  });

  it('does not get better by what was seen before the charge failed, and is recorded after it', async () => {
    const seeded = await syncing.seed();
    const ids = await copies(seeded.invoiceId, 'copy', 1);
    await follow(ids, 'open');
    await follow(ids, 'open', false);
    expect(await stands(seeded)).toBe('past_due');
    await follow(ids, 'paid');
    await follow(ids, 'open');
    expect(await stands(seeded)).toBe('good');
  });

  it('is judged once for many invoices that are followed at the same time', async () => {
    const seeded = await syncing.seed();
    const { invoiceId } = seeded;
    const ROUNDS = 5;
    for (let round = 0; round < ROUNDS; round += 1) {
      const ids = await copies(invoiceId, `round-${round}`, 6);
      await follow(ids, 'open');
      await follow(ids, 'paid');
    }
    expect(await told(seeded)).toEqual(
      Array.from({ length: ROUNDS }, () => [
        ['good', 'past_due'],
        ['past_due', 'good'],
      ]).flat(),
    );
  });

  it('is suspended at once when an invoice is written off, and heard of by the poll alone', async () => {
    const { seeded, stripeId } = await opened();
    await syncing.sdk.invoices.markUncollectible(stripeId);
    syncing.clock.advance(61_000);
    while (await worker.poll.pollOnce()) {
      // Page after page.
    }
    await syncing.processAll(worker, 2);
    expect(await stands(seeded)).toBe('suspended');
    await syncing.sdk.invoices.pay(stripeId, { paid_out_of_band: true });
    syncing.clock.advance(61_000);
    while (await worker.poll.pollOnce()) {
      // Page after page.
    }
    await syncing.processAll(worker, 2);
    expect(await told(seeded)).toEqual([
      ['good', 'suspended'],
      ['suspended', 'good'],
    ]);
  });
});
