/*
 * Aim: a provider event that cannot be processed for a reason of its own stops no other and ends with a person;
 * one that only met an outage never does.
 * Method: the double answers look-ups of single invoices with what no program can read, or nothing at all.
 */
import { type Worker, type SeededInvoice, Syncing } from '../support/syncing.js';

const HOUR_MS = 3_600_000;
/** More than are looked up at once. */
const BROKEN_COUNT = 10;

describe('provider events whose processing fails', () => {
  let syncing: Syncing;
  let worker: Worker;

  beforeEach(async () => {
    syncing = await Syncing.start();
    worker = syncing.worker();
  });

  afterEach(async () => {
    await syncing.close();
  });

  async function voided(): Promise<{ seeded: SeededInvoice; stripeId: string; eventId: string }> {
    const seeded = await syncing.seed();
    await syncing.pushAll(worker, 1);
    const [at] = await syncing.atStripe(seeded.stripeCustomerId);
    const stripeId = at?.invoice.id ?? '';
    const before = syncing.double.state().events.length;
    await syncing.sdk.invoices.voidInvoice(stripeId);
    const events = syncing.double.state().events.slice(before);
    await syncing.deliver(worker, events);
    return { seeded, stripeId, eventId: events[0]?.id ?? '' };
  }

  /** An hour of polls and of processing. */
  async function anHour(): Promise<void> {
    await worker.poll.pollOnce();
    await worker.invoiceEvents.processOnce();
    syncing.clock.advance(HOUR_MS * 1.3);
  }

  it('hold up no others, say why, and wait for a person in the end', async () => {
    const broken: Awaited<ReturnType<typeof voided>>[] = [];
    for (let count = 0; count < BROKEN_COUNT; count += 1) {
      broken.push(await voided());
    }
    const path = `invoices/(${broken.map(({ stripeId }) => stripeId).join('|')})`;
    syncing.double.orderFault({ method: 'GET', path, kind: 'foreign_200', times: 1e6 });
    const good = await voided();
    await worker.invoiceEvents.processOnce();
    expect(await syncing.stored(good.seeded.invoiceId)).toMatchObject({ state: 'void' });
    const waiting = await worker.reader.list('pending', 200, null);
    expect(waiting.items.map(({ attemptCount }) => attemptCount)).toEqual(broken.map(() => 1));
    expect(waiting.items[0]?.lastError).toMatch('It could not be processed: ');
    // A day of tries later.
    await syncing.db.database.query(
      `UPDATE provider_events SET attempt_count = 37 WHERE state = 'pending'`,
    );
    for (let hour = 0; hour < 4; hour += 1) {
      await anHour();
    }
    const failed = await worker.reader.list('failed', 200, null);
    expect(failed.items.map(({ id }) => id).toSorted()).toEqual(
      expect.arrayContaining(broken.map(({ eventId }) => eventId).toSorted()),
    );
    expect(failed.items[0]?.lastError).toMatch('It could not be processed: ');
    syncing.double.clearFaults();
    await worker.events.retry(broken[0]?.eventId ?? '');
    await worker.invoiceEvents.processOnce();
    expect(await syncing.stored(broken[0]?.seeded.invoiceId ?? '')).toMatchObject({
      state: 'void',
    });
  });

  it('are never given up because of an outage, however long', async () => {
    const { seeded } = await voided();
    syncing.double.orderFault({ kind: 'html_503', times: 1e6 });
    for (let hour = 0; hour < 60; hour += 1) {
      await anHour();
    }
    expect((await worker.reader.list('failed', 200, null)).items).toEqual([]);
    syncing.double.clearFaults();
    await anHour();
    expect(await syncing.stored(seeded.invoiceId)).toMatchObject({ state: 'void' });
  });
});
