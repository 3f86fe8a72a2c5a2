/* Where the service spends its time in a scenario whose aim was missed. */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { type Bench } from './bench.js';
import { jobOf, measureJob } from './measure.js';
import { type Scenario } from './scenario.js';

const SHOWN = 20;
const PERCENT = 100;
const MICROSECONDS = 1e6;

/** The part of a .cpuprofile that is read: Chrome DevTools Protocol, Profiler.Profile. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
    };
  }[];
  /** Microseconds of a clock of its own. */
  readonly endTime: number;
  readonly startTime: number;
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface Spent {
  readonly where: string;
  readonly share: number;
}

/**
 * Runs the scenario on a service that profiles itself, and prints the functions that took most time.
 *
 * @param directory where the profile is kept, which DevTools can open
 */
export async function profileScenario(
  bench: Bench,
  scenario: Scenario,
  directory: string,
): Promise<void> {
  bench.say(`profile of ${scenario.name}`);
  const own = path.join(directory, scenario.name.replaceAll(/[^a-z0-9]+/g, '-'));
  await mkdir(own, { recursive: true });
  let loadedAt = 0;
  await bench.withService({ meters: scenario.meters, profileDir: own }, async (service) => {
    loadedAt = performance.now();
    const scaled = { ...scenario, events: bench.scaled(scenario.events) };
    for (let round = 0; round <= bench.rounds; round += 1) {
      await measureJob(bench, service, jobOf(bench, service, scaled));
    }
  });
  const seconds = (performance.now() - loadedAt) / 1_000;
  const [file] = (await readdir(own)).filter((name) => name.endsWith('.cpuprofile'));
  if (file === undefined) {
    throw new Error('The service left no profile');
  }
  const profile = JSON.parse(await readFile(path.join(own, file), 'utf8')) as CpuProfile;
  bench.report.table(
    `Profile of ${scenario.name}: own time of functions, of the time under load`,
    [
      { head: 'function', value: (row) => row.where },
      { head: '%', value: (row) => row.share * PERCENT, digits: 1 },
    ],
    ownTimes(profile, seconds).slice(0, SHOWN),
  );
}

/** Time of each function in the last seconds: what was before is the start of the program. */
function ownTimes(profile: CpuProfile, seconds: number): Spent[] {
  const { nodes, samples, timeDeltas } = profile;
  const names = new Map(
    nodes.map(({ id, callFrame }) => {
      const file = callFrame.url.split('/').slice(-2).join('/');
      const place = file === '' ? '' : ` ${file}:${callFrame.lineNumber + 1}`;
      return [id, `${callFrame.functionName || '(anonymous)'}${place}`];
    }),
  );
  const spent = new Map<string, number>();
  let at = profile.startTime;
  samples.forEach((id, index) => {
    const delta = timeDeltas[index] ?? 0;
    at += delta;
    if (at > profile.endTime - seconds * MICROSECONDS) {
      const where = names.get(id) ?? '';
      spent.set(where, (spent.get(where) ?? 0) + delta);
    }
  });
  const all = [...spent.values()].reduce((sum, time) => sum + time, 0);
  return [...spent]
    .map(([where, time]) => ({ where, share: time / all }))
    .toSorted((left, right) => right.share - left.share);
}
