/*
 * Webhooks going out: how many a second beside a plain loop of undici doing the same POSTs; how long a
 * message takes to its receiver, with and without a dead, a slow and a flapping one that have backlogs;
 * and how long a claim takes with a million deliveries waiting.
 */
import { fileURLToPath } from 'node:url';
import { startProgram, stopProgram } from '../../support/programs.js';
import { createDataSource } from '../../../src/platform/database/data-source.js';
import { Database } from '../../../src/platform/database/database.js';
import { SystemClock } from '../../../src/platform/system-clock.js';
import { createWebhooks } from '../../support/webhooks.js';
import { type Bench } from '../bench.js';
import { onDatabase } from '../service/database.js';
import { type Meterline } from '../service/meterline.js';
import { postAll } from '../webhooks/post-loop.js';
import { addEndpoints, queueDeliveries } from '../webhooks/queue.js';
import { type Section } from './section.js';

const RECEIVER = fileURLToPath(new URL('../webhooks/receiver.ts', import.meta.url));
const ENV = { WEBHOOK_ALLOWED_CIDRS: '127.0.0.0/8' };
/** As many calls as one process has under way. */
const IN_FLIGHT = 200;
const DELIVERIES = 20_000;
const HEALTHY = 500;
const MESSAGES_PER_SECOND = 50;
const DELAY_SECONDS = 20;
/** Until every worker has ticked, and the connections that they need together are there. */
const WARM_SECONDS = 7;
const BACKLOG = 5_000;
const FEW_PENDING = 10_000;
const PENDING = 1_000_000;
const CLAIMS = 40;
/** Until the pages of every endpoint were read once, as those of a service at work are. */
const FIRST_CLAIMS = 40;
const CLAIMED_AT_ONCE = 20;
const POLL_MS = 20;
/** As far as the p99 of a thousand messages tells. */
const TARGET_DELAY_RATIO = 1.2;
/** Without and with bad endpoints by turns, so that what else the machine does counts for neither. */
const DELAY_TURNS = 2;

const pause = async (ms: number): Promise<void> => {
  await new Promise((resolve) => setTimeout(resolve, ms));
};

const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? Number.NaN;

export const webhooks: Section = {
  name: 'webhooks',
  run: async (bench) => {
    const receiver = await startProgram(
      'the receiver',
      ['--import', 'tsx', RECEIVER],
      {},
      (line) => line['ready'],
    );
    await measureRate(bench, receiver.url);
    await measureDelays(bench, receiver.url);
    await measureClaims(bench);
    await stopProgram(receiver.process);
  },
};

async function measureRate(bench: Bench, receiverUrl: string): Promise<void> {
  const count = bench.scaled(DELIVERIES);
  const rows: { name: string; perSecond: number; plain: number; ratio: number }[] = [];
  await bench.withService({ env: ENV }, async ({ databaseUrl }) => {
    await addEndpoints(databaseUrl, { prefix: 'a', url: `${receiverUrl}/ok`, count: 50 });
    for (let round = 0; round <= bench.rounds; round += 1) {
      bench.say(`deliveries, round ${round} of ${bench.rounds}`);
      const plain = count / (await postAll(`${receiverUrl}/ok`, count, IN_FLIGHT));
      await queueDeliveries(databaseUrl, { prefix: 'a', count });
      const startedAt = performance.now();
      await delivered(databaseUrl);
      const perSecond = (count * 1_000) / (performance.now() - startedAt);
      // The first round warms up.
      if (round > 0) {
        rows.push({ name: `round ${round}`, perSecond, plain, ratio: perSecond / plain });
      }
    }
  });
  bench.report.table(
    'Webhooks: deliveries a second beside a plain loop of undici, 200 calls under way in both',
    [
      { head: '', value: (row) => row.name },
      { head: 'deliveries/s', value: (row) => row.perSecond },
      { head: 'undici/s', value: (row) => row.plain },
      { head: 'of undici', value: (row) => row.ratio, digits: 2 },
    ],
    rows,
  );
}

/** Waits until nothing is left to be sent. */
async function delivered(databaseUrl: string): Promise<void> {
  await onDatabase(databaseUrl, async (client) => {
    for (;;) {
      const { rows } = await client.query<{ is_done: boolean }>(
        `SELECT NOT EXISTS (
           SELECT FROM webhook_deliveries WHERE state IN ('pending', 'sending')) AS is_done`,
      );
      if (rows[0]?.is_done === true) {
        return;
      }
      await pause(POLL_MS);
    }
  });
}

