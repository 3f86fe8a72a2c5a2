/*
 * Aim: whatever does not agree is shown to the cent, and what cannot be known is said.
 * Method: a closed month; rows are tampered with in the database, one at a time, and put back.
 */
import { BilledEventService } from '../../src/billing/explanations/billed-event.service.js';
import { ExplanationsService } from '../../src/billing/explanations/explanations.service.js';
import { type Verification } from '../../src/billing/explanations/verification.js';
import { VerificationService } from '../../src/billing/explanations/verification.service.js';
import { LedgerReader, type NamedLineItem } from '../../src/billing/ledger/ledger.reader.js';
import { LedgerService } from '../../src/billing/ledger/ledger.service.js';
import { PeriodsReader } from '../../src/billing/periods/periods.reader.js';
import { RatingService } from '../../src/billing/periods/rating.service.js';
import { type Customer } from '../../src/customers/customer.js';
import { CustomersService } from '../../src/customers/customers.service.js';
import { newId } from '../../src/kernel/ids.js';
import { type CountedEvent } from '../../src/usage/counted/counted-usage.js';
import { Database } from '../../src/platform/database/database.js';
import { UsageReader } from '../../src/usage/usage.reader.js';
import { startBilling, type TestBilling } from '../support/billing.js';
import { IN_THIS_DATABASE } from '../support/database.js';
import {
  createMeters,
  Ledgered,
  SOURCE,
  sortedIds,
  subscribeInNovember,
} from '../support/explaining.js';
import { factory } from '../support/factory.js';
import { type OracleEvent } from '../support/usage-oracle.js';

const ANY = { subscriptionId: null, billingPeriodId: null, invoiceId: null, state: null };
const FIRST = { limit: 100, before: null };

