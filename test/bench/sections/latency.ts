/*
 * How long an answer takes when half of what the service takes is sent: requests start at a constant
 * rate whatever became of those before, and each counts from when it was to start.
 */
import { type Bench } from '../bench.js';
import { jobOf, type Measured, measureJob, medianBy } from '../measure.js';
import { MIXED, type Scenario, SINGLE, STANDARD } from '../scenario.js';
import { type Meterline } from '../service/meterline.js';
import { type Section } from './section.js';

const TARGET_P99_MS = 50;
/** Of more connections than are ever under way, so that none waits for one. */
export const HALF_LOAD = { share: 0.5, seconds: 20, quickSeconds: 4, connections: 256 };

interface Row {
  readonly name: string;
  readonly capacity: Measured;
  readonly half: Measured;
}

export const latency: Section = {
  name: 'latency',
  run: async (bench) => {
    const rows: Row[] = [];
    await bench.withService({}, async (service) => {
      for (const scenario of [SINGLE, STANDARD, MIXED]) {
        rows.push(await atHalfLoad(bench, service, scenario));
      }
      await bench.notePeak(service, 'half load');
    });
    bench.report.table(
      'Latency at half load: constant rate, three meters live',
      [
        { head: '', value: (row) => row.name },
        { head: 'capacity/s', value: (row) => row.capacity.eventsPerSecond },
        { head: 'events/s', value: (row) => row.half.eventsPerSecond },
        { head: 'requests', value: (row) => row.half.requests },
        { head: 'p50 ms', value: (row) => row.half.p50Ms, digits: 1 },
        { head: 'p99 ms', value: (row) => row.half.p99Ms, digits: 1 },
        { head: 'p99.9 ms', value: (row) => row.half.p999Ms, digits: 1 },
        { head: 'max ms', value: (row) => row.half.maxMs, digits: 1 },
        { head: 'service µs', value: (row) => row.half.serviceCpuUs, digits: 1 },
        { head: 'postgres µs', value: (row) => row.half.postgresCpuUs, digits: 1 },
        { head: 'sender %', value: (row) => row.half.senderShare * 100 },
      ],
      rows,
    );
    for (const [index, scenario] of [SINGLE, STANDARD, MIXED].entries()) {
      const p99Ms = rows[index]?.half.p99Ms ?? Number.POSITIVE_INFINITY;
      bench.report.aim({
        name: `p99 at half load, ${scenario.name}`,
        target: `under ${TARGET_P99_MS} ms`,
        measured: `${p99Ms.toFixed(1)} ms`,
        isMet: p99Ms < TARGET_P99_MS,
        scenario,
      });
    }
  },
};

/** What the service takes with every connection busy. */
export async function measureCapacity(
  bench: Bench,
  service: Meterline,
  scenario: Scenario,
): Promise<Measured> {
  const rounds: Measured[] = [];
  // The first round warms it up, and does not count.
  for (let round = 0; round <= bench.rounds; round += 1) {
    rounds.push(await measureJob(bench, service, jobOf(bench, service, scenario)));
  }
  return medianBy(rounds.slice(1), ({ eventsPerSecond }) => eventsPerSecond);
}

async function atHalfLoad(bench: Bench, service: Meterline, given: Scenario): Promise<Row> {
  const scenario = { ...given, events: bench.scaled(given.events) };
  bench.say(`half load, ${scenario.name}`);
  const capacity = await measureCapacity(bench, service, scenario);
  const seconds = bench.isQuick ? HALF_LOAD.quickSeconds : HALF_LOAD.seconds;
  const events = Math.ceil(capacity.eventsPerSecond * HALF_LOAD.share * seconds);
  const half = await measureJob(bench, service, {
    ...jobOf(bench, service, { ...scenario, events, connections: HALF_LOAD.connections }),
    requestsPerSecond: capacity.requestsPerSecond * HALF_LOAD.share,
  });
  return { name: scenario.name, capacity, half };
}
