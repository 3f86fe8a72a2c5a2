/*
 * Aim: late usage is billed once and completely, whatever happens at the same time and wherever it dies;
 * and all that is ever billed of a price is what its periods come to in the end.
 * Method: whole application on a real database. A closing is stopped in the middle of its transaction by
 * a lock on a table that it writes; meanwhile something else happens, or its connection is ended. The
 * property is held against an oracle that adds up what happened and asks rate() once.
 */
import { Big } from 'big.js';
import fc from 'fast-check';
import { Client } from 'pg';
import { LateUsageScanService } from '../../src/billing/late-usage/scan.service.js';
import { ClosingService } from '../../src/billing/periods/closing.service.js';
import { type Customer } from '../../src/customers/customer.js';
import { CustomersService } from '../../src/customers/customers.service.js';
import { CorrectionsService } from '../../src/events/corrections.service.js';
import { decimal } from '../../src/kernel/decimal.js';
import { rate, rateLimit } from '../../src/pricing/rate.js';
import { readAmountTerms } from '../../src/pricing/price-terms.js';
import { type Price } from '../../src/pricing/plan.js';
import { flat, perUnit, startBilling, type TestBilling, usagePrice } from '../support/billing.js';
import { IN_THIS_DATABASE } from '../support/database.js';
import { eventually } from '../support/service-process.js';

const DAILY = { interval: 'day', graceSeconds: 0 } as const;
const NOTE = { reason: 'a test', by: 'key_test' };
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

