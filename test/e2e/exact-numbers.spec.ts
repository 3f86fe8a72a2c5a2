/*
 * Aim: a number goes from the wire to the sum of a meter without a digit changed, on every path; one
 * that does not fit is refused or quarantined, and never rounded.
 * Method: a property for each path, against exact integers. FUZZ_RUNS and FUZZ_SEED as in fuzz.spec.ts.
 */
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { RUNS } from '../support/hostile.js';
import { exportRequest, field, keyValue, tag, varint } from '../support/hostile-otlp.js';
import { startFresh } from '../support/service.js';
import { eventually, type RequestOptions, type TestService } from '../support/service-process.js';

/** Each sends several numbers. */
const RUNS_EACH = Math.ceil((RUNS.numRuns ?? 0) / 2);
const SCALE = 12;
const LIMIT = 10n ** 38n;
const now = Date.now();
const WINDOW = `from=${new Date(now - 3_600_000).toISOString()}&to=${new Date(now + 3_600_000).toISOString()}`;
const NDJSON = { 'content-type': 'application/x-ndjson' };
const PROTOBUF = { 'content-type': 'application/x-protobuf' };
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

/** A literal as JSON has them: integers to 38 digits, 14 decimals, exponents, zeros of any sign. */
const literal = fc.oneof(
  { weight: 4, arbitrary: ofForm(/^-?(0|[1-9]\d{0,25})(\.\d{1,12})?$/) },
  { weight: 1, arbitrary: ofForm(/^-?(0|[1-9]\d{0,37})(\.\d{1,14})?$/) },
  { weight: 1, arbitrary: ofForm(/^-?[1-9](\.\d{1,6})?[eE][+-]?\d{1,2}$/) },
  fc.constantFrom('-0', '-0.0', '0e5', '1E-12', '1e-13', '99999999999999999999999999.999999999999'),
  fc.constantFrom(
    '100000000000000000000000000',
    '9007199254740993',
    '0.1',
    '1.10',
    '1e25',
    '1e400',
    '1e-400',
  ),
);
const integer = fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n).map(String);

function ofForm(form: RegExp): fc.Arbitrary<string> {
  return fc.stringMatching(form);
}

/** The number times 10^12; null when it is no numeric(38, 12), or, in a text, none that is written out. */
function scaled(text: string, isText: boolean): bigint | null {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  if (isText && (/e/i.test(text) || whole.length > 26 || fraction.length > SCALE)) {
    return null;
  }
  if (Math.abs(Number(exponent)) > 400) {
    return null;
  }
  const power = Number(exponent) - fraction.length + SCALE;
  const digits = BigInt(whole + fraction);
  const value = power >= 0 ? digits * 10n ** BigInt(power) : digits / 10n ** BigInt(-power);
  const isWhole = power >= 0 || value * 10n ** BigInt(-power) === digits;
  if (!isWhole || value >= LIMIT) {
    return null;
  }
  return sign === '-' ? -value : value;
}

function written(value: bigint): string {
  const digits = (value < 0n ? -value : value).toString().padStart(SCALE + 1, '0');
  const text = `${digits.slice(0, -SCALE)}.${digits.slice(-SCALE)}`.replace(/\.?0+$/, '');
  return `${value < 0n ? '-' : ''}${text}`;
}

interface Sent {
  readonly path: string;
  readonly options: RequestOptions;
}

interface Path {
  /** Writes numbers as records of a subject, each with an id of its own. */
  readonly write: (numbers: readonly string[], subject: string) => Sent;
  readonly literals?: fc.Arbitrary<string>;
  readonly format?: string;
  readonly property?: string;
  readonly isText?: boolean;
  /** How many go in one request. */
  readonly most?: number;
}

let serial = 0;
const id = (): string => `n${(serial += 1)}`;
const list = (texts: readonly string[]): string => `[${texts.join(',')}]`;
const eventsOf = (type: string, numbers: readonly string[], subject: string): string[] =>
  numbers.map(
    (number) =>
      `{"id":"${id()}","source":"n","type":"n.${type}","subject":"${subject}","data":{"value":${number}}}`,
  );
