/* How many events a request holds; and the obvious way, one INSERT for each request. */
import { type Bench } from '../bench.js';
import { type Compared, jobOf, medianBy } from '../measure.js';
import { type LoadResult } from '../load/job.js';
import { startNaive } from '../naive.js';
import { type Scenario, SINGLE, STANDARD } from '../scenario.js';
import { COMPARED, compareAll, type Section } from './section.js';

const TARGET_RATIO = 0.7;

const SCENARIOS: readonly Scenario[] = [
  SINGLE,
  { ...STANDARD, name: '10 to a request', perRequest: [10], connections: 32, events: 80_000 },
  { ...STANDARD, name: '100 to a request', perRequest: [100], connections: 32 },
  STANDARD,
  { ...STANDARD, name: '1,000 to a request', perRequest: [1_000] },
  // More connections would hold more than INGEST_MAX_QUEUE_BYTES, and be answered 503.
  {
    ...STANDARD,
    name: '10,000 to a request',
    perRequest: [10_000],
    connections: 8,
    events: 400_000,
  },
];

export const requests: Section = {
  name: 'requests',
  run: async (bench) => {
    const compared = await compareAll(bench, SCENARIOS);
    bench.report.table('Events to a request: three meters live', COMPARED, compared);
    const naive = await measureNaive(bench);
    const single = compared.find(({ name }) => name === SINGLE.name);
    bench.report.table(
      'One INSERT for each request, on a plain server',
      [
        { head: '', value: () => 'one event to a request' },
        { head: 'events/s', value: (row) => row.eventsPerSecond },
        { head: 'p50 ms', value: (row) => row.p50Ms, digits: 1 },
        { head: 'p99 ms', value: (row) => row.p99Ms, digits: 1 },
        { head: 'Meterline is', value: (row) => row.meterlineTimes, digits: 1 },
      ],
      [{ ...naive, meterlineTimes: (single?.eventsPerSecond ?? 0) / naive.eventsPerSecond }],
    );
    addAim(bench, compared);
  },
};

async function measureNaive(bench: Bench): Promise<LoadResult> {
  bench.say('one INSERT for each request');
  const naive = await startNaive(bench.postgresUrl);
  try {
    const results: LoadResult[] = [];
    for (let round = 0; round < bench.rounds; round += 1) {
      const target = { url: naive.url, key: 'none' };
      const scenario = { ...SINGLE, events: bench.scaled(SINGLE.events / 2) };
      const send = await bench.load.prepare(jobOf(bench, target, scenario));
      results.push(await send());
    }
    return medianBy(results, ({ eventsPerSecond }) => eventsPerSecond);
  } finally {
    await naive.close();
  }
}

function addAim(bench: Bench, compared: readonly Compared[]): void {
  const ratio = compared.find(({ name }) => name === STANDARD.name)?.ratio ?? 0;
  bench.report.aim({
    name: '500 to a request, three meters live: of COPY into the same tables',
    target: `at least ${TARGET_RATIO}`,
    measured: ratio.toFixed(2),
    isMet: ratio >= TARGET_RATIO,
    scenario: STANDARD,
  });
}
