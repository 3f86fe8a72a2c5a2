/*
 * Aim: one definition of each type of message, from which schema, type, example and check come.
 * Method: examples and mutations of them are held against the check; source text is searched for what is
 * published. Whether messages that are really sent have their schema is held by `drop` of each test
 * database, over all that any spec has published.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as fc from 'fast-check';
import { CATALOGUE, MESSAGE_TYPE_NAMES } from '../../src/webhooks/catalogue/catalogue.js';
import { openApiWebhooks } from '../../src/webhooks/catalogue/openapi-webhooks.js';
import {
  faultsOfBody,
  payloadExample,
  payloadSchema,
} from '../../src/webhooks/catalogue/payload-schema.js';
import {
  byName,
  day,
  decimal,
  either,
  faultsOf,
  flag,
  id,
  just,
  list,
  object,
  oneOf,
  optional,
  orNull,
  text,
  time,
  whole,
} from '../../src/webhooks/catalogue/shape.js';
import { messageBody, exampleContent } from '../../src/webhooks/webhook-message.js';

const SRC = fileURLToPath(new URL('../../src/', import.meta.url));

describe('the catalogue', () => {
  it.each(MESSAGE_TYPE_NAMES)(
    'has an example of %s that has its schema, and says what it tells',
    (type) => {
      const { description } = CATALOGUE[type];
      expect(description).toMatch(/^[A-Z].*\.$/);
      const body = messageBody(exampleContent(type, new Date('2026-11-03T10:20:30.456Z')), 17);
      expect(faultsOfBody(type, body)).toEqual([]);
      expect(faultsOfBody(type, JSON.stringify({ ...payloadExample(type), test: true }))).toEqual(
        [],
      );
    },
  );

  it.each(MESSAGE_TYPE_NAMES)('finds whatever is left out of %s, or put in', (type) => {
    const example = payloadExample(type);
    const data = example['data'] as Record<string, unknown>;
    const { required = [] } = CATALOGUE[type].data.schema;
    for (const name of required) {
      const { [name]: _, ...rest } = data;
      const faults = faultsOfBody(type, JSON.stringify({ ...example, data: rest }));
      expect([name, faults]).toEqual([name, [`$.data.${name} is missing`]]);
    }
    const more = { ...example, data: { ...data, surprise: 1 } };
    expect(faultsOfBody(type, JSON.stringify(more))).toContain(
      '$.data.surprise is not in the schema',
    );
    expect(faultsOfBody(type, JSON.stringify({ ...example, sequence: '17' }))).toHaveLength(1);
  });

  it('has no type that nobody publishes, and nobody names another', () => {
    const code = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && !file.includes('webhooks/catalogue/'))
      .map((file) => readFileSync(`${SRC}/${file}`, 'utf8'))
      .join('\n');
    expect(MESSAGE_TYPE_NAMES.filter((type) => !code.includes(`'${type}'`))).toEqual([]);
    expect(faultsOfBody('invoice.lost', '{}')).toEqual(["There is no type 'invoice.lost'"]);
  });

  it('is stricter than what it publishes only where receivers have to be lax', () => {
    expect(JSON.stringify(MESSAGE_TYPE_NAMES.map(payloadSchema))).not.toContain(
      '"additionalProperties":false',
    );
  });

  it('is said to generators as webhooks of OpenAPI, each with an id of its own', () => {
    const webhooks = Object.values(openApiWebhooks('Webhooks')) as {
      post: { operationId: string };
    }[];
    const ids = webhooks.map(({ post }) => post.operationId);
    expect(ids).toHaveLength(MESSAGE_TYPE_NAMES.length);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.filter((name) => !/^webhook_[a-zA-Z]+$/.test(name))).toEqual([]);
  });
});

describe('faultsOf', () => {
  const every = object({
    text: text(),
    id: id('inv'),
    time: time(),
    day: day(),
    decimal: decimal(),
    whole: whole(),
    flag: flag(),
    word: oneOf(['a', 'b']),
    none: orNull(text()),
    maybe: optional(whole()),
    list: list(whole()),
    names: byName(whole()),
    either: either(object({ kind: just('x'), x: whole() }), object({ kind: just('y') })),
  });
  const right = {
    text: '',
    id: 'inv_1',
    time: '2026-11-03T10:20:30Z',
    day: '2026-11-03',
    decimal: '-0.10',
    whole: 0,
    flag: false,
    word: 'a',
    none: null,
    list: [1, 2],
    names: { any: 1 },
    either: { kind: 'x', x: 1 },
  };

  it.each([
    [{}],
    [{ maybe: 1 }],
    [{ none: 'some' }],
    [{ list: [] }],
    [{ either: { kind: 'y' } }],
    [{ time: '2026-11-03T10:20:30.123456+01:00' }],
  ])('takes %j', (change) => {
    expect(faultsOf(every.schema, { ...right, ...change })).toEqual([]);
  });

  it.each([
    [{ text: 1 }],
    [{ text: null }],
    [{ id: 'li_1' }],
    [{ time: '2026-11-03' }],
    [{ time: '2026-02-30T00:00:00Z' }],
    [{ day: '2026-11-03T00:00:00Z' }],
    [{ decimal: '1e3' }],
    [{ decimal: 1 }],
    [{ decimal: '' }],
    [{ whole: 1.5 }],
    [{ whole: '1' }],
    [{ whole: 2 ** 53 }],
    [{ flag: 'true' }],
    [{ word: 'c' }],
    [{ none: 1 }],
    [{ maybe: null }],
    [{ list: {} }],
    [{ list: ['1'] }],
    [{ names: { any: 'x' } }],
    [{ names: [] }],
    [{ either: { kind: 'x' } }],
    [{ either: { kind: 'z' } }],
    [{ more: 1 }],
  ])('finds what is wrong with %j', (change) => {
    expect(faultsOf(every.schema, { ...right, ...change })).not.toEqual([]);
  });

  it('never throws, whatever the value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(Array.isArray(faultsOf(every.schema, value))).toBe(true);
      }),
    );
  });
});
