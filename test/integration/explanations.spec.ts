/*
 * Aim: every line item is explained by the very events that it counted, and computed again to the cent,
 * whatever came, was voided or changed hands since.
 * Method: random months; an oracle goes through the bodies that stood at the close.
 */
import { Big } from 'big.js';
import fc from 'fast-check';
import { BilledEventService } from '../../src/billing/explanations/billed-event.service.js';
import { type CountedLine } from '../../src/billing/explanations/counted-line.js';
import { type Explanation } from '../../src/billing/explanations/explanation.js';
import { ExplanationsService } from '../../src/billing/explanations/explanations.service.js';
import { type Verdict } from '../../src/billing/explanations/verification.js';
import { VerificationService } from '../../src/billing/explanations/verification.service.js';
import { LedgerReader, type NamedLineItem } from '../../src/billing/ledger/ledger.reader.js';
import { quantityOf } from '../../src/billing/ledger/line-item.js';
import { CustomersService } from '../../src/customers/customers.service.js';
import { type Interval } from '../../src/kernel/interval.js';
import { readCursor } from '../../src/platform/http/page.js';
import { type CountedEvent } from '../../src/usage/counted/counted-usage.js';
import { FoldService } from '../../src/usage/fold.service.js';
import { startBilling, type TestBilling } from '../support/billing.js';
import {
  byRegion,
  createMeters,
  isRead,
  isWithin,
  Ledgered,
  NOVEMBER,
  oracleOf,
  sortedIds,
  SOURCE,
  subscribeInNovember,
  unpaused,
} from '../support/explaining.js';
import { factory } from '../support/factory.js';
import { type OracleEvent, type Ownership, quantities } from '../support/usage-oracle.js';

const BEFORE_CLOSE = '2026-12-01T05:10:00Z';
const CLOSED = '2026-12-01T06:00:01Z';
const HANDED_OVER = new Date('2026-11-10T10:30:00Z');
const LATER_HANDED_OVER = new Date('2026-11-12T00:00:00Z');
const PAGE = 5;

const millisecond = fc.integer({
  min: Date.parse('2026-10-30T00:00:00Z'),
  max: Date.parse('2026-12-01T05:09:00Z'),
});
const boundary = fc.constantFrom(
  ...[NOVEMBER.start, NOVEMBER.end, HANDED_OVER, new Date('2026-11-15T05:00:00Z')].map(Number),
);
const timeText = fc
  .tuple(fc.oneof(millisecond, boundary), fc.constantFrom('000Z', '001Z', '999Z'))
  .map(([ms, micros]) => new Date(ms).toISOString().replace('Z', micros));
/** The last of them belongs to nobody until it is given to somebody afterwards. */
const subjectIndex = fc.integer({ min: 0, max: 3 });
const body = fc.record({
  subject: subjectIndex.map(String),
  type: fc.constantFrom('api.request', 'api.request', 'api.request', 'other'),
  time: timeText,
  data: fc.record({
    v: fc.oneof(fc.integer({ min: -50, max: 500 }), fc.constantFrom('0.1', '7.25', 'many', null)),
    region: fc.constantFrom('eu', 'eu', 'us', null, undefined),
    status: fc.constant(200),
  }) as fc.Arbitrary<OracleEvent['data']>,
});
const pause = fc
  .tuple(millisecond, fc.integer({ min: 1, max: 8 * 86_400_000 }))
  .map(([start, length]): Interval => {
    const from = Math.min(Math.max(start, NOVEMBER.start.getTime()), NOVEMBER.end.getTime() - 2);
    return { start: new Date(from), end: new Date(from + length) };
  });

