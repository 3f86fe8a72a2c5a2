/*
 * Aim: nothing but the small language is read, and whatever is read is exact.
 * Method: tables of what is read and refused; random text, which is answered and never thrown at.
 */
import fc from 'fast-check';
import { readValueExpression } from '../../../src/meters/value-expression.js';

const property = (path: string, orElse: string | null = null): object => ({
  ...{ kind: 'property', path, orElse },
});
const number = (text: string): object => ({ kind: 'number', text });

describe('readValueExpression', () => {
  it.each([
    ['a', property('$.a')],
    ['$.a', property('$.a')],
    ['usage.input_tokens', property('$.usage.input_tokens')],
    ['$.usage.input_tokens', property('$.usage.input_tokens')],
    ["$['odd name'].x", property("$['odd name'].x")],
    ["a['it\\'s']", property("$.a['it\\'s']")],
    ["$['min']", property("$['min']")],
    ['min', property('$.min')],
    ['default(a, 0)', property('$.a', '0')],
    ['default(a.b, -0.5)', property('$.a.b', '-0.5')],
    ['-a', { kind: 'negative', of: property('$.a') }],
    [
      'a + 0.1000000000001'.slice(0, -1),
      { kind: 'sum', left: property('$.a'), right: number('0.100000000000') },
    ],
    [
      'a * 12345678901234567890123456',
      { kind: 'product', left: property('$.a'), right: number('12345678901234567890123456') },
    ],
    ['a - b', { kind: 'difference', left: property('$.a'), right: property('$.b') }],
    ['min(a)', { kind: 'least', of: [property('$.a')] }],
    ['max(a, 1)', { kind: 'greatest', of: [property('$.a'), number('1')] }],
  ])('reads %s', (text, expression) => {
    expect(readValueExpression(text)).toEqual({ outcome: 'read', expression });
  });

  it.each([
    ['1', '1'],
    ['2', '0.5'],
    ['8', '0.125'],
    ['1000', '0.001'],
    ['0.5', '2'],
    ['0.25', '4'],
    ['2.5', '0.4'],
    ['12.80', '0.078125'],
    ['0.000000000001', '1000000000000'],
  ])('divides by %s as it multiplies with %s', (divisor, reciprocal) => {
    expect(readValueExpression(`a / ${divisor}`)).toMatchObject({
      expression: { kind: 'product', right: number(reciprocal) },
    });
  });

  it('groups as arithmetic does', () => {
    expect(readValueExpression('a - b * c - d')).toEqual(readValueExpression('(a - (b * c)) - d'));
    expect(readValueExpression('a - (b - c)')).not.toEqual(readValueExpression('a - b - c'));
  });

  it.each([
    ['', /one expression/],
    ['   ', /one expression/],
    ['1 + 1', /at least one property/],
    ['a b', /one expression/],
    ['a; b', /one expression/],
    ['a, b', /one expression/],
    ['(a, b)', /may hold/],
    ['a +', /is no expression/],
    ['(a', /is no expression/],
    ['a)', /is no expression/],
    ['a / 3', /price/],
    ['a / 60', /price/],
    ['a / 0', /price/],
    ['a / 0.0', /price/],
    ['a / b', /price/],
    ['a / (1 + 1)', /price/],
    ['a / -2', /price/],
    ['a ** 2', /there are \+ - \* \//],
    ['a % 2', /there are \+ - \* \//],
    ['a == b', /there are/],
    ['a || b', /there are/],
    ['!a', /only -/],
    ['+a', /only -/],
    ['a ? b : c', /may hold/],
    ['[a]', /may hold/],
    ['this', /may hold/],
    ['a = 1', /is no expression|one expression/],
    ['true', /no number/],
    ['"4" + a', /no number/],
    ['1e3 * a', /no number/],
    ['.5 * a', /no number/],
    ['a * 123456789012345678901234567', /no number/],
    ['a * 0.1234567890123', /no number/],
    ['$', /no property/],
    ['$x', /no property/],
    ['größe', /no property/],
    ['a[0]', /no property/],
    ['a[b]', /no property/],
    ['a["b"]', /no property/],
    ['a[true]', /no property/],
    ['(a + b).c', /no property/],
    ['a?.b', /no property/],
    ['min(a).b', /no property/],
    ['a.b.c.d.e.f.g.h.i', /no property/],
    ['abs(a)', /no function/],
    ['a.min(b)', /no function/],
    ['min?.(a)', /no function/],
    ['min()', /of nothing/],
    ['default(a)', /property and a number/],
    ['default(a, b)', /property and a number/],
    ['default(a, 1, 2)', /property and a number/],
    ['default(1, a)', /property/],
    ['default(min(a), 1)', /no property/],
    ['constructor.constructor("return 1")()', /no function/],
    [`a${' '.repeat(1_000)}`, /1000 characters/],
    [Array.from({ length: 51 }, () => 'a').join('+'), /more than 100/],
    [`${'-'.repeat(20)}a`, /deeper than 20/],
    [`${'('.repeat(499)}a${')'.repeat(499)}b`, /./],
  ])('refuses %s', (text, reason) => {
    expect(readValueExpression(text)).toMatchObject({
      ...{ outcome: 'refused', detail: expect.stringMatching(reason) },
    });
  });

  it('reads as much as it says', () => {
    for (const text of [
      Array.from({ length: 50 }, (_, index) => `p${index}`).join(' + '),
      `${'-'.repeat(19)}a`,
      `${'('.repeat(100)}a${')'.repeat(100)}`,
    ]) {
      expect(readValueExpression(text)).toMatchObject({ outcome: 'read' });
    }
  });

  it('answers any text', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        ...'a b $ . , ; ( ) [ ] + - * / ? : ! = < > & | \' " \\ 1 2.5 .5 1e9 min max default'.split(
          ' ',
        ),
        ...[' ', 'true', 'null', 'this', '__proto__', '?.', '??', '=>', '`', '{', '}', '\0'],
      ),
      fc.string({ unit: 'binary', maxLength: 3 }),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const read = readValueExpression(pieces.join(''));
        expect(['read', 'refused']).toContain(read.outcome);
      }),
      { numRuns: 2_000 },
    );
  });
});