describe('late usage of a period', () => {
  let billing: TestBilling;
  let other: Client;

  beforeEach(async () => {
    billing = await startBilling('2026-11-10T00:00:00Z');
    other = new Client({ connectionString: billing.db.url });
    await other.connect();
  });

  afterEach(async () => {
    await other.end();
    await billing.close();
  });

  const subscribed = async (): Promise<Customer> => {
    const customer = await billing.customer();
    await billing.subscribe(customer, await billing.plan([perUnit('1')], DAILY));
    billing.clock.set('2026-11-10T20:00:00Z');
    return customer;
  };
  const billed = async (): Promise<unknown[]> => {
    const rows = await billing.rows(
      `SELECT kind, amount_minor FROM line_items WHERE amount_minor <> 0 ORDER BY id`,
    );
    return rows.map((row) => [row['kind'], row['amount_minor']]);
  };
  /** How many wait for a lock of a table, such as the one that `closeDuring` holds, or of a row of it. */
  const waiting = async (table = 'line_items'): Promise<number> => {
    const { rows } = await other.query(
      `SELECT waiter.pid FROM pg_locks AS waiter
       WHERE NOT waiter.granted AND (waiter.relation = $1::regclass AND waiter.${IN_THIS_DATABASE}
         OR EXISTS (SELECT FROM pg_locks AS held WHERE held.pid = waiter.pid AND held.granted
           AND held.relation = $1::regclass AND held.mode = 'RowExclusiveLock' AND held.${IN_THIS_DATABASE}
           AND waiter.locktype = 'transactionid'))`,
      [table],
    );
    return rows.length;
  };
  /** Closes while a lock keeps the close from writing its line items; it has its snapshot by then. */
  const closeDuring = async (meanwhile: () => Promise<void>): Promise<void> => {
    await other.query('BEGIN; LOCK TABLE line_items IN EXCLUSIVE MODE');
    const closing = billing.get(ClosingService).closeDue();
    await eventually(async () => {
      return (await waiting()) > 0;
    });
    await meanwhile();
    await other.query('ROLLBACK');
    await closing;
  };

  it('is found though it came, and was looked for, while the period was closing', async () => {
    const customer = await subscribed();
    billing.clock.set('2026-11-11T00:00:00Z');
    await closeDuring(async () => {
      await billing.use(customer.key, '2026-11-10T10:00:00Z', ['5']);
      await billing.get(LateUsageScanService).scanAll();
      expect(await billing.rows('SELECT done_batch FROM late_usage_scans')).toEqual([
        { done_batch: '1' },
      ]);
    });
    billing.clock.set('2026-11-12T00:00:00Z');
    await billing.closeAllDue();

    expect(await billed()).toEqual([['adjustment', '500']]);
  });

  it('is found though its subject was handed over, and that was looked at, while it was closing', async () => {
    const customer = await subscribed();
    await billing.use('of-nobody', '2026-11-10T10:00:00Z', ['5']);
    billing.clock.set('2026-11-11T00:00:00Z');
    await closeDuring(async () => {
      await billing.get(CustomersService).assignSubject(customer.id, 'of-nobody', null);
      await billing.get(LateUsageScanService).scanAll();
    });
    billing.clock.set('2026-11-12T00:00:00Z');
    await billing.closeAllDue();

    expect(await billed()).toEqual([['adjustment', '500']]);
  });

  it('that comes while its adjustment is written is in that one or in the next', async () => {
    const customer = await subscribed();
    billing.clock.set('2026-11-11T00:00:00Z');
    await billing.closeAllDue();
    await billing.use(customer.key, '2026-11-10T10:00:00Z', ['5']);
    billing.clock.set('2026-11-12T00:00:00Z');
    let scan = Promise.resolve();
    await closeDuring(async () => {
      await billing.use(customer.key, '2026-11-10T11:00:00Z', ['2']);
      // Waits for the close, since both write of the same period.
      scan = billing.get(LateUsageScanService).scanAll();
      await eventually(async () => (await waiting('billing_periods')) > 0);
    });
    await scan;
    expect(await billed()).toEqual([['adjustment', '500']]);
    billing.clock.set('2026-11-13T00:00:00Z');
    await billing.closeAllDue();

    expect(await billed()).toEqual([
      ['adjustment', '500'],
      ['adjustment', '200'],
    ]);
  });

  it('is billed once when the close dies in the middle, and when two close at the same time', async () => {
    const customer = await subscribed();
    billing.clock.set('2026-11-11T00:00:00Z');
    await billing.closeAllDue();
    await billing.use(customer.key, '2026-11-10T10:00:00Z', ['5']);
    billing.clock.set('2026-11-12T00:00:00Z');
    await closeDuring(async () => {
      await other.query(
        `SELECT pg_terminate_backend(pid) FROM pg_locks
         WHERE relation = 'line_items'::regclass AND NOT granted AND ${IN_THIS_DATABASE}`,
      );
      await eventually(async () => {
        return (await waiting()) === 0;
      });
    });
    expect(await billed()).toEqual([]);
    const [open] = await billing.rows(`SELECT id FROM billing_periods WHERE state = 'open'`);
    const closing = billing.get(ClosingService);
    await Promise.all([
      closing.closeDue(),
      closing.closeByHand(String(open?.['id'])),
      billing.get(LateUsageScanService).scanAll(),
      closing.closeDue(),
    ]);

    expect(await billed()).toEqual([['adjustment', '500']]);
    billing.clock.set('2026-11-13T00:00:00Z');
    await billing.closeAllDue();
    expect(await billed()).toEqual([['adjustment', '500']]);
  });

  /** What happens in an hour of a day, of two subjects that two customers have. */
  type Happening =
    | { kind: 'use'; subject: number; hoursAgo: number; value: number }
    | { kind: 'void'; index: number }
    | { kind: 'replace'; index: number; value: number }
    | { kind: 'hand over'; subject: number; to: number; hoursAgo: number }
    | { kind: 'close' };

  const happening: fc.Arbitrary<Happening> = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('use' as const),
        subject: fc.nat(2),
        hoursAgo: fc.nat(72),
        value: fc.integer({ min: -20, max: 150 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('void' as const), index: fc.nat() }) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('replace' as const),
        index: fc.nat(),
        value: fc.nat(300),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('hand over' as const),
        subject: fc.nat(2),
        to: fc.nat(1),
        hoursAgo: fc.nat(72),
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('close' as const) }) },
  );

  it('adds up to what its periods come to with all of it', async () => {
    const prices = [
      flat('1.00'),
      usagePrice('graduated', {
        included: '10',
        tiers: [
          { up_to: '100', unit_price: '0.333' },
          { up_to: null, unit_price: '0.1' },
        ],
      }),
      usagePrice('package', { package_size: '7', package_price: '0.5' }, 'packages'),
      usagePrice('percentage', { percent: '2.9', minimum_amount: '0.30' }, 'share'),
      { key: 'minimum_amount', ...readAmountTerms('minimum', { amount: '20.00' }) },
      { key: 'maximum_amount', ...readAmountTerms('maximum', { amount: '60.00' }) },
    ];
    const plan = await billing.plan(prices, DAILY);
    await fc.assert(
      fc.asyncProperty(
        fc.array(happening, { minLength: 15, maxLength: 35 }),
        async (happenings) => {
          billing.clock.set('2026-11-10T00:00:00Z');
          await billing.rows(`DELETE FROM billing_periods WHERE state = 'open'`);
          const story = new Story(billing);
          await story.begin(plan);
          for (const one of happenings) {
            await story.happen(one);
          }
          await story.happen({ kind: 'close' });
          await story.happen({ kind: 'close' });
          await story.compare(plan.latest.prices);
        },
      ),
      { numRuns: 4 },
    );
  });

  interface Used {
    readonly identity: { readonly source: string; readonly id: string };
    readonly subject: string;
    readonly time: Date;
    /** Null once it is void. */
    value: number | null;
  }

  /** What happened, and what it must come to. */
  class Story {
    private static count = 0;
    private readonly used: Used[] = [];
    private readonly customers: Customer[] = [];
    private subjects: string[] = [];
    /** Who has each subject from when on, in the order of time. */
    private owners = new Map<string, { customer: string; from: number }[]>();

    constructor(private readonly at: TestBilling) {}

    async begin(plan: Parameters<TestBilling['subscribe']>[1]): Promise<void> {
      for (let index = 0; index < 2; index += 1) {
        const customer = await this.at.customer();
        await this.at.subscribe(customer, plan);
        this.customers.push(customer);
      }
      const [first = '', second = ''] = this.customers.map(({ key }) => key);
      this.subjects = [first, second, `of-nobody-${(Story.count += 1)}`];
      this.customers.forEach(({ key, id }) => {
        this.owners.set(key, [{ customer: id, from: Number.NEGATIVE_INFINITY }]);
      });
      this.at.clock.advance(HOUR_MS);
    }

    async happen(one: Happening): Promise<void> {
      this.at.clock.advance(HOUR_MS / 2);
      const now = this.at.clock.now().getTime();
      switch (one.kind) {
        case 'use': {
          const subject = this.subjects[one.subject] ?? '';
          const time = new Date(now - one.hoursAgo * HOUR_MS);
          await this.at.use(subject, time.toISOString(), [String(one.value)]);
          const [row] = await this.at.rows(
            'SELECT source, id FROM usage_events ORDER BY batch_id DESC LIMIT 1',
          );
          const identity = { source: String(row?.['source']), id: String(row?.['id']) };
          this.used.push({ identity, subject, time, value: one.value });
          return;
        }
        case 'void':
        case 'replace': {
          const used = this.used[one.index % Math.max(1, this.used.length)];
          if (used !== undefined) {
            await this.correct(used, one.kind === 'void' ? null : one.value);
          }
          return;
        }
        case 'hand over':
          await this.handOver(one, now);
          return;
        case 'close':
          this.at.clock.advance(DAY_MS);
          await this.at.closeAllDue();
      }
    }

    /** Every price of every closed period: what was billed of it is what it comes to. */
    async compare(prices: readonly Price[]): Promise<void> {
      for (const { id } of this.customers) {
        const periods = await this.at.rows(
          `SELECT period.id, period.starts_at, period.ends_at FROM billing_periods AS period
           JOIN subscriptions AS subscription ON subscription.id = period.subscription_id
           WHERE subscription.customer_id = $1 AND period.state = 'closed'
             AND period.closed_at < $2`,
          // What came since the last one closed is not billed yet; nothing did.
          [id, new Date(this.at.clock.now().getTime() + 1)],
        );
        expect(periods.length).toBeGreaterThan(1);
        for (const period of periods) {
          const quantity = this.quantityOf(id, period);
          expect(await this.billedOf(String(period['id']))).toEqual(expected(prices, quantity));
        }
      }
    }

    private async correct(used: Used, value: number | null): Promise<void> {
      const corrections = this.at.get(CorrectionsService);
      if (value === null) {
        await corrections.void(used.identity, NOTE);
      } else {
        await corrections.replace(
          used.identity,
          ({ event }) => ({ ...event, data: JSON.stringify({ v: String(value) }) }),
          NOTE,
        );
      }
      Object.assign(used, { value });
    }

    private async handOver(
      one: Extract<Happening, { kind: 'hand over' }>,
      now: number,
    ): Promise<void> {
      const subject = this.subjects[one.subject] ?? '';
      const owners = this.owners.get(subject) ?? [];
      const from = now - one.hoursAgo * HOUR_MS;
      const customer = this.customers[one.to];
      // A subject cannot be taken back to before it was given last.
      if (customer === undefined || owners.some((owner) => owner.from >= from)) {
        return;
      }
      await this.at.get(CustomersService).assignSubject(customer.id, subject, new Date(from));
      this.owners.set(subject, [...owners, { customer: customer.id, from }]);
    }

    private quantityOf(customer: string, period: Record<string, unknown>): Big {
      return this.used
        .filter(({ time }) => {
          return time >= (period['starts_at'] as Date) && time < (period['ends_at'] as Date);
        })
        .filter(({ subject, time }) => {
          const owner = (this.owners.get(subject) ?? []).findLast(
            ({ from }) => from <= time.getTime(),
          );
          return owner?.customer === customer;
        })
        .reduce((sum, { value }) => sum.plus(value ?? 0), new Big(0));
    }

    private async billedOf(billingPeriodId: string): Promise<unknown[][]> {
      const rows = await this.at.rows(
        `SELECT price.key, sum(item.quantity) AS quantity, sum(item.amount_minor) AS amount
         FROM line_items AS item JOIN prices AS price ON price.id = item.price_id
         WHERE item.billing_period_id = $1
         GROUP BY price.key, price.position ORDER BY price.position`,
        [billingPeriodId],
      );
      return rows.map((row) => [row['key'], row['quantity'], row['amount']]);
    }
  }

  function expected(prices: readonly Price[], quantity: Big): unknown[][] {
    let totalMinor = 0n;
    return prices.map((price) => {
      const { amountMinor } =
        price.kind === 'usage' || price.kind === 'flat'
          ? rate(price, decimal(quantity.toFixed()), 'usd')
          : rateLimit(price, totalMinor, 'usd');
      totalMinor += amountMinor;
      const counted = price.kind === 'usage' ? quantity.toFixed() : null;
      return [price.key, counted, amountMinor.toString()];
    });
  }
});
