/*
 * Aim: who is left alone misses nothing, and is left alone.
 * Method: cases one by one; and stories of two customers each, who live the same, of whom one is never left
 * alone: both are told the same, though every other step is looked at before it is folded. Stories are made at random and shrunk.
 */
import fc from 'fast-check';
import { SubscriptionsService } from '../../src/billing/subscriptions/subscriptions.service.js';
import { type NewThreshold } from '../../src/billing/thresholds/threshold.js';
import { ThresholdsService } from '../../src/billing/thresholds/thresholds.service.js';
import { CustomersService } from '../../src/customers/customers.service.js';
import { type Customer } from '../../src/customers/customer.js';
import { CorrectionsService } from '../../src/events/corrections.service.js';
import { EventsService } from '../../src/events/events.service.js';
import { decimal } from '../../src/kernel/decimal.js';
import { type Meter } from '../../src/meters/meter.js';
import { MetersReader } from '../../src/meters/meters.reader.js';
import { MetersService } from '../../src/meters/meters.service.js';
import { type CurrentPlan } from '../../src/pricing/plan.js';
import { FoldService } from '../../src/usage/fold.service.js';
import { startBilling, type TestBilling, usagePrice } from '../support/billing.js';
import { factory } from '../support/factory.js';
import { judgeAll, judgeStored, noticeAll, threshold, told } from '../support/thresholds.js';

const NOW = '2026-11-10T12:00:00Z';
const TIME = '2026-11-10T11:00:00Z';
/** A second each, the same ones each time; others with MORE_STORIES, which says how many. */
const { MORE_STORIES } = process.env;
const RUNS =
  MORE_STORIES === undefined ? { numRuns: 6, seed: 1 } : { numRuns: Number(MORE_STORIES) };
const START = new Date('2026-11-01T00:00:00Z');

let billing: TestBilling;
let meters: { readonly sum: Meter; readonly count: Meter; readonly most: Meter };

beforeAll(async () => {
  billing = await startBilling(NOW, { env: { INGEST_MAX_AHEAD_SECONDS: '86400' } });
  const create = async (overrides: Parameters<typeof factory.meter>[0]): Promise<Meter> =>
    await billing.get(MetersService).create(factory.meter(overrides));
  meters = {
    sum: await billing.get(MetersReader).get('used'),
    count: await create({ key: 'events', groupBy: [{ key: 'region', property: '$.region' }] }),
    most: await create({
      ...{ key: 'most', aggregation: { kind: 'max', value: { kind: 'property', path: '$.v' } } },
    }),
  };
});

afterAll(async () => {
  await billing.close();
});

beforeEach(() => {
  billing.clock.set(NOW);
});

afterEach(async () => {
  for (const { id } of await billing.rows('SELECT id FROM thresholds WHERE archived_at IS NULL')) {
    await billing.get(ThresholdsService).archive(String(id));
  }
});

const LIFETIME = { basis: 'lifetime', firesAtCreation: false } as const;

/** Folds what is pending and answers who is due then. */
const dueAfterFold = async (): Promise<unknown[]> => {
  while ((await billing.get(FoldService).foldOnce()) > 0) {
    // Again, until nothing is pending.
  }
  await noticeAll(billing);
  const rows = await billing.rows('SELECT customer_id FROM threshold_dues');
  return rows.map((row) => row['customer_id']);
};

/** A customer with usage of 1, who was judged and is calm if anybody is. */
const judged = async (
  levels: readonly string[],
  overrides: Partial<NewThreshold> = {},
): Promise<{ customer: Customer; key: string }> => {
  const customer = await billing.customer();
  const watched = { kind: 'customer', customerId: customer.id } as const;
  const { key } = await threshold(billing, levels, { watched, ...LIFETIME, ...overrides });
  await billing.use(customer.key, TIME, ['1']);
  await judgeAll(billing);
  return { customer, key };
};

