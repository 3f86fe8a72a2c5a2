/*
 * Aim: an export is of one moment, whatever happens while it is read, and ends when it should.
 * Method: a sink that, between two lots, lets ingest, corrections and folds go on.
 */
import { AsyncResource } from 'node:async_hooks';
import { CustomersReader } from '../../src/customers/customers.reader.js';
import { CustomersStore } from '../../src/customers/customers.store.js';
import { MetersReader } from '../../src/meters/meters.reader.js';
import { MetersStore } from '../../src/meters/meters.store.js';
import {
  type ExportRequest,
  type ExportRow,
  ExportService,
  type ExportSink,
  MAX_AT_ONCE,
} from '../../src/usage/export/export.service.js';
import { factory } from '../support/factory.js';
import { type Metering, startMetering } from '../support/metering.js';

const SUBJECT_COUNT = 1_500;
const REQUEST: ExportRequest = {
  meters: [],
  customer: null,
  from: new Date('2026-11-10T00:00:00Z'),
  to: new Date('2026-11-11T00:00:00Z'),
  window: null,
  timeZone: null,
  by: 'subject',
  groupBy: [],
};
const NEVER = new AbortController().signal;
/** Whatever runs in it is in no transaction, though whoever calls it is. */
const ELSEWHERE = new AsyncResource('elsewhere');
const outside = async (run: () => Promise<void>): Promise<void> => {
  await ELSEWHERE.runInAsyncScope(run);
};

const sinkOf = (take: ExportSink['take']): ExportSink => ({ begin: () => undefined, take });

