import fc from 'fast-check';
import {
  type AskedThreshold,
  readThreshold,
} from '../../src/billing/thresholds/asked-threshold.js';
import { findCrossing } from '../../src/billing/thresholds/find-crossing.js';
import { type Fired, judge, MAX_STEPS } from '../../src/billing/thresholds/judge.js';
import { type Levels } from '../../src/billing/thresholds/threshold.js';
import { decimal } from '../../src/kernel/decimal.js';
import { type Meter } from '../../src/meters/meter.js';
import { type Contribution } from '../../src/usage/changes/contribution.js';

const absolute = (...levels: string[]): Levels => ({
  kind: 'absolute',
  levels: levels.map((level) => decimal(level)),
});
const every = (step: string): Levels => ({ kind: 'every', step: decimal(step) });

const fired = (level: string, overrides: Partial<Fired> = {}): Fired => ({
  ...{ id: `thc_${level}`, level: decimal(level), bound: decimal(level) },
  ...{ armed: 1, state: 'crossed', rearmedAt: null },
  ...overrides,
});

const NEVER = { included: null, fired: [] };

const judged = (
  levels: Levels,
  value: string,
  known: Parameters<typeof judge>[2] = NEVER,
): { reached: string[]; retracted: string[] } => {
  const { reached, retracted } = judge(levels, decimal(value), known);
  return {
    reached: reached.map(({ level, armed }) => `${level.toFixed()}#${armed}`),
    retracted: retracted.map(({ level }) => level.toFixed()),
  };
};

describe('judge', () => {
  it.each([
    ['below', '9.999999999999', []],
    ['at it', '10', ['10#1']],
    ['between', '19', ['10#1']],
    ['above all', '21', ['10#1', '20#1']],
  ])('fires levels that a value is %s', (_, value, reached) => {
    expect(judged(absolute('20', '10'), value)).toEqual({ reached, retracted: [] });
  });

  it('fires no level twice, however it ended, until it is armed again', () => {
    const rearmedAt = new Date(0);
    const known = [
      fired('10'),
      fired('20', { state: 'passed' }),
      fired('30', { state: 'retracted' }),
      fired('40', { state: 'retracted', rearmedAt, armed: 2 }),
    ];
    expect(
      judged(absolute('10', '20', '30', '40'), '50', { included: null, fired: known }),
    ).toEqual({ reached: ['40#3'], retracted: [] });
  });

  it('takes back what is not reached any longer and was not taken back', () => {
    const known = [
      fired('10'),
      fired('20', { state: 'passed' }),
      fired('30', { state: 'retracted' }),
      fired('40'),
    ];
    const of = absolute('10', '20', '30', '40');
    expect(judged(of, '10', { included: null, fired: known }).retracted).toEqual(['40']);
    expect(judged(of, '9', { included: null, fired: known }).retracted).toEqual(['10', '40']);
  });

  it.each([
    ['100', '200', ['80#1', '100#1']],
    ['100', '99', ['80#1']],
    ['0.5', '0.4', ['80#1']],
    ['0', '1000', []],
    [null, '1000', []],
  ])('takes percent of what %s has included', (included, value, reached) => {
    const levels: Levels = { kind: 'percent', levels: [decimal('80'), decimal('100')] };
    const known = { included: included === null ? null : decimal(included), fired: [] };
    expect(judged(levels, value, known).reached).toEqual(reached);
  });

  it.each([
    ['0', []],
    ['-7', []],
    ['0.3', ['0.1#1', '0.2#1', '0.3#1']],
    ['0.05', []],
  ])('fires at every step up to %s', (value, reached) => {
    expect(judged(every('0.1'), value).reached).toEqual(reached);
  });

  it('fires no more than the last hundred steps at once', () => {
    const { reached } = judged(every('1'), '1000000000000000000000');
    expect(reached).toHaveLength(Number(MAX_STEPS));
    expect(reached.at(-1)).toBe('1000000000000000000000#1');
  });

  it('fires steps above the highest that fired only, and those that were armed again', () => {
    const known = [
      fired('2', { state: 'retracted', rearmedAt: new Date(0) }),
      fired('3', { state: 'retracted' }),
    ];
    expect(judged(every('1'), '5', { included: null, fired: known }).reached).toEqual([
      '2#2',
      '4#1',
      '5#1',
    ]);
  });

  it('fires each level once, whatever way a value takes', () => {
    const values = fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 20 });
    const kinds = fc.constantFrom(absolute('10', '20', '50'), every('7'));
    fc.assert(
      fc.property(kinds, values, (levels, way) => {
        const known: Fired[] = [];
        for (const value of way) {
          const judgement = judge(levels, decimal(String(value)), { included: null, fired: known });
          for (const { id } of judgement.retracted) {
            const index = known.findIndex((one) => one.id === id);
            known[index] = { ...(known[index] as Fired), state: 'retracted' };
          }
          known.push(...judgement.reached.map(({ level }) => fired(level.toFixed())));
        }
        const most = Math.max(0, ...way);
        const names = known.map(({ level }) => Number(level.toFixed()));
        expect(new Set(names).size).toBe(names.length);
        const all = levels.kind === 'every' ? [7, 14, 21, 28, 35, 42, 49, 56] : [10, 20, 50];
        expect(names.toSorted((a, b) => a - b)).toEqual(all.filter((level) => level <= most));
      }),
    );
  });
});

