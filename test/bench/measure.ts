/* Runs a scenario in rounds, each beside its baseline, and takes the round with the median ratio. */
import { copyBaseline, lastBatch, readStoredRows } from './baseline.js';
import { type Bench } from './bench.js';
import { type EventSet, type EventStream, repeatsIn } from './events/usage-events.js';
import { type Job, type LoadResult } from './load/job.js';
import { type Scenario } from './scenario.js';
import { type Counted, type Meterline } from './service/meterline.js';
import { cpuSeconds, familyCpuSeconds, residentBytes } from './service/proc.js';

const BASELINE_ROWS = 150_000;
/** Of a round, which is enough for V8 to have compiled what is used. */
const WARM_UP_SHARE = 0.5;
const SAMPLE_MS = 100;
const MICROSECONDS = 1e6;

/** One load on one service. */
export interface Measured extends LoadResult {
  /** From the last answer until the last event was in the rollups. */
  readonly foldSeconds: number;
  /** Microseconds of a processor for each event, folding included. */
  readonly serviceCpuUs: number | null;
  readonly postgresCpuUs: number | null;
  readonly peakBytes: number | null;
}

export interface Compared extends Measured {
  readonly name: string;
  readonly copyPerSecond: number;
  /** Of what COPY alone stored a moment later. */
  readonly ratio: number;
}

/** The element in the middle by a figure. */
export function medianBy<T>(values: readonly T[], figure: (value: T) => number): T {
  const sorted = values.toSorted((left, right) => figure(left) - figure(right));
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) {
    throw new RangeError('A median of nothing');
  }
  return middle;
}

/** The job of a scenario, with new events unless its repeats are taken from a set. */
export function jobOf(
  bench: Bench,
  target: { readonly url: string; readonly key: string },
  scenario: Scenario,
  repeats: EventSet | null = null,
): Job {
  const { format, shape, perRequest, connections, repeatPercent } = scenario;
  const fresh = bench.newSet(shape, scenario.events);
  const stream: EventStream = { fresh, repeats, repeatPercent };
  const { url, key } = target;
  return { url, key, format, stream, perRequest, connections, requestsPerSecond: null };
}

/** Sends one load to a service, waits until it is folded, and checks that every event was counted. */
export async function measureJob(bench: Bench, service: Meterline, job: Job): Promise<Measured> {
  const send = await bench.load.prepare(job);
  const before = await service.counted();
  const serviceCpu = await cpuSeconds(service.pid);
  const postgresCpu = await familyCpuSeconds(bench.postgresPid);
  let peakBytes = 0;
  const sampler = setInterval(() => {
    void residentBytes(service.pid).then((bytes) => {
      peakBytes = Math.max(peakBytes, bytes?.now ?? 0);
    });
  }, SAMPLE_MS);
  let result: LoadResult;
  try {
    result = await send();
  } finally {
    clearInterval(sampler);
  }
  const foldSeconds = await service.settle();
  checkCounted(before, await service.counted(), job.stream);
  const per = (now: number | null, then: number | null): number | null =>
    now === null || then === null ? null : ((now - then) * MICROSECONDS) / result.events;
  return {
    ...result,
    foldSeconds,
    serviceCpuUs: per(await cpuSeconds(service.pid), serviceCpu),
    postgresCpuUs: per(await familyCpuSeconds(bench.postgresPid), postgresCpu),
    peakBytes: peakBytes === 0 ? null : peakBytes,
  };
}

/** A figure of a load that the service did not take as meant would be one of something else. */
function checkCounted(before: Counted, after: Counted, stream: EventStream): void {
  const duplicates = repeatsIn(stream);
  const expected = { accepted: stream.fresh.count - duplicates, duplicate: duplicates };
  const actual = {
    accepted: after.accepted - before.accepted,
    duplicate: after.duplicate - before.duplicate,
  };
  if (actual.accepted !== expected.accepted || actual.duplicate !== expected.duplicate) {
    throw new Error(
      `Of ${stream.fresh.count} events ${expected.accepted} should have been new and ${duplicates} known; ` +
        `the service counted ${actual.accepted} and ${actual.duplicate}.`,
    );
  }
}

/** Warms the service up, then measures round by round: the load, and COPY of rows as it stored them. */
export async function compare(
  bench: Bench,
  service: Meterline,
  given: Scenario,
): Promise<Compared> {
  const scenario = { ...given, events: bench.scaled(given.events) };
  bench.say(`${scenario.name}, ${scenario.connections} connections`);
  await service.prepareSource(scenario.format);
  const batch = await lastBatch(service.databaseUrl);
  const warmUp = jobOf(bench, service, {
    ...scenario,
    events: Math.ceil(scenario.events * WARM_UP_SHARE),
    repeatPercent: 0,
  });
  await measureJob(bench, service, warmUp);
  const rows = await readStoredRows(service.databaseUrl, batch);
  const rounds: Compared[] = [];
  for (let round = 0; round < bench.rounds; round += 1) {
    const job = jobOf(bench, service, scenario, warmUp.stream.fresh);
    const measured = await measureJob(bench, service, job);
    const copyPerSecond = await copyBaseline(
      service.databaseUrl,
      rows,
      bench.scaled(BASELINE_ROWS),
    );
    const ratio = measured.eventsPerSecond / copyPerSecond;
    rounds.push({ name: scenario.name, ...measured, copyPerSecond, ratio });
  }
  return medianBy(rounds, ({ ratio }) => ratio);
}
