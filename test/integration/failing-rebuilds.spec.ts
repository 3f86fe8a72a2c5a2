/*
 * Aim: a rebuild that fails says why, rests longer each time, holds up no other, and goes on by itself.
 * Method: a constraint lets PostgreSQL refuse what one meter counted.
 */
import { type Interval } from '../../src/kernel/interval.js';
import { type Meter } from '../../src/meters/meter.js';
import { type Rebuild } from '../../src/usage/upkeep/rebuild.js';
import { factory } from '../support/factory.js';
import { type Metering, startMetering } from '../support/metering.js';

const DAY: Interval = {
  start: new Date('2026-11-09T00:00:00Z'),
  end: new Date('2026-11-10T00:00:00Z'),
};

describe('a rebuild whose steps fail', () => {
  let metering: Metering;
  let refused: Meter;
  let other: Meter;

  beforeAll(async () => {
    metering = await startMetering('2026-11-09T13:00:00Z');
    const value = { kind: 'property', path: '$.v' } as const;
    refused = await metering.meters.create(factory.meter({ aggregation: { kind: 'sum', value } }));
    other = await metering.meters.create(factory.meter({ aggregation: { kind: 'count' } }));
    await metering.send([factory.event({ time: '2026-11-09T08:10:00Z', data: { v: 7 } })]);
    while ((await metering.fold.foldOnce()) + (await metering.fold.backfillOnce()) > 0) {
      // Until all is counted.
    }
  });

  afterAll(async () => {
    await metering.close();
  });

  const run = async (sql: string): Promise<void> => {
    await metering.db.database.query(sql);
  };
  const request = async ({ key }: Meter): Promise<string> => {
    const { id } = await metering.rebuilds.request(
      { meter: key, window: DAY, subjects: null },
      'k',
    );
    return id;
  };
  /** Steps until nothing is due; answers how many failed. */
  const stepAll = async (): Promise<number> => {
    let failed = 0;
    let done: number;
    do {
      done = await metering.rebuilds.stepOnce().catch(() => {
        failed += 1;
        return 1;
      });
    } while (done > 0);
    return failed;
  };
  const get = async (meter: Meter, id: string): Promise<Rebuild> =>
    await metering.rebuilds.get(meter.key, id);

  it('shows the error, leaves others their turn, and goes on when it is mended', async () => {
    const [first, second] = [await request(refused), await request(other)];
    // What is right already is not written.
    await run(`UPDATE usage_rollups SET value_sum = 8 WHERE meter = ${refused.number}`);
    await run(`ALTER TABLE usage_rollups ADD CONSTRAINT refusing
      CHECK (meter <> ${refused.number} OR value_sum <> 7) NOT VALID`);
    expect(await stepAll()).toBe(1);
    expect((await get(other, second)).finishedAt).not.toBeNull();
    const waits: number[] = [];
    for (let count = 0; count < 14; count += 1) {
      const { failing, finishedAt } = await get(refused, first);
      expect(finishedAt).toBeNull();
      expect(failing).toMatchObject({ since: new Date('2026-11-09T13:00:00Z'), count: count + 1 });
      expect(failing?.error).toMatch('violates check constraint "refusing"');
      const now = metering.clock.now().getTime();
      waits.push((failing?.nextAttemptAt.getTime() ?? 0) - now);
      expect(await stepAll()).toBe(0);
      metering.clock.advance(waits.at(-1) ?? 0);
      expect(await stepAll()).toBe(1);
    }
    // Doubling from a second up to an hour, with a fifth of jitter.
    expect(Math.max(...waits)).toBeGreaterThan(2_800_000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(4_320_000);
    await run('ALTER TABLE usage_rollups DROP CONSTRAINT refusing');
    metering.clock.advance(4_320_000);
    expect(await stepAll()).toBe(0);
    const { failing, finishedAt } = await get(refused, first);
    expect({ failing, isFinished: finishedAt !== null }).toEqual({
      failing: null,
      isFinished: true,
    });
  });
});
