/* Watches from outside how far closing and the push are, and what they cost. */
import { type Client } from 'pg';
import { type Bench } from '../bench.js';
import { type Meterline } from '../service/meterline.js';
import { cpuSeconds, familyCpuSeconds, residentBytes } from '../service/proc.js';

const LOOK_MS = 250;
const TELL_MS = 30_000;

/** What was spent until an instant. */
export interface Spent {
  readonly at: number;
  readonly serviceCpu: number | null;
  readonly postgresCpu: number | null;
  readonly transactions: number;
}

export async function spentBy(bench: Bench, service: Meterline, client: Client): Promise<Spent> {
  const { rows } = await client.query<{ count: string }>(
    'SELECT xact_commit AS count FROM pg_stat_database WHERE datname = current_database()',
  );
  return {
    at: performance.now(),
    serviceCpu: await cpuSeconds(service.pid),
    postgresCpu: await familyCpuSeconds(bench.postgresPid),
    transactions: Number(rows[0]?.count),
  };
}

/** What one of so many took between two instants. */
export interface Cost {
  readonly count: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly serviceCpuMs: number | null;
  readonly postgresCpuMs: number | null;
  readonly transactions: number;
}

export function costOf(before: Spent, after: Spent, count: number): Cost {
  const seconds = (after.at - before.at) / 1_000;
  const each = (now: number | null, then: number | null): number | null =>
    now === null || then === null ? null : ((now - then) * 1_000) / count;
  return {
    count,
    seconds,
    perSecond: count / seconds,
    serviceCpuMs: each(after.serviceCpu, before.serviceCpu),
    postgresCpuMs: each(after.postgresCpu, before.postgresCpu),
    transactions: (after.transactions - before.transactions) / count,
  };
}

/** Memory while something goes on: the mean of its first and of its last quarter. */
export interface MemoryOf {
  readonly first: number | null;
  readonly last: number | null;
}

/** Waits until a statement answers `count`; tells how far it is from time to time. */
export async function waitFor(
  bench: Bench,
  { service, client }: { readonly service: Meterline; readonly client: Client },
  { what, sql, count }: { readonly what: string; readonly sql: string; readonly count: number },
): Promise<MemoryOf> {
  const resident: number[] = [];
  let toldAt = performance.now();
  for (;;) {
    const { rows } = await client.query<{ count: string }>(sql);
    const done = Number(rows[0]?.count);
    const now = await residentBytes(service.pid);
    if (now !== null) {
      resident.push(now.now);
    }
    if (done >= count) {
      return memoryOf(resident);
    }
    if (performance.now() - toldAt > TELL_MS) {
      toldAt = performance.now();
      bench.say(`${what}: ${done.toLocaleString('en')} of ${count.toLocaleString('en')}`);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function memoryOf(resident: readonly number[]): MemoryOf {
  const quarter = Math.ceil(resident.length / 4);
  const mean = (values: readonly number[]): number | null =>
    values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
  return { first: mean(resident.slice(0, quarter)), last: mean(resident.slice(-quarter)) };
}
