/* Whether the service and its PostgreSQL rest, and what they take for a while of work. */
import { type Bench } from '../bench.js';
import { type Meterline } from './meterline.js';
import { cpuSeconds, familyCpuSeconds } from './proc.js';

const LOOK_MS = 1_000;
/** What checks of small tables take. */
const MAX_BUSY_S = 0.1;
const MAX_LOOKS = 60;

/** Milliseconds on a processor for one request; null where nobody tells. */
export interface Cost {
  readonly postgres: number | null;
  readonly service: number | null;
}

interface Times {
  readonly postgres: number | null;
  readonly service: number | null;
}

async function timesOf(bench: Bench, service: Meterline): Promise<Times> {
  return {
    postgres: await familyCpuSeconds(bench.postgresPid),
    service: await cpuSeconds(service.pid),
  };
}

const between = (before: number | null, after: number | null): number | null =>
  before === null || after === null ? null : after - before;

/** Waits until neither does anything by itself, such as vacuuming what was filled; says so when they go on. */
export async function waitUntilQuiet(bench: Bench, service: Meterline): Promise<void> {
  for (let look = 0; look < MAX_LOOKS; look += 1) {
    const before = await timesOf(bench, service);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    const after = await timesOf(bench, service);
    const busy =
      (between(before.postgres, after.postgres) ?? 0) +
      (between(before.service, after.service) ?? 0);
    if (busy < MAX_BUSY_S) {
      return;
    }
  }
  bench.say('PostgreSQL or the service is still at work by itself; reads are slower for it');
}

/** Does some requests, and answers what each of them took on average. */
export async function costOf(
  bench: Bench,
  service: Meterline,
  requests: number,
  work: () => Promise<void>,
): Promise<Cost> {
  const before = await timesOf(bench, service);
  await work();
  const after = await timesOf(bench, service);
  const each = (seconds: number | null): number | null =>
    seconds === null ? null : (seconds * 1_000) / requests;
  return {
    postgres: each(between(before.postgres, after.postgres)),
    service: each(between(before.service, after.service)),
  };
}
