/* One event to a request, beside the same program that stores nothing: what storing costs on top of HTTP. */
import { type Bench } from '../bench.js';
import { jobOf, type Measured, measureJob, medianBy } from '../measure.js';
import { type Scenario, SINGLE } from '../scenario.js';
import { type Meterline } from '../service/meterline.js';
import { type Section } from './section.js';

const TARGET_RATIO = 0.6;
/** The aim is about throughput: with fewer, each waits for the disk and not for a processor. */
const AIMED_CONNECTIONS = 256;
const CONNECTIONS = [8, 64, AIMED_CONNECTIONS];

interface Row {
  readonly connections: number;
  readonly storing: Measured;
  readonly storeless: Measured;
  readonly ratio: number;
}

export const http: Section = {
  name: 'http',
  run: async (bench) => {
    const rows: Row[] = [];
    await bench.withService({}, async (service) => {
      await bench.withService({ isStoring: false }, async (storeless) => {
        for (const connections of CONNECTIONS) {
          const scenario = { ...SINGLE, connections, events: bench.scaled(SINGLE.events) };
          rows.push(await compareBoth(bench, service, storeless, scenario));
        }
      });
      await bench.notePeak(service, SINGLE.name);
    });
    bench.report.table(
      'One event to a request, beside the same HTTP server without storing',
      [
        { head: 'connections', value: (row) => String(row.connections) },
        { head: 'stored/s', value: (row) => row.storing.eventsPerSecond },
        { head: 'answered/s', value: (row) => row.storeless.eventsPerSecond },
        { head: 'ratio', value: (row) => row.ratio, digits: 2 },
        { head: 'p99 ms', value: (row) => row.storing.p99Ms, digits: 1 },
        { head: 'p99 ms without', value: (row) => row.storeless.p99Ms, digits: 1 },
        { head: 'service µs', value: (row) => row.storing.serviceCpuUs, digits: 1 },
        { head: 'service µs without', value: (row) => row.storeless.serviceCpuUs, digits: 1 },
        { head: 'postgres µs', value: (row) => row.storing.postgresCpuUs, digits: 1 },
        { head: 'sender %', value: (row) => row.storing.senderShare * 100 },
        { head: 'sender % without', value: (row) => row.storeless.senderShare * 100 },
      ],
      rows,
    );
    const aimed = rows.find(({ connections }) => connections === AIMED_CONNECTIONS);
    bench.report.aim({
      name: 'one event to a request: of the same HTTP server without storing',
      target: `at least ${TARGET_RATIO}`,
      measured: (aimed?.ratio ?? 0).toFixed(2),
      isMet: (aimed?.ratio ?? 0) >= TARGET_RATIO,
      scenario: SINGLE,
    });
  },
};

async function compareBoth(
  bench: Bench,
  service: Meterline,
  storeless: Meterline,
  scenario: Scenario,
): Promise<Row> {
  bench.say(`with and without storing, ${scenario.connections} connections`);
  const rounds: Row[] = [];
  // The first round warms both up, and does not count.
  for (let round = 0; round <= bench.rounds; round += 1) {
    const without = await measureJob(bench, storeless, jobOf(bench, storeless, scenario));
    const storing = await measureJob(bench, service, jobOf(bench, service, scenario));
    const ratio = storing.eventsPerSecond / without.eventsPerSecond;
    rounds.push({ connections: scenario.connections, storing, storeless: without, ratio });
  }
  return medianBy(rounds.slice(1), ({ ratio }) => ratio);
}