const attribute = (key: string, value: Uint8Array): Buffer => field(6, keyValue(key, value));

const EVENTS = '/api/v1/events';
const PATHS: Readonly<Record<string, Path>> = {
  batch: {
    write: (numbers, subject) => ({
      path: EVENTS,
      options: { body: list(eventsOf('batch', numbers, subject)) },
    }),
  },
  lines: {
    write: (numbers, subject) => ({
      path: EVENTS,
      options: { body: eventsOf('lines', numbers, subject).join('\n'), headers: NDJSON },
    }),
  },
  gzip: {
    write: (numbers, subject) => ({
      path: EVENTS,
      options: {
        body: gzipSync(list(eventsOf('gzip', numbers, subject))),
        headers: { 'content-encoding': 'gzip' },
      },
    }),
  },
  binary: {
    most: 1,
    write: ([number = '0'], subject) => ({
      path: EVENTS,
      options: {
        body: `{"value":${number}}`,
        headers: { 'ce-id': id(), 'ce-source': 'n', 'ce-type': 'n.binary', 'ce-subject': subject },
      },
    }),
  },
  json: {
    format: 'json',
    write: (numbers, subject) => ({
      path: '/api/v1/sources/json/events',
      options: { body: eventsOf('json', numbers, subject).join('\n'), headers: NDJSON },
    }),
  },
  kong: {
    format: 'kong',
    property: '$.response_bytes',
    write: (numbers, subject) => ({
      path: '/api/v1/sources/kong/events',
      options: {
        body: list(
          numbers.map(
            (number) =>
              `{"request":{"id":"${id()}"},"consumer":{"id":"${subject}"},"response":{"size":${number}}}`,
          ),
        ),
      },
    }),
  },
  moesif: {
    format: 'moesif',
    property: '$.weight',
    write: (numbers, subject) => ({
      path: '/compat/moesif/v1/events/batch',
      options: {
        body: list(
          numbers.map(
            (number) =>
              `{"request":{"time":"${new Date().toISOString()}"},"transaction_id":"${id()}","company_id":"${subject}","weight":${number}}`,
          ),
        ),
      },
    }),
  },
  openmeter: {
    format: 'openmeter',
    write: (numbers, subject) => ({
      path: '/compat/openmeter/api/v1/events',
      options: { body: list(eventsOf('openmeter', numbers, subject)) },
    }),
  },
  lago: {
    format: 'lago',
    write: (numbers, subject) => ({
      path: '/compat/lago/api/v1/events/batch',
      options: {
        body: `{"events":${list(
          numbers.map(
            (number) =>
              `{"transaction_id":"${id()}","external_subscription_id":"${subject}","code":"c","properties":{"value":${number}}}`,
          ),
        )}}`,
      },
    }),
  },
  stripe: {
    format: 'stripe',
    isText: true,
    most: 1,
    write: ([number = '0'], subject) => ({
      path: '/v1/billing/meter_events',
      options: {
        body: `event_name=c&identifier=${id()}&payload[stripe_customer_id]=${subject}&payload[value]=${encodeURIComponent(number)}`,
        headers: FORM,
      },
    }),
  },
  'otlp-json': {
    format: 'otlp-logs',
    write: (numbers, subject) => ({
      path: '/api/v1/sources/otlp-json/v1/logs',
      options: {
        body: `{"resourceLogs":[{"scopeLogs":[{"logRecords":${list(
          numbers.map(
            (number) =>
              `{"attributes":[{"key":"log.record.uid","value":{"stringValue":"${id()}"}},{"key":"subject","value":{"stringValue":"${subject}"}},{"key":"value","value":{"doubleValue":${number}}}]}`,
          ),
        )}}]}]}`,
      },
    }),
  },
  'otlp-protobuf': {
    format: 'otlp-logs',
    literals: integer,
    write: (numbers, subject) => ({
      path: '/api/v1/sources/otlp-protobuf/v1/logs',
      options: {
        body: exportRequest(
          numbers.map((number) =>
            Buffer.concat([
              attribute('log.record.uid', field(1, id())),
              attribute('subject', field(1, subject)),
              attribute('value', Buffer.concat([tag(3, 0), varint(BigInt(number))])),
            ]),
          ),
        ),
        headers: PROTOBUF,
      },
    }),
  },
};

