import fc from 'fast-check';
import { LosslessNumber } from 'lossless-json';
import { compileFilter, type RecordFilter } from '../../../src/sources/record-filter.js';

const record = {
  status: 404,
  text: '404',
  zero: '404.0',
  path: '/healthz/live',
  flag: true,
  none: null,
  list: ['a', 'b'],
  long: new LosslessNumber('12345678901234567890'),
  deep: { er: { name: 'x' } },
};

const matches = (
  property: string,
  op: RecordFilter['op'],
  value?: RecordFilter['value'],
): boolean => compileFilter({ property, op, ...(value !== undefined && { value }) })(record);

describe('compileFilter', () => {
  it.each<[string, RecordFilter['op'], RecordFilter['value'] | undefined, boolean]>([
    ['$.status', 'eq', 404, true],
    ['$.status', 'eq', '404', true],
    ['$.text', 'eq', 404, true],
    ['$.zero', 'eq', 404, true],
    ['$.zero', 'eq', '404', false],
    ['$.status', 'ne', 404, false],
    ['$.missing', 'ne', 404, true],
    ['$.missing', 'eq', 404, false],
    ['$.status', 'in', [200, 404], true],
    ['$.status', 'in', [200], false],
    ['$.status', 'gte', 404, true],
    ['$.text', 'gt', 403.5, true],
    ['$.status', 'gt', 404, false],
    ['$.status', 'lt', 405, true],
    ['$.status', 'lte', 403, false],
    ['$.path', 'gt', 1, false],
    ['$.missing', 'lt', 1, false],
    ['$.long', 'gt', 12345678901234, true],
    ['$.path', 'prefix', '/healthz', true],
    ['$.path', 'prefix', '/health/', false],
    ['$.status', 'prefix', '4', true],
    ['$.missing', 'prefix', '', false],
    ['$.flag', 'eq', true, true],
    ['$.flag', 'exists', undefined, true],
    ['$.none', 'exists', true, false],
    ['$.none', 'exists', false, true],
    ['$.missing', 'exists', false, true],
    ['$.deep.er.name', 'eq', 'x', true],
    ['$.deep', 'eq', 'x', false],
    ['$.list', 'eq', 'a', true],
  ])('finds %s %s %j: %p', (property, op, value, expected) => {
    expect(matches(property, op, value)).toBe(expected);
  });

  it('orders numbers as numbers, of any length and however they are written', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }),
        fc.maxSafeInteger(),
        (left, right) => {
          const test = (op: RecordFilter['op'], value: unknown): boolean =>
            compileFilter({ property: '$.n', op, value: right })({ n: value });
          for (const written of [String(left), new LosslessNumber(String(left))]) {
            expect(test('gt', written)).toBe(left > BigInt(right));
            expect(test('lte', written)).toBe(left <= BigInt(right));
            expect(test('eq', written)).toBe(left === BigInt(right));
            expect(test('ne', written)).toBe(left !== BigInt(right));
          }
        },
      ),
    );
  });
});