interface Delays {
  readonly name: string;
  readonly messages: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

async function measureDelays(bench: Bench, receiverUrl: string): Promise<void> {
  const alone: number[] = [];
  const troubled: number[] = [];
  for (let turn = 0; turn < (bench.isQuick ? 1 : DELAY_TURNS); turn += 1) {
    for (const isTroubled of [false, true]) {
      bench.say(`delays ${isTroubled ? 'beside' : 'without'} bad endpoints`);
      await bench.withService({ env: ENV }, async (service) => {
        const { databaseUrl } = service;
        await addEndpoints(databaseUrl, { prefix: 'a', url: `${receiverUrl}/ok`, count: HEALTHY });
        if (isTroubled) {
          await addBacklogs(databaseUrl, receiverUrl);
        }
        const delays = await delaysOf(bench, service, receiverUrl);
        (isTroubled ? troubled : alone).push(...delays);
      });
    }
  }
  const rows = [
    delayRow('healthy ones only', alone),
    delayRow('with a dead, a slow and a flapping one', troubled),
  ] as const;
  bench.report.table(
    `Webhooks: from asking for a message to its receiver, ${HEALTHY} healthy endpoints`,
    [
      { head: '', value: (row) => row.name },
      { head: 'messages', value: (row) => row.messages },
      { head: 'p50 ms', value: (row) => row.p50Ms, digits: 1 },
      { head: 'p99 ms', value: (row) => row.p99Ms, digits: 1 },
      { head: 'max ms', value: (row) => row.maxMs, digits: 1 },
    ],
    rows,
  );
  const ratio = rows[1].p99Ms / rows[0].p99Ms;
  bench.report.aim({
    name: "p99 delay of healthy endpoints' webhooks beside bad ones: of that without them",
    target: `at most ${TARGET_DELAY_RATIO}`,
    measured: ratio.toFixed(2),
    isMet: ratio <= TARGET_DELAY_RATIO,
    scenario: null,
  });
}

async function addBacklogs(databaseUrl: string, receiverUrl: string): Promise<void> {
  const bad = { b: 'http://127.0.0.1:1', c: `${receiverUrl}/slow`, d: `${receiverUrl}/flap` };
  for (const [prefix, url] of Object.entries(bad)) {
    await addEndpoints(databaseUrl, { prefix, url, count: 1 });
    await queueDeliveries(databaseUrl, { prefix, count: BACKLOG });
  }
}

function delayRow(name: string, delaysMs: readonly number[]): Delays {
  const sorted = delaysMs.toSorted((one, other) => one - other);
  return {
    name,
    messages: sorted.length,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    maxMs: sorted.at(-1) ?? Number.NaN,
  };
}

/** The milliseconds of each message, but of the first ones. */
async function delaysOf(bench: Bench, service: Meterline, receiverUrl: string): Promise<number[]> {
  await sendFor(WARM_SECONDS, service, receiverUrl);
  return await sendFor(bench.scaled(DELAY_SECONDS), service, receiverUrl);
}

/** Asks for messages at a constant rate, whatever became of those before, and waits for all of them. */
async function sendFor(
  seconds: number,
  service: Meterline,
  receiverUrl: string,
): Promise<number[]> {
  const count = seconds * MESSAGES_PER_SECOND;
  await (await fetch(`${receiverUrl}/arrived`)).text();
  const asked: Promise<{ id: string; atMs: number }>[] = [];
  const startedAt = performance.now();
  for (let index = 0; index < count; index += 1) {
    await pause(Math.max(startedAt + (index * 1_000) / MESSAGES_PER_SECOND - performance.now(), 0));
    asked.push(askForMessage(service, (index % HEALTHY) + 1));
  }
  const messages = await Promise.all(asked);
  const arrived: Record<string, number> = {};
  while (Object.keys(arrived).length < count) {
    await pause(POLL_MS);
    const answer = await fetch(`${receiverUrl}/arrived`);
    Object.assign(arrived, await answer.json());
  }
  return messages.map(({ id, atMs }) => (arrived[id] ?? Number.NaN) - atMs);
}

async function askForMessage(
  { url, key }: Meterline,
  endpoint: number,
): Promise<{ id: string; atMs: number }> {
  const atMs = performance.timeOrigin + performance.now();
  const id = `we_a${String(endpoint).padStart(25, '0')}`;
  const response = await fetch(`${url}/api/v1/webhook-endpoints/${id}/test`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: '{}',
  });
  const body = (await response.json()) as { message: string };
  return { id: body.message, atMs };
}

async function measureClaims(bench: Bench): Promise<void> {
  const rows: { name: string; p50Ms: number; p99Ms: number }[] = [];
  for (const pending of [FEW_PENDING, bench.scaled(PENDING)]) {
    bench.say(`claims with ${pending} pending`);
    // It migrates, and sends nothing.
    await bench.withService({ env: { METERLINE_ROLE: 'api' } }, async ({ databaseUrl }) => {
      const url = 'https://192.0.2.1';
      await addEndpoints(databaseUrl, { prefix: 'a', url, count: HEALTHY });
      await addEndpoints(databaseUrl, { prefix: 'b', url, count: 1 });
      await queueDeliveries(databaseUrl, { prefix: 'a', count: pending / 2 });
      await queueDeliveries(databaseUrl, { prefix: 'b', count: pending / 2 });
      rows.push({ name: pending.toLocaleString('en'), ...(await timeClaims(databaseUrl)) });
    });
  }
  bench.report.table(
    `Webhooks: a claim of ${CLAIMED_AT_ONCE} deliveries by how many are due, half of them of one endpoint`,
    [
      { head: 'due', value: (row) => row.name },
      { head: 'p50 ms', value: (row) => row.p50Ms, digits: 1 },
      { head: 'p99 ms', value: (row) => row.p99Ms, digits: 1 },
    ],
    rows,
  );
}

async function timeClaims(databaseUrl: string): Promise<{ p50Ms: number; p99Ms: number }> {
  const dataSource = await createDataSource(databaseUrl).initialize();
  const app = createWebhooks(new Database(dataSource), new SystemClock());
  const times: number[] = [];
  for (let claim = -FIRST_CLAIMS; claim < CLAIMS; claim += 1) {
    const startedAt = performance.now();
    const claimed = await app.deliveries.claim(CLAIMED_AT_ONCE);
    if (claim >= 0) {
      times.push(performance.now() - startedAt);
    }
    if (claimed.length < CLAIMED_AT_ONCE) {
      throw new Error(`A claim got ${claimed.length} deliveries only`);
    }
  }
  await app.close();
  await dataSource.destroy();
  const sorted = times.toSorted((one, other) => one - other);
  return { p50Ms: percentile(sorted, 0.5), p99Ms: percentile(sorted, 0.99) };
}
