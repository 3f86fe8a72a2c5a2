/*
 * Aim: figures that are made anew are what their events say, and what was right is not written.
 * Method: some rows are altered, taken away or made up, for every aggregation; rows are compared with what they were, and
 * the transactions that wrote them with those that did before.
 */
import { type Aggregation, type Meter } from '../../src/meters/meter.js';
import { BatchesStore } from '../../src/usage/batches.store.js';
import { RollupStore } from '../../src/usage/rollup.store.js';
import { tableOf } from '../../src/usage/rollup.sql.js';
import { factory } from '../support/factory.js';
import { type Metering, startMetering } from '../support/metering.js';

const WINDOW = {
  start: new Date('2026-11-09T08:00:00Z'),
  end: new Date('2026-11-09T12:00:00Z'),
};
const VALUE = { kind: 'property', path: '$.v' } as const;
const AGGREGATIONS: readonly Aggregation[] = [
  { kind: 'count' },
  ...(['sum', 'avg', 'min', 'max', 'latest', 'time_weighted_sum'] as const).map((kind) => ({
    kind,
    value: VALUE,
  })),
  { kind: 'unique_count', property: '$.v' },
  { kind: 'percentile', value: VALUE, percentile: '50' },
];

interface Kept {
  /** What it says, without where and by whom it was written. */
  readonly row: string;
  readonly writer: string;
}

describe.each(AGGREGATIONS)('the figures of $kind, made anew', (aggregation) => {
  let metering: Metering;
  let meter: Meter;
  let right: Kept[];

  beforeAll(async () => {
    metering = await startMetering('2026-11-09T13:00:00Z');
    const groupBy = [{ key: 'region', property: '$.region' }];
    meter = await metering.meters.create(factory.meter({ aggregation, groupBy }));
    const events = ['s1', 's2', 's3'].flatMap((subject) =>
      [7, 8, 9, 11, 12].flatMap((hour) =>
        [1, 2].map((v) =>
          factory.event({
            ...{ subject, time: `2026-11-09T${String(hour).padStart(2, '0')}:0${v}:00Z` },
            // Some have no group.
            data: { v, ...(v === 1 && { region: 'eu' }) },
          }),
        ),
      ),
    );
    await metering.send(events);
    while ((await metering.fold.workOnce()) > 0) {
      // Until all is counted.
    }
    right = await kept();
  });

  afterAll(async () => {
    await metering.close();
  });

  const run = async (sql: string): Promise<void> => {
    await metering.db.database.query(sql.replaceAll('figures', tableOf(meter)));
  };

  const kept = async (): Promise<Kept[]> =>
    await metering.db.database.query<Kept & Record<string, unknown>>(
      `SELECT (to_jsonb(kept) - 'value_sum' || jsonb_build_object('value_sum', trim_scale((to_jsonb(kept)->>'value_sum')::numeric)))::text AS row,
         xmin::text AS writer
       FROM ${tableOf(meter)} AS kept WHERE meter = ${meter.number} ORDER BY 1`,
    );

  const rebuild = async (subjects: readonly string[] | null): Promise<bigint> => {
    const { database } = metering.db;
    return await database.transaction(async () => {
      await new BatchesStore(database).holdMeters('exclusive');
      return await new RollupStore(database).rebuild(meter, WINDOW, subjects);
    });
  };

  const rows = (of: readonly Kept[]): string[] => of.map(({ row }) => row);

  it('are not written where they are right', async () => {
    expect(rows(right).length).toBeGreaterThan(0);
    expect(await rebuild(null)).toBe(18n);
    expect(await kept()).toEqual(right);
  });

  it('are put right where they are not, within the window, and the others are not written', async () => {
    await run(`UPDATE figures SET event_count = event_count + 5
      WHERE subject = 's1' AND hour = '2026-11-09T08:00:00Z'`);
    await run(`DELETE FROM figures WHERE subject = 's2' AND hour = '2026-11-09T11:00:00Z'`);
    await run(`INSERT INTO figures SELECT (made).* FROM (SELECT jsonb_populate_record(one,
        '{"subject": "made-up"}') AS made FROM figures AS one WHERE subject = 's3') AS made`);
    const outside = `subject = 's1' AND hour = '2026-11-09T12:00:00Z'`;
    await run(`UPDATE figures SET event_count = event_count + 7 WHERE ${outside}`);
    await rebuild(null);
    await run(`UPDATE figures SET event_count = event_count - 7 WHERE ${outside}`);
    // What was made up before and after the window is still there.
    const after = (await kept()).filter(({ row }) => !row.includes('"made-up"'));
    expect(rows(after)).toEqual(rows(right));
    const isAltered = ({ row }: Kept): boolean =>
      /"s1".*(?:T08|T12)|(?:T08|T12).*"s1"|"s2".*T11|T11.*"s2"/.test(row);
    const writersOf = (of: readonly Kept[]): string[] =>
      of.filter((one) => !isAltered(one)).map(({ writer }) => writer);
    expect(writersOf(after)).toEqual(writersOf(right));
    const made = `SELECT DISTINCT extract(hour FROM hour AT TIME ZONE 'UTC')::text AS hour
      FROM ${tableOf(meter)} WHERE subject = 'made-up' ORDER BY 1`;
    expect(await metering.db.database.query(made)).toEqual([{ hour: '12' }, { hour: '7' }]);
    await run(`DELETE FROM figures WHERE subject = 'made-up'`);
  });

  it('are put right for the subjects that are asked for, and no others', async () => {
    await run(`UPDATE figures SET event_count = event_count + 5
      WHERE subject IN ('s1', 's2') AND hour = '2026-11-09T09:00:00Z'`);
    await rebuild(['s2', 's3']);
    const wrong = rows(await kept()).filter((row) => !rows(right).includes(row));
    expect(wrong.length).toBeGreaterThan(0);
    expect(wrong.every((row) => row.includes('"s1"'))).toBe(true);
    await rebuild(['s1']);
    expect(rows(await kept())).toEqual(rows(right));
  });
});
