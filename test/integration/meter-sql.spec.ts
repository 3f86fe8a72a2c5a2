/*
 * Aim: a definition means in SQL what it says, for any data, and no data makes a statement fail.
 * Method: compiled definitions over events of one statement; random expressions against exact decimals.
 */
import fc from 'fast-check';
import { Big } from 'big.js';
import { type Aggregation, type Meter, type MeterFilter } from '../../src/meters/meter.js';
import { compileMeter, Parameters } from '../../src/usage/meter-sql.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { factory } from '../support/factory.js';

interface Read {
  readonly matches: boolean;
  readonly value: string | null;
  readonly text: string | null;
  readonly raw: string | null;
  readonly reason: string | null;
}

const sumOf = (text: string): Aggregation => ({ kind: 'sum', value: { kind: 'expression', text } });
const usable = (value: string): object => ({ value, reason: null });
const unusable = (reason: string): object => ({ value: null, reason });

describe('compileMeter', () => {
  let db: TestDatabase;

  beforeAll(async () => {
    db = await createTestDatabase();
  });

  afterAll(async () => {
    await db.drop();
  });

  /** What a meter makes of events with these data, in their order. */
  const read = async (
    overrides: Partial<Meter>,
    data: readonly string[],
    time = '2026-11-10T00:00:00Z',
  ): Promise<Read[]> => {
    const parameters = new Parameters();
    const meter = { ...factory.meter(overrides), id: 'mtr_1', number: 1, createdAt: new Date(0) };
    const sql = compileMeter(meter, parameters);
    const columns = `${sql.matches} AS matches, (${sql.value})::text AS value, ${sql.text} AS text,
      (${sql.rawValue})::text AS raw, ${sql.reason} AS reason`;
    return await db.database.query<Read>(
      `SELECT ${columns} FROM (
         SELECT 'api.request'::text AS type, ${parameters.add(time)}::timestamptz AS time, data
         FROM unnest(${parameters.add(data)}::jsonb[]) WITH ORDINALITY AS given (data, number)
         ORDER BY number) AS events`,
      parameters.values,
    );
  };

  const VALUES = {
    missing: '{}',
    null: '{"p":null}',
    zero: '{"p":0}',
    200: '{"p":200}',
    '200.50': '{"p":200.50}',
    huge: '{"p":1e400}',
    "'200'": '{"p":"200"}',
    "'200.5'": '{"p":"200.5"}',
    "'api/x'": '{"p":"api/x"}',
    true: '{"p":true}',
    "'true'": '{"p":"true"}',
    object: '{"p":{"p":200}}',
    list: '{"p":[200]}',
  };
  const all = Object.keys(VALUES);
  const but = (...names: string[]): string[] => all.filter((name) => !names.includes(name));
  const two = ["'200'", '200'];
  const condition = (op: string, value: unknown): MeterFilter =>
    ({ property: '$.p', op, value }) as MeterFilter;

  it.each<[MeterFilter, string[]]>([
    [condition('eq', 200), two],
    [condition('eq', '200'), two],
    [condition('eq', 200.5), ['200.50', "'200.5'"]],
    [condition('eq', '200.5'), ['200.50', "'200.5'"]],
    [condition('eq', '200.50'), []],
    [condition('eq', 'api/x'), ["'api/x'"]],
    [condition('eq', true), ['true', "'true'"]],
    [condition('eq', 'null'), []],
    [condition('eq', '{"p": 200}'), []],
    [condition('ne', 200), but(...two)],
    [condition('ne', 'true'), but('true', "'true'")],
    [condition('in', [200, 'api/x', true]), [...two, "'api/x'", 'true', "'true'"]],
    [condition('not_in', [200, 'api/x', true]), but(...two, "'api/x'", 'true', "'true'")],
    [condition('lt', 200.5), ['zero', ...two]],
    [condition('lte', 200.5), ['zero', ...two, '200.50', "'200.5'"]],
    [condition('gt', 200), ['200.50', "'200.5'", 'huge']],
    [condition('gte', 200), ['200.50', "'200.5'", 'huge', ...two]],
    [condition('exists', true), but('missing', 'null')],
    [condition('exists', false), ['missing', 'null']],
    [condition('prefix', '200'), [...two, '200.50', "'200.5'"]],
    [condition('prefix', 'api/'), ["'api/x'"]],
    [condition('prefix', ''), but('missing', 'null', 'object', 'list')],
    [condition('prefix', '%'), []],
    [{ all: [condition('gte', 0), condition('lt', 200.5)] }, ['zero', ...two]],
    [{ any: [condition('eq', 0), condition('exists', false)] }, ['zero', 'missing', 'null']],
    [
      { any: [{ all: [condition('exists', true), condition('lt', 1)] }, condition('eq', true)] },
      ['zero', 'true', "'true'"],
    ],
    [condition('eq', `'; DROP TABLE meters; --`), []],
    [condition('in', ['{"a"}', `","`, '\\', 'NULL']), []],
  ])('of %j takes %j', async (filter, names) => {
    const rows = await read({ filters: [filter] }, Object.values(VALUES));
    expect(all.filter((_, index) => rows[index]?.matches === true).toSorted()).toEqual(
      names.toSorted(),
    );
    expect(rows.every(({ matches }) => typeof matches === 'boolean')).toBe(true);
  });

  it('counts from an instant on, and until the meter is archived', async () => {
    const [from, until] = [new Date('2026-11-10T00:00:00Z'), new Date('2026-11-10T01:00:00Z')];
    const span = { countsFrom: from, archivedAt: until };
    const matchesAt = async (time: string): Promise<boolean | undefined> =>
      (await read(span, ['{}'], time))[0]?.matches;
    expect(await matchesAt('2026-11-09T23:59:59.999999Z')).toBe(false);
    expect(await matchesAt('2026-11-10T00:00:00Z')).toBe(true);
    expect(await matchesAt('2026-11-10T00:59:59.999999Z')).toBe(true);
    expect(await matchesAt('2026-11-10T01:00:00Z')).toBe(false);
  });

  it.each([
    ['{"p":1.0}', '1'],
    ['{"p":1}', '1'],
    ['{"p":"1"}', '1'],
    ['{"p":"1.0"}', '1.0'],
    ['{"p":1e2}', '100'],
    ['{"p":""}', ''],
    ['{"p":true}', 'true'],
    [`{"p":"${'x'.repeat(256)}"}`, 'x'.repeat(256)],
  ])('tells %s by the text %j', async (data, text) => {
    const unique = { kind: 'unique_count', property: '$.p' } as const;
    expect(await read({ aggregation: unique }, [data])).toMatchObject([
      { text, value: '0', reason: null },
    ]);
  });

  it('tells long texts apart, and puts aside what is none', async () => {
    const unique = { kind: 'unique_count', property: '$.p' } as const;
    const long = `{"p":"${'ü'.repeat(200)}"}`;
    const data = [long, long.replace('ü"', 'u"'), '{}', '{"p":null}', '{"p":[]}', '{"p":{}}'];
    const rows = await read({ aggregation: unique }, data);
    expect(rows[0]?.text).toMatch(/^ü{40}…[0-9a-f]{64}$/);
    expect(rows[1]?.text).not.toBe(rows[0]?.text);
    expect(rows.slice(2)).toMatchObject([
      { text: null, ...unusable('missing') },
      { text: null, ...unusable('missing') },
      { text: null, ...unusable('not_a_value') },
      { text: null, ...unusable('not_a_value') },
    ]);
  });

  it.each([
    ['(a + 4 * b) / 1000', '{"a":1,"b":2}', usable('0.009')],
    ['a * b', '{"a":"12345678901234567890","b":100000}', usable('1234567890123456789000000')],
    ['a * b', '{"a":1e13,"b":1e13}', unusable('out_of_range')],
    ['a * b', '{"a":0.0000001,"b":0.0000001}', unusable('out_of_range')],
    ['a - a', '{"a":1e400}', unusable('out_of_range')],
    ['a + b', '{"a":1}', unusable('missing')],
    ['a + b', '{"a":1,"b":null}', unusable('missing')],
    ['a + b', '{"a":1,"b":"many"}', unusable('not_a_number')],
    ['a + b', '{"a":1,"b":true}', unusable('not_a_number')],
    ['a + b', '{"a":"NaN","b":"Infinity"}', unusable('not_a_number')],
    ['min(a, b)', '{"a":1}', unusable('missing')],
    ['max(a, b, 7)', '{"a":1,"b":{}}', unusable('not_a_number')],
    ['max(a, b, 7)', '{"a":1,"b":2}', usable('7')],
    ['-min(a, b)', '{"a":1,"b":"-2.50"}', usable('2.5')],
    ['a + default(b, 10)', '{"a":1}', usable('11')],
    ['a + default(b, 10)', '{"a":1,"b":null}', usable('11')],
    ['a + default(b, -10)', '{"a":1,"b":2}', usable('3')],
    ['a + default(b, 10)', '{"a":1,"b":"x"}', unusable('not_a_number')],
    ['b + default(b, 10)', '{}', unusable('missing')],
    ["a.x + $['odd name']", '{"a":{"x":1},"odd name":2}', usable('3')],
    ['a.x', '{"a":[1]}', unusable('missing')],
  ])('computes %s of %s', async (text, data, expected) => {
    expect(await read({ aggregation: sumOf(text) }, [data])).toMatchObject([expected]);
  });

  it('shows what an expression reads', async () => {
    const [row] = await read({ aggregation: sumOf('a.x + b * b') }, ['{"a":{"x":"many"}}']);
    expect(JSON.parse(row?.raw ?? '')).toEqual({ '$.a.x': 'many', '$.b': null });
  });

  it('takes hostile paths for data', async () => {
    const names = [`'; DROP TABLE meters; --`, `"`, `\\`, `$1`, `}{`, `' || '`, '__proto__', '%s'];
    const data = names.map((name) =>
      JSON.stringify({ [name]: 7 }).replace('{}', '{"__proto__":7}'),
    );
    for (const [index, name] of names.entries()) {
      const path = `$['${name.replaceAll(/['\\]/g, '\\$&')}']`;
      const value = { kind: 'property', path } as const;
      for (const aggregation of [{ kind: 'sum', value } as const, sumOf(path)]) {
        const rows = await read({ aggregation }, data);
        expect(rows.map((row) => row.value)).toEqual(
          names.map((_, at) => (at === index ? '7' : null)),
        );
      }
    }
  });

  it('needs no more of the definition than the statement holds', async () => {
    const aggregation = sumOf('default(a, 2) / 4');
    const groupBy = [{ key: 'g', property: '$.g' }];
    const meter = { ...factory.meter({ aggregation, groupBy }), id: 'mtr_1', number: 1 };
    for (const part of ['matches', 'value', 'text', 'rawValue', 'reason', 'groups'] as const) {
      const parameters = new Parameters();
      const sql = compileMeter({ ...meter, createdAt: new Date(0) }, parameters)[part];
      const rows = await db.database.query(
        `SELECT ${String(sql)} FROM (SELECT 't' AS type, '{}'::jsonb AS data) AS events`,
        parameters.values,
      );
      expect(rows).toHaveLength(1);
    }
  });

  const DATA: Record<string, string> = {
    ...{
      a: '3',
      b: '-0.000001',
      c: '12345678901234567890.5',
      d: '0',
      e: '99999999999999999999999999',
    },
  };
  interface Tree {
    readonly text: string;
    readonly result: Big;
  }
  const { tree } = fc.letrec<{ tree: Tree }>((tie) => {
    const pair = fc.tuple(tie('tree'), tie('tree'));
    const leaf = fc.oneof(
      fc.constantFrom(...Object.keys(DATA)).map((name) => {
        return { text: name, result: new Big(DATA[name] ?? '0') };
      }),
      fc.constantFrom('0', '2', '0.000000000001', '123456.789').map((text) => {
        return { text, result: new Big(text) };
      }),
      fc.constantFrom('5', '-0.5').map((text) => {
        return { text: `default(none, ${text})`, result: new Big(text) };
      }),
    );
    return {
      tree: fc.oneof(
        { maxDepth: 5, depthSize: 'medium' },
        leaf,
        pair.map(([x, y]) => ({
          text: `(${x.text} + ${y.text})`,
          result: x.result.plus(y.result),
        })),
        pair.map(([x, y]) => ({
          text: `(${x.text} - ${y.text})`,
          result: x.result.minus(y.result),
        })),
        pair.map(([x, y]) => ({ text: `${x.text} * ${y.text}`, result: x.result.times(y.result) })),
        tie('tree').map((x) => ({ text: `-${x.text}`, result: x.result.times(-1) })),
        fc
          .tuple(tie('tree'), fc.constantFrom('4', '0.5', '1000', '0.000128'))
          .map(([x, divisor]) => ({
            text: `(${x.text}) / ${divisor}`,
            // Ends after 12 more places: 0.000128 is 2 ** 7 / 1000000.
            result: x.result.times(new Big(1).div(divisor)),
          })),
        pair.map(([x, y]) => ({
          text: `min(${x.text}, ${y.text})`,
          result: x.result.lt(y.result) ? x.result : y.result,
        })),
        pair.map(([x, y]) => ({
          text: `max(${x.text}, ${y.text})`,
          result: x.result.gt(y.result) ? x.result : y.result,
        })),
      ),
    };
  });

  it('computes any expression as exactly as on paper', async () => {
    let inRange = 0;
    await fc.assert(
      fc.asyncProperty(tree, async ({ text, result }) => {
        // Reads a property at least, and adds nothing.
        const whole = `(${text}) + d`;
        const data = `{${Object.entries(DATA)
          .map(([name, number]) => `"${name}":${number}`)
          .join()}}`;
        fc.pre(whole.length <= 1_000 && (whole.match(/[a-z0-9.]+|[-+*/]/g) ?? []).length < 90);
        const [row] = await read({ aggregation: sumOf(whole) }, [data]);
        const plain = result.toFixed();
        const isInRange = result.abs().lt('1e26') && (plain.split('.')[1] ?? '').length <= 12;
        inRange += isInRange ? 1 : 0;
        expect(row).toMatchObject(
          isInRange ? usable(result.eq(0) ? '0' : plain) : unusable('out_of_range'),
        );
      }),
      { numRuns: 300 },
    );
    expect(inRange).toBeGreaterThan(50);
  });
});
