/*
 * npm run bench: how fast usage events are stored over HTTP, as ratios to what PostgreSQL itself can
 * store (COPY into the same tables) and to the obvious way (one INSERT for one request), all in this
 * run, on this machine, round about each other. Starts its own database and service; prints, and
 * leaves nothing behind.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { openEmbeddedPostgres } from '../../src/platform/database/embedded-postgres.js';
import { ADMIN_KEY, startService, type TestService } from '../support/service-process.js';
import { copyBaseline } from './baseline.js';
import { benchEvents } from './events.js';
import { load, type LoadResult, type Target } from './load.js';
import { startNaive } from './naive.js';

const ROUNDS = 3;
/** Events of one round, by events to a request and connections. */
const SHAPES = [
  { perRequest: 1, connections: 64, events: 20_000 },
  { perRequest: 10, connections: 32, events: 80_000 },
  { perRequest: 500, connections: 24, events: 250_000 },
];
const BASELINE_EVENTS = 250_000;
const NAIVE_EVENTS = 10_000;
const SETTLE_POLL_MS = 100;

const METERS = [
  {
    key: 'requests',
    name: 'Requests',
    event_type: 'api.request',
    aggregation: 'count',
    group_by: { region: '$.region' },
  },
  {
    key: 'egress',
    name: 'Egress',
    event_type: 'api.request',
    aggregation: 'sum',
    value_property: '$.bytes',
  },
  {
    key: 'successes',
    name: 'Successes',
    event_type: 'api.request',
    aggregation: 'count',
    filters: [{ property: '$.status', op: 'eq', value: 200 }],
  },
];

let serial = 0;
const fresh = (count: number): ReturnType<typeof benchEvents> =>
  benchEvents(count, `${Date.now().toString(36)}${(serial += 1)}`);

const median = (values: number[]): number =>
  values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? 0;

async function memoryBytes(service: TestService): Promise<number> {
  const text = String((await service.get('/metrics')).body);
  return Number(/^process_resident_memory_bytes (.+)$/m.exec(text)?.[1] ?? 0);
}

/** Waits until every batch is folded, so that rounds do not borrow work from each other. */
async function settled(service: TestService): Promise<void> {
  for (;;) {
    const text = String((await service.get('/metrics')).body);
    if (/^meterline_pending_batches 0$/m.test(text)) {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, SETTLE_POLL_MS));
  }
}

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const row = (name: string, result: LoadResult, ratio: number, naiveRatio: number): string =>
  [
    name.padEnd(34),
    Math.round(result.eventsPerSecond).toLocaleString('en').padStart(9),
    ratio.toFixed(2).padStart(9),
    naiveRatio.toFixed(1).padStart(9),
    ...[result.p50Ms, result.p99Ms, result.p999Ms].map((ms) => ms.toFixed(1).padStart(9)),
  ].join(' ');

const dataDir = await mkdtemp(path.join(tmpdir(), 'meterline-bench-'));
const postgres = await openEmbeddedPostgres({ dataDir });
try {
  // `-- --profile DIR` writes a CPU profile of the service there.
  const profile = process.argv[2] === '--profile' ? (process.argv[3] ?? '.') : null;
  const service = await startService(
    postgres.url,
    {},
    profile === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`],
  );
  const target: Target = { url: `${service.url}/api/v1/events`, key: ADMIN_KEY };
  for (const meter of METERS) {
    await service.post('/api/v1/meters', meter);
  }
  await load(target, fresh(50_000), 500, 8);
  await settled(service);
  let peakBytes = await memoryBytes(service);
  const watch = setInterval(() => {
    memoryBytes(service).then(
      (bytes) => {
        peakBytes = Math.max(peakBytes, bytes);
      },
      () => undefined,
    );
  }, 500);

  const baselines: number[] = [];
  const naives: LoadResult[] = [];
  const results = SHAPES.map((): { result: LoadResult; ratio: number }[] => []);
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const [index, { perRequest, connections, events }] of SHAPES.entries()) {
      const baseline = await copyBaseline(postgres.url, fresh(BASELINE_EVENTS));
      baselines.push(baseline);
      const result = await load(target, fresh(events), perRequest, connections);
      results[index]?.push({ result, ratio: result.eventsPerSecond / baseline });
      await settled(service);
    }
    const naive = await startNaive(postgres.url);
    naives.push(await load({ url: naive.url, key: '' }, fresh(NAIVE_EVENTS), 1, 64));
    await naive.close();
  }
  clearInterval(watch);

  const naive = median(naives.map(({ eventsPerSecond }) => eventsPerSecond));
  print(
    `${availableParallelism()} cores, Node ${process.version}; medians of ${ROUNDS} rounds; 3 meters live`,
  );
  print('');
  print(`${''.padEnd(34)}  events/s   of COPY  of naive    p50 ms    p99 ms  p99.9 ms`);
  print(
    `${'COPY into the same tables'.padEnd(34)} ${Math.round(median(baselines)).toLocaleString('en').padStart(9)}      1.00 ${(median(baselines) / naive).toFixed(1).padStart(9)}`,
  );
  const typical = naives.toSorted((a, b) => a.eventsPerSecond - b.eventsPerSecond)[
    Math.floor(naives.length / 2)
  ];
  if (typical !== undefined) {
    print(row('one INSERT, one request', typical, naive / median(baselines), 1));
  }
  for (const [index, { perRequest, connections }] of SHAPES.entries()) {
    const rounds = (results[index] ?? []).toSorted((a, b) => a.ratio - b.ratio);
    const middle = rounds[Math.floor(rounds.length / 2)];
    if (middle !== undefined) {
      const name = `Meterline, ${perRequest} to a request, ${connections} connections`;
      print(row(name, middle.result, middle.ratio, middle.result.eventsPerSecond / naive));
    }
  }
  print('');
  print(`peak memory of the service: ${Math.round(peakBytes / 1_048_576)} MB`);
  await service.kill('SIGTERM');
} finally {
  await postgres.stop();
  await rm(dataDir, { recursive: true, force: true });
}
