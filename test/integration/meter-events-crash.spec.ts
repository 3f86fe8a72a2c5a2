/*
 * Aim: a process that dies at any step of sending usage, or of taking it back, leaves Stripe's meter with
 * exactly what was used.
 * Method: a second application on the same database counts its statements and calls, and at the n-th one it is
 * dead; the first one then recovers, for each n in strides, or every n there is with EVERY_STEP=1.
 */
import { MeterSending, type MeterWorker, type Sender } from '../support/meter-sending.js';
import { Fuse, strideOf } from '../support/mortal.js';

const HOUR_MS = 3_600_000;

describe('a process that dies while it sends usage', () => {
  let sending: MeterSending;
  let fuse: Fuse;
  let mortal: MeterWorker;
  let closeMortal: () => Promise<void>;

  beforeAll(async () => {
    sending = await MeterSending.start();
    fuse = new Fuse(Infinity);
    ({ worker: mortal, close: closeMortal } = await sending.mortalWorker(fuse));
  });

  afterAll(async () => {
    await closeMortal();
    await sending.close();
  });

  /** Lets the process die at every n-th step until it lives; answers at which step it did. */
  async function dieEverywhere(
    stride: number,
    begin: () => Promise<Sender>,
    expected: (values: number[]) => void,
    afterDeath: () => Promise<void> = async () => await Promise.resolve(),
  ): Promise<number> {
    for (let deadly = 1; ; deadly += strideOf(stride)) {
      fuse.set(Infinity);
      const sender = await begin();
      fuse.set(deadly);
      await mortal.runs.runOnce().catch(() => 0);
      const hasLived = !fuse.isDead;
      await afterDeath();
      // The lease of the dead runs out within the hour.
      await sending.work(1);
      expected(sending.atStripe(sender));
      expect({ deadly, shown: await sending.shown(sender) }).toMatchObject({
        deadly,
        shown: [{ difference: '0', state: 'open' }],
      });
      await sending.billing.rows('UPDATE meter_event_streams SET next_attempt_at = NULL');
      if (hasLived) {
        return deadly;
      }
    }
  }

  /** Something new to send, and the stream already there or not. */
  async function toSend(): Promise<Sender> {
    const sender = await sending.subscribe();
    await sending.use(sender, '40');
    return sender;
  }

  /** Something to take back, of which a part is sent anew. */
  async function toCancel(): Promise<Sender> {
    const sender = await sending.subscribe();
    await sending.use(sender, '7');
    await sending.work(0);
    await sending.voidUsage(sender, '7');
    await sending.use(sender, '3');
    sending.clock.advance(HOUR_MS);
    return sender;
  }

  const isOnce = (values: number[]): void => {
    expect(values).toEqual([40]);
  };

  it('leaves it sent once', async () => {
    expect(await dieEverywhere(5, toSend, isOnce)).toBeGreaterThan(30);
  });

  it('leaves it sent once, though Stripe forgets its key and identifier', async () => {
    const aDay = async (): Promise<void> => {
      await sending.double.expireIdempotencyKeys();
      sending.clock.advance(25 * HOUR_MS);
    };
    expect(await dieEverywhere(11, toSend, isOnce, aDay)).toBeGreaterThan(30);
  });

  it('leaves it sent once, though Stripe answers with a failure besides', async () => {
    const toFail = async (): Promise<Sender> => {
      sending.double.clearFaults();
      sending.double.orderFault({
        method: 'POST',
        path: '/meter_events$',
        kind: 'error_500_after_commit',
      });
      return await toSend();
    };
    expect(await dieEverywhere(11, toFail, isOnce)).toBeGreaterThan(20);
    sending.double.clearFaults();
  });

  it('leaves it taken back once, and what is left sent', async () => {
    const isThree = (values: number[]): void => {
      expect(values).toEqual([3]);
    };
    expect(await dieEverywhere(7, toCancel, isThree)).toBeGreaterThan(40);
  });

  it('leaves a report of errors with all of its effect or none', async () => {
    for (let deadly = 1; ; deadly += 1) {
      fuse.set(Infinity);
      const sender = await sending.subscribe();
      await sending.billing.rows(`UPDATE customers SET stripe_customer_id = $2 WHERE id = $1`, [
        sender.customer.id,
        `cus_Unknown${deadly}`,
      ]);
      await sending.use(sender, '40');
      await sending.work(0);
      await sending.deliver(await sending.double.reportMeterErrors());
      fuse.set(deadly);
      await mortal.reports.processOnce().catch(() => 0);
      const hasLived = !fuse.isDead;
      sending.clock.advance(HOUR_MS);
      await sending.worker.reports.processOnce();
      expect(await sending.events(sender)).toMatchObject([{ state: 'failed' }]);
      if (hasLived) {
        expect(deadly).toBeGreaterThan(5);
        return;
      }
    }
  });
});
