/* A longer load: whether memory stays flat and folding keeps up, and what an event takes on disk. */
import { type Bench } from '../bench.js';
import { jobOf, type Measured, measureJob } from '../measure.js';
import { STANDARD } from '../scenario.js';
import { readSizes, type Sizes } from '../service/database.js';
import { type Meterline } from '../service/meterline.js';
import { residentBytes } from '../service/proc.js';
import { megabytes, type Section } from './section.js';

const LOADS = 18;
const WARM_UPS = 3;
const THIRDS = 3;
const MAX_GROWTH = 1.1;
const MAX_MEGABYTES = 400;

interface Third {
  readonly name: string;
  readonly eventsPerSecond: number;
  readonly foldSeconds: number;
  /** The mean of the peaks of its loads. */
  readonly residentBytes: number | null;
}

export const memory: Section = {
  name: 'memory',
  run: async (bench) => {
    await bench.withService({}, async (service) => {
      await repeat(bench, service, WARM_UPS);
      const before = await readSizes(service.databaseUrl);
      const loads = await repeat(bench, service, LOADS);
      const after = await readSizes(service.databaseUrl);
      const thirds = ['first third', 'second third', 'last third'].map((name, index) =>
        toThird(name, loads.slice((index * LOADS) / THIRDS, ((index + 1) * LOADS) / THIRDS)),
      );
      await reportMemory(bench, service, thirds);
      const events = loads.reduce((sum, load) => sum + load.events, 0);
      reportSizes(bench, before, after, events);
    });
  },
};

async function repeat(bench: Bench, service: Meterline, count: number): Promise<Measured[]> {
  const scenario = { ...STANDARD, events: bench.scaled(STANDARD.events) };
  const loads: Measured[] = [];
  for (let index = 0; index < count; index += 1) {
    bench.say(`long load, part ${index + 1} of ${count}`);
    loads.push(await measureJob(bench, service, jobOf(bench, service, scenario)));
  }
  return loads;
}

function toThird(name: string, loads: readonly Measured[]): Third {
  const mean = (figure: (load: Measured) => number): number =>
    loads.reduce((sum, load) => sum + figure(load), 0) / loads.length;
  const isKnown = loads.every(({ peakBytes }) => peakBytes !== null);
  return {
    name,
    eventsPerSecond: mean((load) => load.eventsPerSecond),
    foldSeconds: mean((load) => load.foldSeconds),
    residentBytes: isKnown ? mean((load) => load.peakBytes ?? 0) : null,
  };
}

async function reportMemory(
  bench: Bench,
  service: Meterline,
  thirds: readonly Third[],
): Promise<void> {
  bench.report.table(
    'A longer load: 500 to a request, three meters live',
    [
      { head: '', value: (row) => row.name },
      { head: 'events/s', value: (row) => row.eventsPerSecond },
      { head: 'fold s', value: (row) => row.foldSeconds, digits: 1 },
      { head: 'resident MB', value: (row) => megabytes(row.residentBytes) },
    ],
    thirds,
  );
  await bench.notePeak(service, 'a longer load');
  const resident = await residentBytes(service.pid);
  bench.report.table(
    'What the memory is',
    [
      { head: '', value: () => 'after it' },
      { head: 'resident MB', value: (row) => megabytes(row.resident) },
      { head: 'peak MB', value: (row) => megabytes(row.peak) },
      { head: 'heap used MB', value: (row) => megabytes(row.heapUsed) },
      { head: 'heap MB', value: (row) => megabytes(row.heap) },
      { head: 'outside of it MB', value: (row) => megabytes(row.external) },
    ],
    [
      {
        resident: resident?.now ?? null,
        peak: resident?.peak ?? null,
        heapUsed: await service.metric('nodejs_heap_size_used_bytes'),
        heap: await service.metric('nodejs_heap_size_total_bytes'),
        external: await service.metric('nodejs_external_memory_bytes'),
      },
    ],
  );
  addAims(bench, thirds);
}

/** Of all services so far one has used most, perhaps in another section. */
function addAims(bench: Bench, thirds: readonly Third[]): void {
  const [first, , last] = thirds;
  const { peak } = bench;
  if (peak === null || !first?.residentBytes || !last?.residentBytes) {
    return;
  }
  const growth = last.residentBytes / first.residentBytes;
  const peakMegabytes = megabytes(peak.bytes) ?? 0;
  bench.report.aim({
    name: 'memory of the last third of a longer load: of the first',
    target: `at most ${MAX_GROWTH}`,
    measured: growth.toFixed(2),
    isMet: growth <= MAX_GROWTH,
    scenario: null,
  });
  bench.report.aim({
    name: `peak memory of any service (${peak.during})`,
    target: `under ${MAX_MEGABYTES} MB`,
    measured: `${peakMegabytes.toFixed(0)} MB`,
    isMet: peakMegabytes < MAX_MEGABYTES,
    scenario: null,
  });
}

function reportSizes(bench: Bench, before: Sizes, after: Sizes, events: number): void {
  const per = (name: keyof Sizes): number => (after[name] - before[name]) / events;
  bench.report.table(
    'Bytes on disk for each event of 190 bytes',
    [
      { head: '', value: () => 'bytes' },
      { head: 'events', value: (row) => row.eventRows },
      { head: 'their indexes', value: (row) => row.eventIndexes },
      { head: 'TOAST and maps', value: (row) => row.eventToast, digits: 1 },
      { head: 'keys', value: (row) => row.keys },
      { head: 'rollups', value: (row) => row.rollups, digits: 1 },
      { head: 'all', value: (row) => row.all },
      { head: 'written ahead', value: (row) => row.log },
    ],
    [
      {
        eventRows: per('eventRows'),
        eventIndexes: per('eventIndexes'),
        eventToast: per('eventToast'),
        keys: per('keys'),
        rollups: per('rollups'),
        all: (['eventRows', 'eventIndexes', 'eventToast', 'keys', 'rollups'] as const)
          .map(per)
          .reduce((sum, bytes) => sum + bytes, 0),
        log: per('log'),
      },
    ],
  );
}