describe('a number from the wire to a sum', () => {
  let service: TestService;
  let close: () => Promise<void>;

  beforeAll(async () => {
    ({ service, close } = await startFresh());
    for (const [name, { format, property = '$.value' }] of Object.entries(PATHS)) {
      const type = `n.${name}`;
      if (format !== undefined) {
        const source = { key: name, name, format, mapping: { type: { value: type } } };
        expect((await service.post('/api/v1/sources', source)).status).toBe(201);
      }
      const meter = {
        key: name,
        name,
        event_type: type,
        aggregation: 'sum',
        value_property: property,
      };
      expect((await service.post('/api/v1/meters', meter)).status).toBe(201);
    }
  });

  afterAll(async () => {
    await close();
  });

  const quantityOf = async (meter: string, subject: string): Promise<string> => {
    const { body } = await service.get(
      `/api/v1/meters/${meter}/usage?subject=${subject}&${WINDOW}`,
    );
    return body.data[0]?.quantity ?? '0';
  };
  const refusedOf = async (source: string): Promise<number> => {
    const { body } = await service.get(`${EVENTS}/rejected/counts?source=${source}`);
    return body.data.reduce((sum: number, { count }: { count: number }) => sum + count, 0);
  };
  const quarantinedOf = async (meter: string): Promise<number> => {
    const { body } = await service.get(`${EVENTS}/quarantined/counts?meter=${meter}`);
    return body.data.reduce((sum: number, { count }: { count: number }) => sum + count, 0);
  };

  it.each(Object.keys(PATHS))('keeps its digits on the path %s', async (name) => {
    const { write, literals = literal, isText = false, most = 12, format } = PATHS[name]!;
    const source = format === undefined ? 'n' : name;
    const refusedBefore = await refusedOf(source);
    let unfit = 0;
    let runs = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(literals, { minLength: 1, maxLength: most }), async (numbers) => {
        const subject = `${name}-${(runs += 1)}`;
        const { path, options } = write(numbers, subject);
        const { status } = await service.request('POST', path, options);
        expect(status).toBeLessThan(500);
        let sum = 0n;
        for (const number of numbers) {
          const value = scaled(number, isText);
          sum += value ?? 0n;
          unfit += value === null ? 1 : 0;
        }
        expect(await quantityOf(name, subject)).toBe(written(sum));
      }),
      { ...RUNS, numRuns: RUNS_EACH, endOnFailure: true },
    );
    // What a meter cannot read is found when its batch is folded.
    const shown = await eventually(async () => {
      const found = (await quarantinedOf(name)) + (await refusedOf(source)) - refusedBefore;
      return found >= unfit && { found };
    });
    expect(shown).toEqual({ found: unfit });
  });

  it.each(['+1', '.5', '1.', '01', 'NaN', '0x10', '1_000', '-', '1e', 'Infinity'])(
    'refuses %s, which is none, and stores nothing of it',
    async (number) => {
      for (const name of [
        'batch',
        'lines',
        'binary',
        'json',
        'kong',
        'moesif',
        'lago',
        'otlp-json',
      ]) {
        const { path, options } = PATHS[name]!.write([number], 'none');
        const { status, body } = await service.request('POST', path, options);
        expect(status === 400 || body.rejected === 1).toBe(true);
        expect(await quantityOf(name, 'none')).toBe('0');
      }
    },
  );
});