describe('POST /line-items/:id/verification', () => {
  let billing: TestBilling;
  let customer: Customer;
  let other: Customer;
  let events: Ledgered;

  const event = (time: string, v: unknown, region = 'eu'): OracleEvent => ({
    ...{ subject: 'key/1', type: 'api.request', time, data: { v, region, status: 200 } },
  });

  beforeAll(async () => {
    billing = await startBilling('2026-12-01T05:10:00Z');
    await createMeters(billing);
    const customers = billing.get(CustomersService);
    customer = await customers.create(factory.customer({ key: 'acme' }), ['key/1']);
    other = await customers.create(factory.customer({ key: 'other' }), []);
    await subscribeInNovember(billing, customer, []);
    events = new Ledgered(billing, 'ev');
    // Before the month: the level with which it begins.
    await events.send([event('2026-10-31T12:00:00.000000Z', 7)]);
    billing.clock.advance(60_000);
    await events.send([
      event('2026-11-03T10:00:00.000000Z', '100.5'),
      event('2026-11-03T10:00:00.000000Z', 40, 'us'),
      event('2026-11-20T10:00:00.000001Z', 12, 'us'),
    ]);
    billing.clock.set('2026-12-01T06:00:01Z');
    await billing.closeAllDue();
    billing.clock.advance(60_000);
  });

  afterAll(async () => {
    await billing.close();
  });

  const line = async (key: string): Promise<NamedLineItem> => {
    const { items } = await billing.get(LedgerReader).list('acme', ANY, FIRST);
    const found = items.find(
      ({ price, item }) => price.key === key && item.charge.kind !== 'adjustment',
    );
    return found!;
  };

  const verify = async (id: string): Promise<Verification> =>
    await billing.get(VerificationService).verify(id);

  const eventsOf = async (id: string): Promise<readonly CountedEvent[]> =>
    (await billing.get(ExplanationsService).events(id, { limit: 100, after: null })).page.items;

  /** Runs the steps while rows are other than they were. */
  const tampered = async (
    [change, back]: readonly [string, string],
    run: () => Promise<void>,
  ): Promise<void> => {
    await billing.rows(change);
    await run();
    await billing.rows(back);
  };

  it('shows an amount that somebody has changed, to the cent', async () => {
    const { item } = await line('bytes');
    expect(item.amountMinor).toBe(264n);
    const set = (amount: number): string =>
      `UPDATE line_items SET amount_minor = ${amount} WHERE id = '${item.id}'`;
    await tampered([set(265), set(264)], async () => {
      const { verdict, item: stored } = await verify(item.id);
      expect(stored.amountMinor).toBe(265n);
      expect(verdict).toMatchObject({
        outcome: 'differs',
        recomputed: { amountMinor: 264n },
        doStepsAgree: true,
      });
    });
    expect((await verify(item.id)).verdict.outcome).toBe('agrees');
  });

  it('shows a quantity, a currency and steps that somebody has changed', async () => {
    const { item } = await line('bytes');
    const set = (sql: string): string => `UPDATE line_items SET ${sql} WHERE id = '${item.id}'`;
    for (const [change, back, verdict] of [
      ['quantity = 152.4', 'quantity = 152.5', { outcome: 'differs' }],
      [`currency = 'eur'`, `currency = 'usd'`, { outcome: 'differs' }],
      [
        `steps = jsonb_set(steps, '{0,unit_price}', '"0.02"')`,
        `steps = jsonb_set(steps, '{0,unit_price}', '"0.0173"')`,
        { outcome: 'agrees', doStepsAgree: false },
      ],
    ] as const) {
      await tampered([set(change), set(back)], async () => {
        expect((await verify(item.id)).verdict).toMatchObject(verdict);
      });
    }
  });

  it('shows events that somebody has changed: in their line item, and in the limit that adds it up', async () => {
    const set = (v: string): string =>
      `UPDATE usage_events SET data = jsonb_set(data, '{v}', '${v}') WHERE time = '2026-11-20T10:00:00.000001Z'`;
    const before = await line('bytes');
    const maximum = await line('maximum_amount');
    const last = (await verify(maximum.item.id)).verdict;
    expect(last).toMatchObject({ outcome: 'agrees' });
    await tampered([set('62'), set('12')], async () => {
      expect((await verify(before.item.id)).verdict).toMatchObject({
        outcome: 'differs',
        // 202.5 × 0.0173 = 3.50325
        recomputed: { amountMinor: 350n },
      });
      expect((await verify(maximum.item.id)).verdict.outcome).toBe('differs');
      expect((await verify((await line('base')).item.id)).verdict.outcome).toBe('agrees');
      expect((await verify((await line('calls')).item.id)).verdict.outcome).toBe('agrees');
    });
  });

  it('lists the level with which a period began as carried', async () => {
    const { item } = await line('seats');
    const listed = await eventsOf(item.id);
    expect(listed.map(({ value, isCarried }) => [value, isCarried])).toEqual([
      ['7', true],
      ['100.5', false],
      ['40', false],
      ['12', false],
    ]);
    const first = events.all[0]!;
    const { lines } = await billing.get(BilledEventService).find(SOURCE, first.id);
    expect(lines.map((found) => found.line.price.key)).toEqual(['seats']);
    await expect(billing.get(BilledEventService).find(SOURCE, 'unknown')).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  it('explains an adjustment by what it takes in and takes back, and verifies it', async () => {
    const { item, price } = await line('bytes');
    const [, , second, third] = events.all;
    await events.send([event('2026-11-05T00:00:00.000000Z', '1000.25', 'us')]);
    await events.void(second!);
    await events.replace(third!, event('2026-11-21T00:00:00.000000Z', 13, 'eu'));
    await billing.get(CustomersService).assignSubject('other', 'key/1', new Date('2026-11-25'));
    const id = newId('li');
    await billing.get(UsageReader).atCutOff(async (cutOffBatch) => {
      const { period } = await billing.get(PeriodsReader).get(item.billingPeriodId);
      const { lines } = await billing.get(RatingService).ratePeriod(period);
      const anew = lines.find((rated) => rated.price.key === 'bytes')!;
      await billing.get(LedgerService).add([
        {
          ...item,
          id,
          cutOffBatch,
          steps: anew.steps,
          amountMinor: anew.amountMinor - item.amountMinor,
          charge: {
            kind: 'adjustment',
            // 100.5 + 1000.25 + 13, less 152.5
            quantity: anew.measured!.quantity.minus('152.5'),
            correctsLineItemId: item.id,
            number: 1,
            billedInPeriodId: null,
          },
          createdAt: billing.clock.now(),
        },
      ]);
    });
    const { verdict, before } = await verify(id);
    expect(before).toMatchObject({ amountMinor: 264n });
    expect(verdict).toMatchObject({ outcome: 'agrees', doStepsAgree: true });
    const listed = await eventsOf(id);
    expect(listed.map(({ value, sign }) => `${sign * Number(value)}`).toSorted()).toEqual(
      ['-12', '-40', '1000.25', '13'].toSorted(),
    );
    const { usage, ofPeriod } = await billing.get(ExplanationsService).explain(id);
    expect(ofPeriod).toHaveLength(13);
    if (usage?.outcome !== 'counted') {
      throw new Error('It is not explained');
    }
    const changes = usage.days.flatMap(({ day, quantity, before: was }) =>
      quantity!.eq(was!) ? [] : [[day.start.getUTCDate(), quantity!.minus(was!).toFixed()]],
    );
    expect(changes).toEqual([
      [3, '-40'],
      [4, '1000.25'],
      [20, '1'],
    ]);
    // What was billed first still is what it was.
    expect((await verify(item.id)).verdict.outcome).toBe('agrees');
    expect(sortedIds(await eventsOf(item.id))).toHaveLength(3);
    const found = await billing.get(BilledEventService).find(SOURCE, third!.id);
    const effects = found.lines
      .filter((billed) => billed.line.price.id === price.id)
      .map(({ line: { item: by }, counted }) => [by.id, counted.map(({ sign }) => sign)]);
    expect(effects).toEqual([
      [item.id, [1]],
      [id, [-1, 1]],
    ]);
  });

  it('goes by the clock where it is not known which owners a line item saw', async () => {
    const { item } = await line('bytes');
    const set = (number: string): string =>
      `UPDATE line_items SET ownership_number = ${number} WHERE id = '${item.id}'`;
    await tampered([set('NULL'), set(String(item.ownershipNumber))], async () => {
      const verified = await verify(item.id);
      expect(verified.item.ownershipNumber).toBeNull();
      expect(verified.verdict.outcome).toBe('agrees');
    });
    const numbers = await billing.rows('SELECT max(number) AS last FROM customer_subjects');
    const last = String(numbers[0]?.['last']);
    expect(last).not.toBe(String(item.ownershipNumber));
    await billing.get(CustomersService).assignSubject(other.id, 'key/2', null);
  });

  it('knows which owners a period saw that closed while subjects were handed over', async () => {
    const customers = billing.get(CustomersService);
    billing.clock.set('2026-12-02T00:00:00Z');
    const payer = await customers.create(factory.customer({ key: 'payer' }), ['key/8', 'key/9']);
    await events.send([
      { ...event('2026-11-28T10:00:00.000000Z', 3), subject: 'key/8' },
      { ...event('2026-11-28T10:00:00.000000Z', 5), subject: 'key/9' },
    ]);
    await subscribeInNovember(billing, payer, []);
    const handOver = async (subject: string): Promise<unknown> =>
      await customers.assignSubject('other', subject, new Date('2026-11-20T00:00:00Z'));
    let commit: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      commit = resolve;
    });
    let first: Promise<unknown> = Promise.resolve();
    await new Promise<void>((resolve) => {
      first = billing.get(Database).transaction(async () => {
        await handOver('key/8');
        resolve();
        await gate;
      });
    });
    const through = { isSecond: false };
    const second = handOver('key/9').then(() => {
      through.isSecond = true;
    });
    const isWaiting = async (): Promise<boolean> =>
      (
        await billing.rows(
          `SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND ${IN_THIS_DATABASE}`,
        )
      ).length > 0;
    while (!through.isSecond && !(await isWaiting())) {
      // Until the second hand-over is through, or waits for the first.
    }
    await billing.closeAllDue();
    commit();
    await Promise.all([first, second]);
    const { items } = await billing.get(LedgerReader).list('payer', ANY, FIRST);
    const bytes = items.find(({ price }) => price.key === 'bytes')!;
    const { verdict } = await verify(bytes.item.id);
    expect(verdict).toMatchObject({ outcome: 'agrees' });
    expect((await eventsOf(bytes.item.id)).map(({ value }) => value)).toEqual(['3', '5']);
  });

  it('shows the largest of very many groups, and what the others come to', async () => {
    billing.clock.set('2026-12-20T00:00:00Z');
    const many = Array.from({ length: 1_003 }, (_, index) => ({
      ...event('2026-12-10T00:00:00.000000Z', index, `r${index}`),
      subject: 'key/3',
    }));
    const customers = billing.get(CustomersService);
    const wide = await customers.create(factory.customer({ key: 'wide' }), ['key/3']);
    await events.send(many);
    await subscribeInNovember(billing, wide, []);
    billing.clock.set('2027-01-01T08:00:00Z');
    await billing.closeAllDue();
    const { items } = await billing.get(LedgerReader).list('wide', ANY, FIRST);
    const bytes = items.find(({ price }) => price.key === 'bytes')!;
    const { usage } = await billing.get(ExplanationsService).explain(bytes.item.id);
    expect(usage).toMatchObject({ outcome: 'counted', hasMoreGroups: true });
    if (usage?.outcome === 'counted') {
      expect(usage.groups).toHaveLength(1_000);
      expect(usage.groups[0]?.groups).toEqual(['r1002']);
      expect(usage.otherGroups?.toFixed()).toBe('3');
    }
  });

  it('says so where events were dropped, instead of a wrong answer', async () => {
    await billing.rows('DROP TABLE usage_events_2026_12');
    const { item } = await line('bytes');
    const gone = { code: 'events_dropped', months: ['2026-12'] };
    const verdict = { outcome: 'unverifiable', reason: gone };
    expect((await verify(item.id)).verdict).toEqual(verdict);
    expect((await verify((await line('minimum_amount')).item.id)).verdict).toEqual(verdict);
    expect((await verify((await line('base')).item.id)).verdict.outcome).toBe('agrees');
    const { usage } = await billing.get(ExplanationsService).explain(item.id);
    expect(usage).toEqual({ outcome: 'dropped', months: ['2026-12'] });
    await expect(eventsOf(item.id)).rejects.toMatchObject({ code: 'events_dropped' });
    const dropped = await billing.get(BilledEventService).find(SOURCE, events.all[0]!.id);
    expect(dropped).toEqual({ isDropped: true, lines: [] });
  });
});