describe('a line item', () => {
  let billing: TestBilling;
  let runs = 0;

  beforeAll(async () => {
    billing = await startBilling(BEFORE_CLOSE);
    await createMeters(billing);
  });

  afterAll(async () => {
    await billing.close();
  });

  const lineItemsOf = async (customer: string): Promise<readonly NamedLineItem[]> => {
    const any = { subscriptionId: null, billingPeriodId: null, invoiceId: null, state: null };
    const page = { limit: 100, before: null };
    return (await billing.get(LedgerReader).list(customer, any, page)).items;
  };

  const eventsOf = async (id: string): Promise<CountedEvent[]> => {
    const found: CountedEvent[] = [];
    let after: readonly string[] | null = null;
    do {
      const answer = await billing.get(ExplanationsService).events(id, { limit: PAGE, after });
      found.push(...answer.page.items);
      after = readCursor(answer.page.nextCursor ?? undefined, 5);
    } while (after !== null);
    return found;
  };

  /** All that can be asked about a line item. */
  interface Answers extends NamedLineItem {
    readonly usage: Explanation['usage'];
    readonly events: readonly CountedEvent[];
    readonly verdict: Verdict;
  }

  const everything = async (customers: readonly string[]): Promise<Answers[]> => {
    const all: Answers[] = [];
    for (const customer of customers) {
      for (const line of await lineItemsOf(customer)) {
        const { id } = line.item;
        const { usage } = await billing.get(ExplanationsService).explain(id);
        const { verdict } = await billing.get(VerificationService).verify(id);
        all.push({ ...line, usage, events: await eventsOf(id), verdict });
      }
    }
    return all;
  };

  const isExplained = (
    { item, price, usage, events }: Answers,
    counted: readonly (OracleEvent & { id: string })[],
    owned: readonly Ownership[],
  ): void => {
    const meter = oracleOf(price.key);
    if (usage?.outcome !== 'counted') {
      throw new Error(`${price.key} is not explained`);
    }
    const quantity = quantityOf(item.charge)?.toFixed();
    const whole = quantities(meter, counted, owned, NOVEMBER)['all'] ?? '0';
    expect([price.key, quantity]).toEqual([price.key, whole]);
    const isSum = usage.addsUp === 'exactly';
    const days = usage.days.map(({ day }) => quantities(meter, counted, owned, day)['all']);
    expect([price.key, usage.days.map((day) => day.quantity?.toFixed())]).toEqual([
      price.key,
      days.map((day) => day ?? (isSum ? '0' : undefined)),
    ]);
    expect(usage.days).toHaveLength(30);
    const groups = usage.groups.map((group) => [
      JSON.stringify(group.groups),
      group.quantity?.toFixed(),
    ]);
    expect(Object.fromEntries(groups)).toEqual(
      quantities(byRegion(meter), counted, owned, NOVEMBER),
    );
    if (usage.addsUp !== 'but_for_rounding') {
      const expected = counted.filter(
        (event) => meter.matches(event) && isRead(meter, event) && isWithin(event, owned, NOVEMBER),
      );
      expect([price.key, sortedIds(events)]).toEqual([price.key, sortedIds(expected)]);
    }
    if (isSum) {
      for (const parts of [usage.days, usage.groups]) {
        const total = parts.reduce((sum, part) => sum.plus(part.quantity ?? 0), new Big(0));
        expect(total.toFixed()).toBe(quantity);
      }
      const total = events.reduce((sum, { value }) => sum.plus(value), new Big(0));
      expect(total.toFixed()).toBe(quantity);
    }
  };

  it('is explained by the events that stood when its period closed, and stays so', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(body, { minLength: 5, maxLength: 40 }),
        fc.tuple(fc.array(fc.nat(), { maxLength: 8 }), fc.array(body, { maxLength: 8 })),
        fc.option(pause),
        fc.tuple(fc.array(fc.nat(), { maxLength: 8 }), fc.array(body, { maxLength: 8 })),
        async (bodies, corrected, paused, late) => {
          const prefix = `run${(runs += 1)}`;
          const subject = (index: string): string => `${prefix}-s${index}`;
          const named = (list: OracleEvent[]): OracleEvent[] =>
            list.map((event) => ({ ...event, subject: subject(event.subject) }));
          billing.clock.set(BEFORE_CLOSE);
          const customers = billing.get(CustomersService);
          const a = await customers.create(factory.customer({ key: `${prefix}-a` }), [
            subject('0'),
            subject('1'),
          ]);
          const b = await customers.create(factory.customer({ key: `${prefix}-b` }), [
            subject('2'),
          ]);
          await customers.assignSubject(b.id, subject('1'), HANDED_OVER);
          const events = new Ledgered(billing, prefix);
          await events.send(named(bodies.slice(0, 10)));
          await billing.get(FoldService).foldOnce();
          await events.send(named(bodies.slice(10)));
          const pauses = paused === null ? [] : [paused];
          await subscribeInNovember(billing, a, pauses);
          await subscribeInNovember(billing, b, []);
          await events.correct(corrected[0], named(corrected[1]));
          billing.clock.set(CLOSED);
          await billing.closeAllDue();

          const counted = events.standing();
          const spans = [
            { subject: subject('0'), customer: a.id, from: null, to: null },
            { subject: subject('1'), customer: a.id, from: null, to: HANDED_OVER },
            { subject: subject('1'), customer: b.id, from: HANDED_OVER, to: null },
            { subject: subject('2'), customer: b.id, from: null, to: null },
          ];
          const answers = await everything([a.id, b.id]);
          expect(answers).toHaveLength(24);
          for (const answer of answers) {
            const { price, customer, verdict } = answer;
            const outcome = { outcome: 'agrees', doStepsAgree: true };
            expect([price.key, verdict]).toMatchObject([price.key, outcome]);
            const mine = spans.filter((span) => span.customer === customer.id);
            if (price.kind === 'usage') {
              const excepted = customer.id === a.id ? pauses : [];
              isExplained(answer, counted, unpaused(mine, excepted, NOVEMBER));
            }
          }

          await events.send(named(late[1]));
          await events.correct(late[0], named(late[1]));
          await customers.assignSubject(b.id, subject('0'), LATER_HANDED_OVER);
          await customers.assignSubject(a.id, subject('3'), LATER_HANDED_OVER);
          await billing.get(FoldService).foldOnce();
          expect(await everything([a.id, b.id])).toEqual(answers);

          // Which line items have an event is what their own lists say.
          const having = (id: string): string[] =>
            answers
              .filter((answer) => answer.events.some((event) => event.id === id))
              .map(({ item }) => item.id);
          for (const { id } of events.all.slice(0, 10)) {
            const { lines } = await billing.get(BilledEventService).find(SOURCE, id);
            const ids = lines.map(({ line }: { line: CountedLine }) => line.item.id);
            expect(ids.toSorted()).toEqual(having(id).toSorted());
          }
        },
      ),
      { numRuns: 2, endOnFailure: true },
    );
  });
});