describe('a customer who is far from the next level', () => {
  it('is left alone until as much has come, and then told of the very event', async () => {
    const { customer, key } = await judged(['10']);
    await billing.use(customer.key, TIME, ['3', '3']);
    expect(await dueAfterFold()).toEqual([]);
    await billing.use(customer.key, TIME, ['2']);
    expect(await dueAfterFold()).toEqual([]);
    await billing.get(EventsService).ingest(
      Buffer.from(
        JSON.stringify(
          ['1', '5'].map((v, index) =>
            factory.event({
              ...{ subject: customer.key, id: `${key}-${index}`, time: TIME, data: { v } },
            }),
          ),
        ),
      ),
      {},
    );
    expect(await dueAfterFold()).toEqual([customer.id]);
    await judgeAll(billing);
    expect(await told(billing, key)).toMatchObject([
      { level: '10', quantity_before: '9', quantity_after: '10', event: { id: `${key}-0` } },
    ]);
  });

  it('is not left alone by what it cannot be told how far it moves', async () => {
    const { customer } = await judged(['10'], {
      measure: { kind: 'meter_quantity', meterId: meters.most.id, groupBy: [] },
    });
    await billing.use(customer.key, TIME, ['3']);
    expect(await dueAfterFold()).toEqual([customer.id]);
    await judgeAll(billing);
  });

  it('is judged with the next usage when somebody else begins to watch it', async () => {
    const { customer } = await judged(['10']);
    await threshold(billing, ['100'], LIFETIME);
    await billing.use(customer.key, TIME, ['1']);
    expect(await dueAfterFold()).toEqual([customer.id]);
    await judgeAll(billing);
    await billing.use(customer.key, TIME, ['1']);
    expect(await dueAfterFold()).toEqual([]);
  });

  it('is judged with the next usage when a subscription, or a period of it, has changed', async () => {
    const { customer } = await judged(['10']);
    const plan = await billing.plan([usagePrice('per_unit', { unit_price: '1' })]);
    const { id } = await billing.subscribe(customer, plan, { startsAt: START });
    const isDueWithNext = async (): Promise<void> => {
      await billing.use(customer.key, TIME, ['0.1']);
      expect(await dueAfterFold()).toEqual([customer.id]);
      await judgeAll(billing);
      await billing.use(customer.key, TIME, ['0.1']);
      expect(await dueAfterFold()).toEqual([]);
    };
    await isDueWithNext();
    await billing.get(SubscriptionsService).pause(id, 'now');
    await isDueWithNext();
    billing.clock.set('2026-12-01T00:30:00Z');
    await billing.use(customer.key, TIME, ['0.1']);
    expect(await dueAfterFold()).toEqual([customer.id]);
    await judgeAll(billing);
    billing.clock.set('2026-12-01T01:00:01Z');
    await billing.closeAllDue();
    await isDueWithNext();
  });

  it('is judged by all that there is, though it be of a day ahead', async () => {
    const { customer, key } = await judged(['10']);
    await billing.use(customer.key, '2026-11-11T12:00:00Z', ['9']);
    await judgeAll(billing);
    expect(await told(billing, key)).toMatchObject([{ level: '10', quantity_after: '10' }]);
  });
});

type Step =
  | { readonly do: 'use'; readonly values: readonly number[]; readonly region: string }
  | { readonly do: 'void'; readonly place: number }
  | { readonly do: 'watch'; readonly what: number }
  | { readonly do: 'archive' | 'rearm' | 'give' | 'take' | 'subscribe' | 'pause' | 'resume' }
  | { readonly do: 'advance'; readonly days: number };

const steps = fc.array(
  fc.oneof(
    {
      ...{ weight: 10 },
      arbitrary: fc.record({
        do: fc.constant('use' as const),
        values: fc.array(fc.integer({ min: -4, max: 9 }), { minLength: 1, maxLength: 3 }),
        region: fc.constantFrom('eu', 'us'),
      }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('void' as const), place: fc.nat(20) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('watch' as const), what: fc.nat(4) }) },
    {
      ...{ weight: 5 },
      arbitrary: fc.record({
        do: fc.constantFrom(
          ...(['archive', 'rearm', 'give', 'take', 'subscribe', 'pause', 'resume'] as const),
        ),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('advance' as const), days: fc.nat(12) }) },
  ),
  { minLength: 10, maxLength: 18 },
);

/** One customer who lives a story, and another to whom its subject is given for a while. */
class Life {
  private readonly events: string[] = [];
  private readonly thresholds: string[] = [];
  private subscription: string | null = null;

  private constructor(
    readonly customer: Customer,
    readonly other: Customer,
    private readonly plan: CurrentPlan,
  ) {}

  static async begin(plan: CurrentPlan): Promise<Life> {
    const life = new Life(await billing.customer(), await billing.customer(), plan);
    await life.live({ do: 'watch', what: 0 });
    return life;
  }

