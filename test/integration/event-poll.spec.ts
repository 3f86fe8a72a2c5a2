/*
 * Aim: no event is lost whenever it is listed, and what was read is not read again and again.
 * Method: thousands of events at the double; some are taken out of the account and put back, which is how
 * they look that are listed late. Pages are counted by the requests that the double got.
 */
import { type Event } from '../support/stripe-double/objects.js';
import { Syncing, type Worker } from '../support/syncing.js';

describe('the poll of Stripe’s events', () => {
  let syncing: Syncing;
  let worker: Worker;

  beforeEach(async () => {
    syncing = await Syncing.start();
    worker = syncing.worker();
  });

  afterEach(async () => {
    await syncing.close();
  });

  const emit = async (count: number): Promise<Event[]> => {
    const events: Event[] = [];
    for (let made = 0; made < count; made += 1) {
      events.push(await syncing.double.emit('invoice.updated', { id: 'in_x', object: 'invoice' }));
    }
    return events;
  };
  /** Polls for some minutes, each time to its end; answers how many pages each minute took. */
  const poll = async (minutes: number): Promise<number[]> => {
    const pages: number[] = [];
    for (let minute = 0; minute < minutes; minute += 1) {
      syncing.clock.advance(61_000);
      syncing.double.clearRequests();
      do {
        while (await worker.poll.pollOnce()) {
          // Page after page.
        }
        // A pass may be due that waited for the other.
      } while (await worker.poll.pollOnce());
      pages.push(syncing.double.requests().filter(({ path }) => path === '/v1/events').length);
    }
    return pages;
  };
  const stored = async (): Promise<number> => {
    const rows = await syncing.db.database.query<{ count: string }>(
      'SELECT count(*) AS count FROM provider_events',
    );
    return Number(rows[0]?.count);
  };

  it('reads what many closings have left once when it is new, and once when it has settled', async () => {
    await poll(1);
    await emit(2_050);
    const pages = await poll(30);
    expect(await stored()).toBe(2_050);
    expect(pages[0]).toBeGreaterThanOrEqual(21);
    // Every minute anew would be more than two hundred; each minute costs one, and the second pass 21.
    const sum = pages.reduce((total, count) => total + count, 0);
    expect(sum).toBeLessThanOrEqual(21 * 2 + 30 + 4);
  });

  it('finds what is listed late, also behind pages that it knows', async () => {
    await poll(1);
    const late = await emit(3);
    await emit(450);
    syncing.double.hideEvents(late.map(({ id }) => id));
    await poll(1);
    expect(await stored()).toBe(450);
    syncing.double.showEvents();
    await poll(25);
    expect(await stored()).toBe(453);
  });

  it('reads all that is new, though webhooks have told of the newest', async () => {
    await poll(1);
    await emit(50);
    const told = await emit(150);
    await syncing.deliver(worker, told);
    await poll(1);
    expect(await stored()).toBe(200);
  });

  it('goes on with all that it missed when it was down', async () => {
    await poll(1);
    await emit(250);
    syncing.clock.advance(7_200_000);
    await emit(150);
    await poll(1);
    expect(await stored()).toBe(400);
  });
});