describe('findCrossing', () => {
  const contribution = (id: string, value: string): Contribution => ({
    ...{ source: 's', id, subject: 'k', time: '2026-11-10 00:00:00+00' },
    value: decimal(value),
    batch: 1n,
  });
  const find = (
    values: readonly string[],
    quantity: string,
    bound: string,
  ): readonly (string | undefined)[] | null => {
    const found = findCrossing(
      values.map((value, index) => contribution(String(index), value)),
      decimal(quantity),
      (one) => one.gte(bound),
    );
    return found === null
      ? null
      : [found.contribution.id, found.before.toFixed(), found.after.toFixed()];
  };

  it.each([
    [['1', '2', '3'], '16', '12', ['1', '11', '13']],
    [['1', '2', '3'], '16', '16', ['2', '13', '16']],
    [['1', '2', '3'], '16', '11', ['0', '10', '11']],
    [['1', '2', '3'], '16', '10', null],
    [['5', '-5', '6'], '16', '14', ['2', '10', '16']],
    [['5', '-1', '2'], '16', '15', ['2', '14', '16']],
  ])('goes back over %j from %s to what reached %s for good', (values, quantity, bound, found) => {
    expect(find(values, quantity, bound)).toEqual(found);
  });
});

describe('readThreshold', () => {
  const meter = {
    id: 'mtr_1',
    groupBy: [{ key: 'region', property: '$.region' }],
  } as unknown as Meter;
  const asked = (overrides: Partial<AskedThreshold>): AskedThreshold => ({
    ...{ key: 'k', name: null, customerId: null, planId: null, measure: null, meter: null },
    ...{ price: null, groupBy: [], currency: null, levels: null, percents: null, every: null },
    ...{ basis: 'billing_period', actions: ['notify'], firesAtCreation: false },
    ...overrides,
  });

  it.each<[Partial<AskedThreshold>, string]>([
    [{ meter, levels: ['1'] }, 'meter_quantity'],
    [{ price: 'p', percents: ['80'] }, 'price_quantity'],
    [{ price: 'p', currency: 'usd', every: '0.01' }, 'price_amount'],
    [{ currency: 'usd', levels: ['5'] }, 'whole_amount'],
    [{ meter, groupBy: ['region'], every: '5', basis: 'lifetime' }, 'meter_quantity'],
  ])('takes %j for %s', (overrides, kind) => {
    expect(readThreshold(asked(overrides)).measure.kind).toBe(kind);
  });

  it.each<[Partial<AskedThreshold>, string]>([
    [{ levels: ['1'] }, 'meter'],
    [{ meter, levels: ['0'] }, 'levels'],
    [{ meter, levels: ['1', '1.0'] }, 'levels'],
    [{ meter }, 'levels'],
    [{ meter, levels: ['1'], every: '2' }, 'levels'],
    [{ meter, percents: ['80'] }, 'percents_of_included'],
    [{ meter, levels: ['1'], price: 'p' }, 'price'],
    [{ meter, levels: ['1'], groupBy: ['zone'] }, 'group_by'],
    [{ price: 'p', levels: ['1'], groupBy: ['region'] }, 'group_by'],
    [{ meter, currency: 'usd', levels: ['1'] }, 'meter'],
    [{ measure: 'amount', levels: ['1'] }, 'currency'],
    [{ measure: 'quantity', price: 'p', currency: 'usd', levels: ['1'] }, 'currency'],
    [{ currency: 'usd', levels: ['0.001'] }, 'levels'],
    [{ currency: 'jpy', every: '0.5' }, 'every'],
    [{ meter, levels: ['1'], customerId: 'c', planId: 'p' }, 'plan'],
    [{ price: 'p', levels: ['1'], basis: 'lifetime' }, 'price'],
    [{ meter, levels: ['1'], basis: 'lifetime', actions: ['bill'] }, 'actions'],
  ])('refuses %j, naming %s', (overrides, field) => {
    expect(() => readThreshold(asked(overrides))).toThrow(
      expect.objectContaining({ errors: [expect.objectContaining({ field })] }),
    );
  });
});
