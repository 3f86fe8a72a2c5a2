/*
 * How long after its answer a request's usage is in the rollups, at half of what the service takes:
 * requests start at a constant rate, and the database is asked all the while which batches are pending.
 */
import { type Bench } from '../bench.js';
import { jobOf, type Measured, measureJob } from '../measure.js';
import { MIXED, type Scenario, SINGLE, STANDARD } from '../scenario.js';
import { type FoldLag, watchFolds } from '../service/fold-lag.js';
import { type Meterline } from '../service/meterline.js';
import { HALF_LOAD, measureCapacity } from './latency.js';
import { type Section } from './section.js';

const TARGET_P99_MS = 1_000;

interface Row {
  readonly name: string;
  readonly half: Measured;
  readonly lag: FoldLag;
}

export const lag: Section = {
  name: 'lag',
  run: async (bench) => {
    const rows: Row[] = [];
    await bench.withService({}, async (service) => {
      for (const scenario of [SINGLE, STANDARD, MIXED]) {
        rows.push(await atHalfLoad(bench, service, scenario));
      }
      await bench.notePeak(service, 'fold lag');
    });
    bench.report.table(
      'Fold lag at half load: constant rate, three meters live',
      [
        { head: '', value: (row) => row.name },
        { head: 'events/s', value: (row) => row.half.eventsPerSecond },
        { head: 'batches', value: (row) => row.lag.batches },
        { head: 'p50 ms', value: (row) => row.lag.p50Ms },
        { head: 'p99 ms', value: (row) => row.lag.p99Ms },
        { head: 'max ms', value: (row) => row.lag.maxMs },
        { head: 'service µs', value: (row) => row.half.serviceCpuUs, digits: 1 },
        { head: 'postgres µs', value: (row) => row.half.postgresCpuUs, digits: 1 },
      ],
      rows,
    );
    for (const row of rows) {
      bench.report.aim({
        name: `p99 of the fold lag at half load, ${row.name}`,
        target: `under ${TARGET_P99_MS} ms`,
        measured: `${row.lag.p99Ms.toFixed(0)} ms`,
        isMet: row.lag.p99Ms < TARGET_P99_MS,
        scenario: null,
      });
    }
  },
};

async function atHalfLoad(bench: Bench, service: Meterline, given: Scenario): Promise<Row> {
  const scenario = { ...given, events: bench.scaled(given.events) };
  bench.say(`fold lag, ${scenario.name}`);
  const capacity = await measureCapacity(bench, service, scenario);
  const seconds = bench.isQuick ? HALF_LOAD.quickSeconds : HALF_LOAD.seconds;
  const events = Math.ceil(capacity.eventsPerSecond * HALF_LOAD.share * seconds);
  const { connections } = HALF_LOAD;
  const watch = await watchFolds(service.databaseUrl);
  const half = await measureJob(bench, service, {
    ...jobOf(bench, service, { ...scenario, events, connections }),
    requestsPerSecond: capacity.requestsPerSecond * HALF_LOAD.share,
  });
  return { name: scenario.name, half, lag: await watch.stop() };
}
