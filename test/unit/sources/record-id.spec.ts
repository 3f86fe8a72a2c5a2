import fc from 'fast-check';
import { isLosslessNumber, parse } from 'lossless-json';
import { RecordIds } from '../../../src/sources/record-id.js';

const json = fc.jsonValue({ maxDepth: 3 });

function idsOf(records: readonly unknown[]): string[] {
  const ids = new RecordIds();
  return records.map((record) => ids.next(record));
}

/** The same with the keys of every object the other way round. */
function turned(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(turned);
  }
  return typeof value === 'object' && value !== null && !isLosslessNumber(value)
    ? Object.fromEntries(
        Object.entries(value)
          .toReversed()
          .map(([key, inner]) => [key, turned(inner)]),
      )
    : value;
}

describe('RecordIds', () => {
  it('numbers equal records of a request', () => {
    const ids = idsOf([{ a: 1 }, { a: 2 }, { a: 1 }, { a: 1 }]);
    expect(ids[0]).toMatch(/^rec_[0-9a-f]{40}$/);
    expect(ids).toEqual([ids[0], ids[1], `${ids[0] ?? ''}-2`, `${ids[0] ?? ''}-3`]);
    expect(ids[1]).not.toBe(ids[0]);
  });

  it.each([
    ['{"a":1.50}', '{"a":1.5}'],
    ['{"a":0.0000001}', '{"a":1e-7}'],
    ['{"a":-0}', '{"a":0}'],
    ['{"a":100}', '{"a":1E2}'],
    ['{"a":1,"b":[2]}', '{"b":[2],"a":1}'],
    ['{"a":"\\u00e9"}', '{"a":"é"}'],
  ])('takes %s and %s for the same', (left, right) => {
    for (const read of [JSON.parse, parse]) {
      expect(idsOf([read(left)])).toEqual(idsOf([parse(right)]));
    }
  });

  it.each([
    ['{"a":1}', '{"a":"1"}'],
    ['{"a":null}', '{}'],
    ['{"a":[1,2]}', '{"a":[2,1]}'],
    ['{"a":{"b":1}}', '{"a":"{\\"b\\":1}"}'],
    ['{"a":12345678901234567890}', '{"a":12345678901234567891}'],
  ])('tells %s and %s apart', (left, right) => {
    expect(idsOf([parse(left)])).not.toEqual(idsOf([parse(right)]));
  });

  it('is the same for the same request, however its parser and its keys', () => {
    fc.assert(
      fc.property(fc.array(json, { maxLength: 6 }), (records) => {
        const again = records.map((record) => turned(parse(JSON.stringify(record))));
        const ids = idsOf(records);
        expect(idsOf(again)).toEqual(ids);
        expect(new Set(ids).size).toBe(ids.length);
      }),
    );
  });

  it('is of the request and the place in it, when the sender says what a request is known by', () => {
    const [one, other] = [new RecordIds('key-1'), new RecordIds('key-2')];
    const ids = [one.next({ a: 1 }), one.next({ a: 2 }), other.next({ a: 1 })];
    expect(new Set(ids).size).toBe(3);
    expect(ids[1]).toBe(`${ids[0] ?? ''}-2`);
    expect(new RecordIds('key-1').next({ a: 1 })).toBe(ids[0]);
  });
});
