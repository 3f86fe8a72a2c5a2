import { FILTER_OPERATORS } from '../../../src/meters/meter.js';
import { isFilterValue, isWithinBounds, toFilter } from '../../../src/meters/filter-rules.js';

const condition = { property: '$.a', op: 'eq', value: 1 };
const nested = (depth: number): object =>
  depth === 0 ? condition : { [depth % 2 === 0 ? 'all' : 'any']: [nested(depth - 1)] };

describe('isFilterValue', () => {
  const values = {
    text: 'x',
    long: 'x'.repeat(257),
    nul: '\0',
    half: '\ud800',
    number: 200.5,
    exact: 0.000000000001234,
    'sixteen digits': 1_234_567_890_123_456,
    rounded: 1e20,
    infinite: Infinity,
    boolean: false,
    null: null,
    nothing: undefined,
    object: {},
    list: ['x', 1, true],
    empty: [],
    many: Array.from({ length: 101 }, () => 1),
    'list of null': [null],
  };
  const scalars = ['text', 'number', 'boolean'];
  const taken: Record<string, string[]> = {
    eq: scalars,
    ne: scalars,
    in: ['list'],
    not_in: ['list'],
    lt: ['number'],
    lte: ['number'],
    gt: ['number'],
    gte: ['number'],
    exists: ['boolean', 'nothing'],
    prefix: ['text'],
  };

  it.each(FILTER_OPERATORS)('of %s', (op) => {
    const found = Object.entries(values).filter(([, value]) => isFilterValue(op, value));
    expect(found.map(([name]) => name)).toEqual(taken[op]);
  });
});

describe('isWithinBounds', () => {
  it.each([
    [[], true],
    [Array.from({ length: 50 }, () => condition), true],
    [Array.from({ length: 51 }, () => condition), false],
    [[{ any: Array.from({ length: 26 }, () => ({ all: [condition, condition] })) }], false],
    [[nested(5)], true],
    [[nested(6)], false],
    [[null, 7, { all: 7 }], true],
  ])('of %j is %p', (filters, expected) => {
    expect(isWithinBounds(filters)).toBe(expected);
  });
});

describe('toFilter', () => {
  it('keeps what a filter says, and says what was left out', () => {
    const exists = { property: '$.a', op: 'exists' };
    expect(toFilter({ any: [{ ...condition, all: undefined }, { all: [exists] }] })).toEqual({
      any: [condition, { all: [{ ...exists, value: true }] }],
    });
  });
});
