/*
 * Two replicas and their PostgreSQL are killed at random moments while subscriptions of every mode close
 * against a Stripe that fails in every way; in the end each line item must be at Stripe once, and a
 * reconciliation find nothing.
 */
import { killAll, type Killing } from '../killing.js';
import { Plant } from '../plant.js';
import { Random } from '../random.js';
import { made } from '../soak.js';
import { Tally } from '../tally.js';
import { type BillingVerdict, judgeBilling } from './judge.js';
import { Platform } from './platform.js';
import { StripeWorld } from './stripe-world.js';
import { METER, PLAN, Subscribers } from './subscribers.js';

const PROGRESS_MS = 10_000;
/** The platform is on this machine, and what it does not answer is not waited for. */
const SETTINGS = { WEBHOOK_ALLOWED_CIDRS: '127.0.0.0/8', WEBHOOK_TIMEOUT_MS: '1000' };

export interface BillingSoakOptions extends Killing {
  readonly seed: string;
}

export interface BillingSoakResult {
  readonly tally: Tally;
  readonly world: StripeWorld;
  readonly platform: Platform;
  /** By mode. */
  readonly subscribers: ReadonlyMap<string, number>;
  readonly verdict: BillingVerdict;
}

export async function runBillingSoak(options: BillingSoakOptions): Promise<BillingSoakResult> {
  const { report } = options;
  const random = new Random(options.seed);
  const tally = new Tally();
  const world = await StripeWorld.start(random.of('stripe'));
  const platform = await Platform.start(random.of('platform'));
  const plant = await Plant.start(tally, random.of('plant'), { ...SETTINGS, ...world.env });
  const urls = (): readonly string[] => plant.urls();
  const outside = { world, endpoint: await endpointOf(plant, platform) };
  const subscribers = new Subscribers(tally, random.of('subscribers'), outside, urls);
  const startedAt = performance.now();
  const say = (what: string): void => {
    const seconds = Math.round((performance.now() - startedAt) / 1_000);
    report(
      `${seconds} s: ${subscribers.all.length} subscriptions, ${tally.recoveriesMs.length} kills, ` +
        `${tally.faults.length} faults${what}`,
    );
  };
  const progress = setInterval(() => {
    say('');
  }, PROGRESS_MS);
  try {
    await made(plant, 'meters', METER);
    await made(plant, 'plans', PLAN);
    await world.createMeter(METER.key);
    await made(plant, 'stripe-meters', { meter: METER.key, event_name: METER.key });
    world.rage(urls);
    subscribers.start();
    await killAll(options, random.of('kills'), plant);
    await subscribers.stop();
    await world.calm(urls()[0]!);
    platform.calm();
    say('; judging');
    const { databaseUrl, services } = plant;
    const verdict = await judgeBilling(tally, world, {
      ...{ databaseUrl, services, platform, subscribers: subscribers.all },
    });
    return { tally, world, platform, subscribers: countByMode(subscribers), verdict };
  } finally {
    clearInterval(progress);
    subscribers.abandon();
    await plant.remove();
    await platform.close();
    await world.close();
  }
}

/** The platform's webhook endpoint. */
async function endpointOf(plant: Plant, platform: Platform): Promise<string> {
  const { body } = await plant.services[0]!.post('/api/v1/webhook-endpoints', {
    ...{ url: platform.url, types: ['webhook.test'] },
  });
  return String(body.id);
}

function countByMode({ all }: Subscribers): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { mode } of all) {
    counts.set(mode.name, (counts.get(mode.name) ?? 0) + 1);
  }
  return counts;
}
