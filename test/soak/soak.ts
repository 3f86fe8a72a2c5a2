/*
 * Two replicas on one PostgreSQL, under load from senders that retry, are killed at random moments
 * in every way there is; in the end everything must be as if nothing had happened. The tally is kept
 * by the senders alone. The same seed gives the same events, kills and pauses; what the machine does
 * in between it cannot give.
 */
import { eventually } from '../support/service-process.js';
import { FORMS } from './forms.js';
import { judge, type Verdict } from './judge.js';
import { type Killing, killAll } from './killing.js';
import { KINDS } from './kinds.js';
import { Plant } from './plant.js';
import { Random } from './random.js';
import { type SoakSender, startSender } from './senders.js';
import { PLAN, startSubscribing } from './subscribing.js';
import { EVENT_TYPE, METERS, Tally, wholeTime } from './tally.js';

const PROGRESS_MS = 10_000;
const REBUILDS_A_KILL = 2;

export interface SoakOptions extends Killing {
  readonly seed: string;
  /** Senders of each form. */
  readonly sendersOfForm: number;
}

export interface SoakResult {
  readonly tally: Tally;
  readonly verdict: Verdict;
}

export async function runSoak(options: SoakOptions): Promise<SoakResult> {
  const { report } = options;
  const random = new Random(options.seed);
  const tally = new Tally();
  const plant = await Plant.start(tally, random.of('plant'));
  const senders: SoakSender[] = [];
  const startedAt = performance.now();
  const progress = setInterval(() => {
    report(progressOf(tally, performance.now() - startedAt));
  }, PROGRESS_MS);
  try {
    await setUp(plant);
    senders.push(...(await startSenders(options, random, tally, plant)));
    await killAll(options, random.of('kills'), plant, async (kills) => {
      if (kills === 1) {
        await makeMeters(plant, true);
      }
      await askForRebuilds(plant, tally, random);
    });
    await Promise.all(senders.map(async (sender) => await sender.stop()));
    clearInterval(progress);
    report(`${progressOf(tally, performance.now() - startedAt)}; judging`);
    return { tally, verdict: await judge(tally, plant.databaseUrl, plant.services, report) };
  } finally {
    clearInterval(progress);
    for (const sender of senders) {
      sender.abandon();
    }
    await plant.remove();
  }
}

async function setUp(plant: Plant): Promise<void> {
  await made(plant, 'plans', PLAN);
  await makeMeters(plant, false);
}

async function makeMeters(plant: Plant, isLate: boolean): Promise<void> {
  for (const [key, definition] of Object.entries({ ...METERS, ...KINDS })) {
    if (key.startsWith('late') === isLate) {
      await made(plant, 'meters', { key, name: key, event_type: EVENT_TYPE, ...definition });
    }
  }
}

/** Lets some meters be counted anew, if their history is counted. Of all at each kill, rebuilding would never end. */
async function askForRebuilds(plant: Plant, tally: Tally, random: Random): Promise<void> {
  const keys = Object.keys({ ...METERS, ...KINDS });
  for (const key of Array.from({ length: REBUILDS_A_KILL }, () => random.pick(keys))) {
    const isAsked = await made(plant, `meters/${key}/rebuilds`, wholeTime(), 'history_incomplete');
    tally.rebuilds += isAsked ? 1 : 0;
  }
}

/** Whether it was made; if not, for the reason that is given. */
export async function made(
  plant: Plant,
  path: string,
  body: object,
  unless: string | null = null,
): Promise<boolean> {
  // Right after a kill a pooled connection may prove to be lost.
  const answer = await eventually(async () => {
    const tried = await plant.services[0]!.post(`/api/v1/${path}`, body);
    return tried.status !== 503 && tried;
  });
  const isMade = answer.status === 201;
  if (!isMade && (unless === null || answer.body.code !== unless)) {
    throw new Error(`POST ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  }
  return isMade;
}

async function startSenders(
  { sendersOfForm }: SoakOptions,
  random: Random,
  tally: Tally,
  plant: Plant,
): Promise<SoakSender[]> {
  const urls = (): readonly string[] => plant.urls();
  const senders: SoakSender[] = [];
  for (const form of FORMS) {
    for (let index = 0; index < sendersOfForm; index += 1) {
      const source = `${form.name}-${index}`;
      if (form.source !== null) {
        await made(plant, 'sources', { key: source, name: source, ...form.source });
      }
      senders.push(startSender({ form, source, tally, random: random.of(source), urls }));
    }
  }
  return [...senders, startSubscribing(tally, urls)];
}

function progressOf(tally: Tally, elapsedMs: number): string {
  const answers = [...tally.answers].map(([status, count]) => `${status}: ${count}`).join(', ');
  const kills = tally.recoveriesMs.length;
  return (
    `${Math.round(elapsedMs / 1_000)} s: ${tally.sent} events sent, ${tally.acknowledged} acknowledged, ` +
    `${kills} kills; answers ${answers}; faults ${tally.faults.length}`
  );
}
