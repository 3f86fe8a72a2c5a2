/* A meter that is made anew from all events: how long it takes, and what ingest beside it still takes. */
import { Api } from '../../support/api.js';
import { type Bench } from '../bench.js';
import { jobOf } from '../measure.js';
import { STANDARD } from '../scenario.js';
import { type Meterline } from '../service/meterline.js';
import { waitUntilQuiet } from '../service/quiet.js';
import { type Month } from './history.js';

const METER = 'egress';
const TARGET_SECONDS = 60;
const MIN_SHARE = 0.8;
const POLL_MS = 50;
const HOUR_MS = 3_600_000;
/** Loads that follow one another, each of some seconds: beside full ingest a rebuild takes the most of an hour. */
const LOADS = 5;

interface Window {
  readonly from: Date;
  readonly to: Date;
}

interface Round {
  readonly name: string;
  readonly seconds: number;
  readonly rate: number;
  readonly rateBeside: number;
}

/**
 * A rebuild is of the month as it was filled, but for its last hours: the loads' events are of the hour before each, and with
 * them a round would be a rebuild of millions more than the round before.
 *
 * Rounds of four: the rebuild alone, ingest alone, as much ingest while the meter is rebuilt, and alone again, since it
 * grows slower as more is stored. Each begins when all is folded, and the first when days are summed up and nothing is vacuumed.
 */
export async function measureRebuild(
  bench: Bench,
  service: Meterline,
  events: number,
  month: Month,
): Promise<void> {
  const rounds: Round[] = [];
  const endHour = Math.floor(month.to.getTime() / HOUR_MS) - 1;
  const window = { from: month.from, to: new Date(endHour * HOUR_MS) };
  await ingest(bench, service);
  for (let round = 1; round <= bench.rounds; round += 1) {
    bench.say(`rebuild, round ${round}`);
    await service.settle();
    await waitUntilQuiet(bench, service);
    const seconds = await rebuild(service, window);
    bench.say(`rebuilt in ${seconds.toFixed(1)} s`);
    const before = mean(await loads(bench, service, () => false));
    await service.settle();
    let isOver = false;
    const rebuilt = rebuild(service, window).then(() => {
      isOver = true;
    });
    const beside = await loads(bench, service, () => isOver);
    // The last load was alone for a part of it.
    const rateBeside = mean(isOver && beside.length > 1 ? beside.slice(0, -1) : beside);
    await rebuilt;
    const after = mean(await loads(bench, service, () => false));
    rounds.push({ name: `round ${round}`, seconds, rate: (before + after) / 2, rateBeside });
  }
  reportRounds(bench, rounds, events);
}

/** Seconds until the meter is made anew. */
async function rebuild(service: Meterline, { from, to }: Window): Promise<number> {
  const api = new Api(service.url, service.key);
  const startedAt = performance.now();
  const path = `/api/v1/meters/${METER}/rebuilds`;
  const { id } = (await api.post(path, { from: from.toISOString(), to: to.toISOString() })) as {
    id: string;
  };
  let state = 'pending';
  while (state !== 'done') {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    ({ state } = (await api.get(`${path}/${id}`)) as { state: string });
  }
  return (performance.now() - startedAt) / 1_000;
}

/** One load after another, from when all is folded until there are enough or `isOver` says so. */
async function loads(bench: Bench, service: Meterline, isOver: () => boolean): Promise<number[]> {
  await service.settle();
  const rates: number[] = [];
  do {
    rates.push(await ingest(bench, service));
  } while (rates.length < LOADS && !isOver());
  return rates;
}

const mean = (rates: readonly number[]): number =>
  rates.reduce((sum, rate) => sum + rate, 0) / rates.length;

/** Events a second with every connection busy. */
async function ingest(bench: Bench, service: Meterline): Promise<number> {
  const scenario = { ...STANDARD, events: bench.scaled(STANDARD.events) };
  const send = await bench.load.prepare(jobOf(bench, service, scenario));
  return (await send()).eventsPerSecond;
}

function reportRounds(bench: Bench, rounds: readonly Round[], events: number): void {
  bench.report.table(
    `A rebuild of one meter over ${events.toLocaleString('en')} events, ten meters live`,
    [
      { head: '', value: (row) => row.name },
      { head: 'seconds', value: (row) => row.seconds, digits: 1 },
      { head: 'events/s', value: (row) => row.rate },
      { head: 'beside it', value: (row) => row.rateBeside },
      { head: 'share', value: (row) => row.rateBeside / row.rate, digits: 2 },
    ],
    rounds,
  );
  const seconds = Math.max(...rounds.map((row) => row.seconds));
  const share = Math.min(...rounds.map((row) => row.rateBeside / row.rate));
  bench.report.aim({
    name: 'a rebuild of one meter over the month',
    target: `under ${TARGET_SECONDS} s`,
    measured: `${seconds.toFixed(1)} s`,
    isMet: seconds < TARGET_SECONDS,
    scenario: null,
  });
  bench.report.aim({
    name: 'ingest beside a rebuild: of ingest alone',
    target: `at least ${MIN_SHARE}`,
    measured: share.toFixed(2),
    isMet: share >= MIN_SHARE,
    scenario: null,
  });
}
