import { type Bench } from '../bench.js';
import { type Compared, compare } from '../measure.js';
import { type Column } from '../report.js';
import { type Scenario } from '../scenario.js';

export interface Section {
  readonly name: string;
  /** Takes minutes, and so is left out of a quick run. */
  readonly isSlow?: boolean;
  readonly run: (bench: Bench) => Promise<void>;
}

const MEGABYTE = 1_048_576;
const PERCENT = 100;

/** Bytes as megabytes; null stays null. */
export function megabytes(bytes: number | null): number | null {
  return bytes === null ? null : bytes / MEGABYTE;
}

/** What is shown of every load that is compared with COPY. */
export const COMPARED: readonly Column<Compared>[] = [
  { head: '', value: (row) => row.name },
  { head: 'events/s', value: (row) => row.eventsPerSecond },
  { head: 'COPY/s', value: (row) => row.copyPerSecond },
  { head: 'of COPY', value: (row) => row.ratio, digits: 2 },
  { head: 'p50 ms', value: (row) => row.p50Ms, digits: 1 },
  { head: 'p99 ms', value: (row) => row.p99Ms, digits: 1 },
  { head: 'fold s', value: (row) => row.foldSeconds, digits: 1 },
  { head: 'service µs', value: (row) => row.serviceCpuUs, digits: 1 },
  { head: 'postgres µs', value: (row) => row.postgresCpuUs, digits: 1 },
  { head: 'sender %', value: (row) => row.senderShare * PERCENT },
  { head: 'peak MB', value: (row) => megabytes(row.peakBytes) },
];

/** Compares each scenario with COPY, on one service for those that have as many meters. */
export async function compareAll(
  bench: Bench,
  scenarios: readonly Scenario[],
): Promise<Compared[]> {
  const compared: Compared[] = [];
  for (const meters of new Set(scenarios.map((scenario) => scenario.meters))) {
    await bench.withService({ meters }, async (service) => {
      for (const scenario of scenarios.filter((each) => each.meters === meters)) {
        compared.push(await compare(bench, service, scenario));
        await bench.notePeak(service, scenario.name);
      }
    });
  }
  return compared;
}

/** A section that is nothing but a table of scenarios. */
export function tableOf(name: string, title: string, scenarios: readonly Scenario[]): Section {
  return {
    name,
    run: async (bench) => {
      bench.report.table(title, COMPARED, await compareAll(bench, scenarios));
    },
  };
}