describe('an export of usage', () => {
  let metering: Metering;
  let exports: ExportService;

  beforeAll(async () => {
    metering = await startMetering();
    const { database } = metering.db;
    const meters = new MetersReader(new MetersStore(database));
    const customers = new CustomersReader(new CustomersStore(database));
    exports = new ExportService(database, meters, customers, metering.usage, metering.clock);
    const subjects = Array.from({ length: SUBJECT_COUNT }, (_, index) => `s${index}`);
    await metering.customers.create(factory.customer({ key: 'acme' }), subjects);
    await metering.customers.create(factory.customer({ key: 'other' }), ['t1']);
    await metering.meters.create(factory.meter({ key: 'requests' }));
    await metering.meters.create(
      factory.meter({
        key: 'volume',
        aggregation: { kind: 'sum', value: { kind: 'property', path: '$.v' } },
        groupBy: [{ key: 'region', property: '$.region' }],
      }),
    );
    const data = { v: '0.1', region: 'eu' };
    await metering.send([
      ...subjects.map((subject) => factory.event({ subject, data })),
      factory.event({ subject: 't1', time: '2026-11-10T11:00:00Z', data: { v: 2 } }),
      factory.event({ subject: 'nobodys', data }),
    ]);
    await metering.fold.foldOnce();
  });

  afterAll(async () => {
    await metering.close();
  });

  const read = async (overrides: Partial<ExportRequest>): Promise<ExportRow[]> => {
    const rows: ExportRow[] = [];
    const sink = sinkOf(async (lot) => {
      await Promise.resolve(rows.push(...lot));
    });
    expect(await exports.run({ ...REQUEST, ...overrides }, sink, NEVER)).toBe(rows.length);
    return rows;
  };
  const inShort = (rows: readonly ExportRow[]): unknown[] =>
    rows.map((row) => [
      row.meter.key,
      row.customer,
      row.bucket.start.toISOString().slice(11, 16),
      row.group,
      row.quantity.toFixed(),
    ]);

  it('has every meter, customer, window and group, in this order', async () => {
    expect(inShort(await read({ by: 'customer', window: 'hour', groupBy: ['region'] }))).toEqual([
      ['requests', 'acme', '10:00', {}, '1500'],
      ['requests', 'other', '11:00', {}, '1'],
      ['volume', 'acme', '10:00', { region: 'eu' }, '150'],
      ['volume', 'other', '11:00', { region: null }, '2'],
    ]);
    expect(inShort(await read({ by: 'total', meters: ['volume'] }))).toEqual([
      ['volume', null, '00:00', {}, '152'],
    ]);
    expect(inShort(await read({ by: 'customer', customer: 'other' }))).toHaveLength(2);
  });

  it('generates windows as they are needed, more than an answer may have', async () => {
    const [from, to] = [new Date('2020-01-01T00:00:00Z'), new Date('2026-12-01T00:00:00Z')];
    const of = { customer: 'other', by: 'customer', meters: ['requests'] } as const;
    expect(inShort(await read({ from, to, window: 'hour', ...of }))).toEqual([
      ['requests', 'other', '11:00', {}, '1'],
    ]);
  });

  it('is of one moment, though usage, corrections and folds go on between its rows', async () => {
    const rows: ExportRow[] = [];
    const before = inShort(await read({}));
    const late = factory.event({ subject: 's7', data: { v: 5 } });
    await exports.run(
      REQUEST,
      sinkOf(async (lot, signal) => {
        rows.push(...lot);
        expect(signal.aborted).toBe(false);
        // The connection of the export is busy with its cursor; this goes by others.
        await outside(async () => {
          await metering.send([factory.event({ subject: 't1', data: { v: 9 } }), { ...late }]);
          await metering.corrections.void(
            { source: 'test', id: String(late['id']) },
            { reason: 'a test', by: 'key_test' },
          );
          await metering.fold.foldOnce();
        });
      }),
      NEVER,
    );
    expect(inShort(rows)).toEqual(before);
    expect(inShort(await read({}))).not.toEqual(before);
  });

  it('ends with the statement under way when its reader hangs up, and gives the connection back', async () => {
    const reader = new AbortController();
    const hung = exports.run(
      REQUEST,
      sinkOf(async (_, signal) => {
        const slow = metering.db.database.query('SELECT pg_sleep(50)');
        const aborted = new Promise((resolve) => {
          signal.addEventListener('abort', resolve, { once: true });
        });
        reader.abort(new Error('hung up'));
        await aborted;
        await slow;
      }),
      reader.signal,
    );
    await expect(hung).rejects.toThrow('hung up');
    expect(await read({ by: 'total' })).toHaveLength(2);
    const held = await metering.db.database.query(
      `SELECT pid FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in%'`,
    );
    expect(held).toEqual([]);
  });

  it('ends with a statement that begins when its reader has hung up', async () => {
    const reader = new AbortController();
    let isDone = false;
    const hung = exports.run(
      REQUEST,
      sinkOf(async () => {
        reader.abort(new Error('hung up'));
        // Behind what cancels a statement of this session: there is none.
        await outside(async () => {
          await metering.db.database.query('SELECT pg_sleep(0.1)');
        });
        await metering.db.database.query('SELECT pg_sleep(50)');
        isDone = true;
      }),
      reader.signal,
    );
    await expect(hung).rejects.toThrow('hung up');
    expect(isDone).toBe(false);
    expect(await read({ by: 'total' })).toHaveLength(2);
  });

  it('holds its snapshot for no longer than it may', async () => {
    const { database } = metering.db;
    const held = database.longSnapshot(
      { maxMs: 300, signal: NEVER },
      async () => await database.query('SELECT pg_sleep(50)'),
    );
    await expect(held).rejects.toThrow(/timeout/i);
  });

  it('can write nothing', async () => {
    const { database } = metering.db;
    const writing = database.snapshot(
      async () => await database.query('DELETE FROM customer_subjects'),
    );
    await expect(writing).rejects.toThrow('read-only');
  });

  it('refuses more at once than the pool can spare, and runs again when one is over', async () => {
    const gates = Array.from({ length: MAX_AT_ONCE }, () => gate());
    const begun = Array.from({ length: MAX_AT_ONCE }, () => gate());
    const running = gates.map(
      async (held, index) =>
        await exports.run(
          { ...REQUEST, by: 'total' },
          sinkOf(async () => {
            begun[index]?.resolve(null);
            await held.promise;
          }),
          NEVER,
        ),
    );
    await Promise.all(begun.map(async ({ promise }) => await promise));
    await expect(read({})).rejects.toMatchObject({ kind: 'unavailable' });
    gates.forEach(({ resolve }) => {
      resolve(null);
    });
    await Promise.all(running);
    expect(await read({ by: 'total' })).toHaveLength(2);
  });
});

interface Gate {
  readonly promise: Promise<unknown>;
  readonly resolve: (value: unknown) => void;
}

function gate(): Gate {
  let resolve: Gate['resolve'] = () => undefined;
  const promise = new Promise((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
