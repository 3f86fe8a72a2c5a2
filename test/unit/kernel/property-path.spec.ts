import fc from 'fast-check';
import { formatPropertyPath, parsePropertyPath } from '../../../src/kernel/property-path.js';

describe('parsePropertyPath', () => {
  it.each([
    ['$.status', ['status']],
    ['$.user.plan', ['user', 'plan']],
    ['$._a-b.C3', ['_a-b', 'C3']],
    ["$['odd name'].x", ['odd name', 'x']],
    ["$['a.b']", ['a.b']],
    ["$['it\\'s']['back\\\\slash']", ["it's", 'back\\slash']],
    ["$['größe']['😀']", ['größe', '😀']],
    ["$['0']", ['0']],
    ['$.a.b.c.d.e.f.g.h', ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']],
    ['$.__proto__', ['__proto__']],
  ])('reads %s', (path, steps) => {
    expect(parsePropertyPath(path)).toEqual(steps);
  });

  it.each([
    ...[
      '',
      '$',
      'status',
      '.status',
      '$status',
      '$.',
      '$..a',
      '$.a.',
      '$.a b',
      '$.1a',
      '$.*',
      '$[*]',
    ],
    ...[
      '$[0]',
      '$.a[0]',
      "$['']",
      "$['a]",
      "$['a'",
      '$["a"]',
      "$['a\\n']",
      '$.a;--',
      '$.a?',
      '$.größe',
    ],
    ...["$['a\0b']", "$['\ud800']", '$.a.b.c.d.e.f.g.h.i', `$.${'a'.repeat(256)}`, ' $.a', '$.a '],
    ...[7, null, undefined, {}, ['$.a']],
  ])('refuses %p', (path) => {
    expect(parsePropertyPath(path)).toBeNull();
  });

  it('reads back any names, quoted', () => {
    const name = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
      .filter((text) => !text.includes('\0'));
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 8 }), (names) => {
        const path = `$${names.map((text) => `['${text.replaceAll(/['\\]/g, '\\$&')}']`).join('')}`;
        if (path.length <= 256) {
          expect(parsePropertyPath(path)).toEqual(names);
        }
      }),
    );
  });

  it('answers steps or null for any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const steps = parsePropertyPath(`$${text}`);
        expect(steps === null || steps.every((step) => step.length > 0)).toBe(true);
      }),
    );
  });
});

describe('formatPropertyPath', () => {
  it.each(['$.user.plan', "$.attributes['enduser.id']", "$['it\\'s'].x"])('writes %s', (path) => {
    expect(formatPropertyPath(parsePropertyPath(path) ?? [])).toBe(path);
  });

  it('writes what is read as the same steps', () => {
    const step = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 });
    const steps = fc.array(
      step.filter((text) => !text.includes('\0')),
      { minLength: 1, maxLength: 8 },
    );
    fc.assert(
      fc.property(steps, (names) => {
        expect(parsePropertyPath(formatPropertyPath(names))).toEqual(names);
      }),
    );
  });
});