  async live(step: Step): Promise<void> {
    const subject = this.customer.key;
    const time = new Date(billing.clock.now().getTime() - 3_600_000).toISOString();
    switch (step.do) {
      case 'use': {
        const events = step.values.map((value) => {
          const id = `${subject}-${this.events.length}`;
          this.events.push(id);
          const data = { v: String(value), region: step.region };
          return factory.event({ subject, id, time, data });
        });
        await billing.get(EventsService).ingest(Buffer.from(JSON.stringify(events)), {});
        return;
      }
      case 'void': {
        const id = this.events[step.place];
        if (id !== undefined) {
          const why = { reason: 'a mistake', by: 'key_test' };
          await billing.get(CorrectionsService).void({ source: 'test', id }, why);
        }
        return;
      }
      case 'watch':
        this.thresholds.push(await this.watch(step.what));
        return;
      case 'archive': {
        const id = this.thresholds.shift();
        if (id !== undefined) {
          await billing.get(ThresholdsService).archive(id);
        }
        return;
      }
      case 'rearm': {
        const rows = await billing.rows(
          `SELECT id FROM threshold_crossings WHERE customer_id = $1 AND state = 'retracted' AND rearmed_at IS NULL`,
          [this.customer.id],
        );
        for (const { id } of rows) {
          await billing.get(ThresholdsService).rearm(String(id));
        }
        return;
      }
      case 'give':
        await this.assign(this.other);
        return;
      case 'take':
        await this.assign(this.customer);
        return;
      case 'advance':
        return;
      case 'subscribe':
      case 'pause':
      case 'resume':
        await this.subscribe(step.do).catch(() => undefined);
    }
  }

  /** Subscribes, pauses or resumes; throws where that cannot be. */
  private async subscribe(what: 'subscribe' | 'pause' | 'resume'): Promise<void> {
    if (what === 'subscribe') {
      const terms = { startsAt: START };
      this.subscription ??= (await billing.subscribe(this.customer, this.plan, terms)).id;
    } else if (this.subscription !== null) {
      await billing.get(SubscriptionsService)[what](this.subscription, 'now');
    }
  }

  /** Since an hour that is over; throws nothing where it is theirs already. */
  private async assign(to: Customer): Promise<void> {
    const from = new Date(billing.clock.now().getTime() - 5_400_000);
    await billing
      .get(CustomersService)
      .assignSubject(to.id, this.customer.key, from)
      .catch(() => undefined);
  }

  private async watch(what: number): Promise<string> {
    const watched = { kind: 'customer', customerId: this.customer.id } as const;
    const count = { kind: 'meter_quantity', meterId: meters.count.id } as const;
    const kinds: Partial<NewThreshold>[] = [
      { basis: 'lifetime' },
      { basis: 'lifetime', levels: { kind: 'every', step: decimal('17') } },
      { basis: 'lifetime', measure: { ...count, groupBy: ['region'] } },
      { measure: { ...count, groupBy: [] } },
      {
        measure: { kind: 'price_quantity', price: 'used' },
        levels: { kind: 'percent', levels: [decimal('50'), decimal('120')] },
      },
    ];
    const overrides = { ...kinds[what], firesAtCreation: what % 2 === 0 };
    return (await threshold(billing, ['8', '30', '100'], { watched, ...overrides })).id;
  }

  /** What it and the other were told, with nothing in it that tells whose life it is. */
  async told(): Promise<unknown> {
    const rows = await billing.rows(
      `SELECT type, body::jsonb -> 'data' AS data FROM webhook_messages
       WHERE type LIKE 'threshold.%' AND body::jsonb -> 'data' ->> 'customer' = ANY ($1) ORDER BY sequence`,
      [[this.customer.key, this.other.key]],
    );
    return rows.map(({ type, data }) => {
      const { customer, level, quantity_before, quantity_after, group, event } = data as Record<
        string,
        unknown
      >;
      const id = (event as { id: string } | null)?.id.slice(this.customer.key.length) ?? null;
      const whose = customer === this.customer.key ? 'own' : 'other';
      return [type, whose, level, quantity_before, quantity_after, group, id];
    });
  }
}

it('misses nothing, whatever happens', async () => {
  const plan = await billing.plan([usagePrice('per_unit', { unit_price: '1', included: '10' })]);
  let leftAlone = 0;
  await fc.assert(
    fc.asyncProperty(steps, async (story) => {
      billing.clock.set(NOW);
      const lives = [await Life.begin(plan), await Life.begin(plan)] as const;
      const [calm, restless] = lives;
      for (const [index, step] of (story as Step[]).entries()) {
        if (step.do === 'advance') {
          billing.clock.advance(step.days * 86_400_000);
          await billing.closeAllDue();
        }
        for (const life of lives) {
          await life.live(step);
        }
        await billing.rows('DELETE FROM threshold_calms WHERE customer_id = ANY ($1)', [
          [restless.customer.id, restless.other.id],
        ]);
        if (index % 2 === 1) {
          await judgeStored(billing);
        }
        const due = await dueAfterFold();
        leftAlone += due.includes(restless.customer.id) && !due.includes(calm.customer.id) ? 1 : 0;
        await judgeAll(billing);
      }
      expect(await calm.told()).toEqual(await restless.told());
    }),
    RUNS,
  );
  expect(leftAlone).toBeGreaterThan(5);
}, 60_000);
