/*
 * Aim: what is acknowledged is stored and counted once, whatever dies when.
 * Method: senders that retry run against real processes, which are killed at moments that nothing
 * chooses; a reader holds every answer between what was acknowledged before it and what was sent.
 */
import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { Client } from 'pg';
import { migrate } from '../../src/platform/database/data-source.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { factory } from '../support/factory.js';
import { createRestartablePostgres } from '../support/restartable-postgres.js';
import { Senders } from '../support/sender.js';
import {
  ADMIN_KEY,
  eventually,
  startService,
  type TestService,
} from '../support/service-process.js';

const KILLS = 3;
const HOUR_MS = 3_600_000;
const READ_REST_MS = 20;

/** A window around now whose ends cut hours. */
function windowQuery(): string {
  const from = new Date(Date.now() - 5 * HOUR_MS).toISOString();
  const to = new Date(Date.now() + HOUR_MS).toISOString();
  return `customer=acme&from=${from}&to=${to}`;
}

async function setUpMeters(service: TestService): Promise<void> {
  const customer = { key: 'acme', name: 'Acme', currency: 'usd', subjects: ['key-1'] };
  const meter = { name: 'Meter', event_type: 'api.request' };
  const sum = { ...meter, key: 'bytes', aggregation: 'sum', value_property: '$.bytes' };
  for (const [path, body] of [
    ['customers', customer],
    ['meters', { ...meter, key: 'requests', aggregation: 'count' }],
    ['meters', sum],
  ] as const) {
    expect(await service.post(`/api/v1/${path}`, body)).toMatchObject({ status: 201 });
  }
}

/** What the service says was used; null when it is away. */
async function readUsage(service: TestService, meter = 'requests'): Promise<number | null> {
  try {
    const answer = await service.get(`/api/v1/meters/${meter}/usage?${windowQuery()}`);
    return answer.status === 200 ? Number(answer.body.data[0]?.quantity ?? 0) : null;
  } catch {
    return null;
  }
}

/** What must end with a test, even one that failed. */
const running: { abandon(): void }[] = [];

function sendersTo(urls: () => readonly string[], copies = 1): Senders {
  const senders = new Senders(urls, copies);
  running.push(senders);
  return senders;
}

interface Stored {
  readonly rows: number;
  readonly identities: number;
}

const COUNT = `SELECT count(*)::integer AS rows, count(DISTINCT (source, id))::integer AS identities
  FROM usage_events`;

async function storedIn(db: TestDatabase): Promise<Stored> {
  const rows = await db.database.query<Stored>(COUNT);
  return rows[0] as Stored;
}

async function expectExact(service: TestService, stored: Stored, senders: Senders): Promise<void> {
  expect(senders.acknowledged).toBe(senders.sent);
  expect(stored).toEqual({ rows: senders.sent, identities: senders.sent });
  expect(await readUsage(service)).toBe(senders.sent);
  expect(await readUsage(service, 'bytes')).toBe(senders.sent);
}

/** Reads again and again until told to stop; answers how often it could, and what was wrong. */
function watch(
  service: () => TestService,
  senders: Senders,
): () => Promise<{ reads: number; faults: string[] }> {
  const state = { isStopped: false };
  const faults: string[] = [];
  let reads = 0;
  running.push({
    abandon: () => {
      state.isStopped = true;
    },
  });
  const loop = (async () => {
    let last = 0;
    while (!state.isStopped) {
      const acknowledged = senders.acknowledged;
      const usage = await readUsage(service());
      if (usage !== null) {
        if (usage < Math.max(acknowledged, last) || usage > senders.sent) {
          faults.push(`${usage} read; ${acknowledged} before, last ${last}, ${senders.sent} sent`);
        }
        last = usage;
        reads += 1;
      }
      // A reader without rest would take half of the processor from those it watches.
      await new Promise((resolve) => setTimeout(resolve, READ_REST_MS));
    }
  })();
  return async () => {
    state.isStopped = true;
    await loop;
    return { reads, faults };
  };
}

afterEach(() => {
  for (const one of running.splice(0)) {
    one.abandon();
  }
});

/** A figure of the service's, 0 when it has none yet. */
async function metricOf(service: TestService, name: string): Promise<number> {
  const { body } = await service.get('/metrics');
  const line = String(body)
    .split('\n')
    .find((one) => one.startsWith(`${name} `));
  return Number(line?.slice(name.length) ?? 0);
}

describe('a service that dies', () => {
  let db: TestDatabase;
  let service: TestService;

  beforeEach(async () => {
    db = await createTestDatabase();
    service = await startService(db.url);
    await setUpMeters(service);
  });

  afterEach(async () => {
    await service.kill('SIGKILL');
    await db.drop();
  });

  it('loses and doubles nothing, and reads exactly at any moment, killed at any moment', async () => {
    const senders = sendersTo(() => [service.url], 2);
    const stopWatching = watch(() => service, senders);
    senders.start(4);
    for (let kill = 0; kill < KILLS; kill += 1) {
      const goal = senders.acknowledged + 200 + Math.floor(Math.random() * 400);
      await eventually(async () => await Promise.resolve(senders.acknowledged >= goal));
      await service.kill('SIGKILL');
      service = await startService(db.url);
    }
    await senders.stop();
    const { reads, faults } = await stopWatching();
    expect(faults).toEqual([]);
    expect(reads).toBeGreaterThan(0);
    await expectExact(service, await storedIn(db), senders);
    // All of it once more: every event is known.
    for (const batch of senders.batches) {
      const answer = await senders.post(service.url, batch);
      expect(answer).toMatchObject({ accepted: 0, duplicates: batch.length });
    }
    await expectExact(service, await storedIn(db), senders);
    await eventually(async () => {
      const rows = await db.database.query('SELECT FROM ingest_batches WHERE fold IS NULL');
      return rows.length === 0;
    });
    const [rollups] = await db.database.query<{ counted: number }>(
      'SELECT sum(event_count)::integer AS counted FROM usage_rollups GROUP BY meter',
    );
    expect(rollups?.counted).toBe(senders.sent);
    expect(await readUsage(service)).toBe(senders.sent);
  });

  it('shares its database with a replica: both ingest, both fold, and nothing is doubled', async () => {
    const replica = await startService(db.url);
    try {
      // Each batch goes to both at once.
      const senders = sendersTo(() => [service.url, replica.url], 2);
      const stopWatching = watch(() => replica, senders);
      senders.start(4);
      await eventually(async () => await Promise.resolve(senders.acknowledged >= 2_000));
      await senders.stop();
      expect((await stopWatching()).faults).toEqual([]);
      const stored = await storedIn(db);
      await expectExact(service, stored, senders);
      await expectExact(replica, stored, senders);
      expect(senders.cut + senders.refusals.length).toBe(0);
      const counts = async (metric: string): Promise<number[]> =>
        await Promise.all([service, replica].map(async (one) => await metricOf(one, metric)));
      const sum = (numbers: number[]): number => numbers.reduce((left, right) => left + right, 0);
      const accepted = await counts('meterline_usage_events_total{status="accepted"}');
      expect(sum(accepted)).toBe(senders.sent);
      const folded = await eventually(async () => {
        const now = await counts('meterline_folded_usage_events_total');
        return sum(now) >= senders.sent && now;
      });
      expect(sum(folded)).toBe(senders.sent);
      expect([...accepted, ...folded].every((count) => count > 0)).toBe(true);
    } finally {
      await replica.kill('SIGKILL');
    }
  });

  it('answers every request it has taken before it ends on SIGTERM', async () => {
    const senders = sendersTo(() => [service.url]);
    const holder = new Client({ connectionString: db.url });
    await holder.connect();
    // Nothing can be stored, so the requests stay under way for sure.
    await holder.query('BEGIN; LOCK TABLE usage_event_keys IN ACCESS EXCLUSIVE MODE');
    // All of one length, so that what waits tells how many have come.
    const batches = Array.from({ length: 20 }, (_, index) => [
      factory.event({ id: `held-${10 + index}`, time: new Date().toISOString() }),
    ]);
    const waiting = async (): Promise<number> =>
      await metricOf(service, 'meterline_ingest_queue_bytes');
    const [first, ...others] = batches;
    const firstAnswer = senders.post(service.url, first);
    const one = await eventually(async () => (await waiting()) || null);
    const answers = Promise.all([
      firstAnswer,
      ...others.map(async (batch) => await senders.post(service.url, batch)),
    ]);
    await eventually(async () => (await waiting()) === batches.length * one);
    const ended = service.kill('SIGTERM');
    await eventually(async () => {
      return await service
        .request('GET', '/health/ready', { headers: { connection: 'close' } })
        .then(
          ({ status }) => status === 503,
          () => true,
        );
    });
    await holder.query('COMMIT');
    await holder.end();
    expect(await answers).toEqual(batches.map(() => expect.objectContaining({ accepted: 1 })));
    expect(await ended).toBe(0);
    expect(await storedIn(db)).toEqual({ rows: 20, identities: 20 });
  });

  it('keeps what it acknowledged when it is stopped by SIGTERM under load', async () => {
    const senders = sendersTo(() => [service.url]);
    senders.start(6);
    await eventually(async () => await Promise.resolve(senders.acknowledged >= 500));
    expect(await service.kill('SIGTERM')).toBe(0);
    const { rows } = await storedIn(db);
    expect(rows).toBeGreaterThanOrEqual(senders.acknowledged);
    expect(senders.refusals).toEqual([]);
    service = await startService(db.url);
    await senders.stop();
    await expectExact(service, await storedIn(db), senders);
  });
});

describe('a database that dies', () => {
  it.each(['SIGINT', 'SIGKILL'] as const)(
    'is waited for while it restarts after %s: no request fails, nothing is lost or doubled',
    async (signal) => {
      const postgres = await createRestartablePostgres();
      await migrate(postgres.url);
      const service = await startService(postgres.url, { INGEST_MAX_WAIT_MS: '60000' });
      try {
        await setUpMeters(service);
        const senders = sendersTo(() => [service.url]);
        const stopWatching = watch(() => service, senders);
        senders.start(6);
        for (const goal of [500, 1_000]) {
          await eventually(async () => await Promise.resolve(senders.acknowledged >= goal));
          await postgres.stop(signal);
          await postgres.start();
        }
        await eventually(async () => await Promise.resolve(senders.acknowledged >= 1_500));
        await senders.stop();
        expect((await stopWatching()).faults).toEqual([]);
        expect({ refusals: senders.refusals, cut: senders.cut }).toEqual({ refusals: [], cut: 0 });
        const client = new Client({ connectionString: postgres.url });
        await client.connect();
        const { rows } = await client.query<Stored>(COUNT);
        await client.end();
        await expectExact(service, rows[0] as Stored, senders);
        expect(service.process.exitCode).toBeNull();
        // However many workers and requests met it, an outage is a line at its begin and one at its end.
        const count = (name: string): number =>
          service.log.filter(({ event }) => event === name).length;
        await eventually(
          async () => await Promise.resolve(count('database.back') === count('database.away')),
        );
        const faults = service.log.filter(({ level }) => Number(level) >= 50);
        expect(new Set(faults.map(({ event }) => event))).toEqual(new Set(['database.away']));
        expect(faults.length).toBeLessThanOrEqual(2);
      } finally {
        await service.kill('SIGKILL');
        await postgres.remove();
      }
    },
  );

  it('is said with 503 to a stream of lines under way, which may be sent again', async () => {
    const postgres = await createRestartablePostgres();
    await migrate(postgres.url);
    const service = await startService(postgres.url, { INGEST_MAX_WAIT_MS: '1' });
    try {
      const lines = Array.from({ length: 12_000 }, () =>
        JSON.stringify(factory.event({ time: new Date().toISOString() })),
      );
      const stopDatabase = async (): Promise<void> => {
        await eventually(
          async () =>
            (await metricOf(service, 'meterline_usage_events_total{status="accepted"}')) > 0,
        );
        await postgres.stop('SIGKILL');
      };
      // Nothing comes while the blocks before it fail.
      const failing = async (): Promise<void> => {
        await eventually(
          async () =>
            await Promise.resolve(service.log.some(({ event }) => event === 'database.away')),
        );
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        expect(await service.get('/health/live')).toMatchObject({ status: 200 });
      };
      const answer = await streamLines(service, lines, [stopDatabase, failing]);
      expect(answer).toMatchObject({ status: 503, body: { code: 'unavailable' } });
      expect(answer.headers['retry-after']).toBeDefined();
      await postgres.start();
      const again = await streamLines(service, lines);
      expect(again).toMatchObject({ status: 200, body: { rejected: 0, conflicts: 0 } });
      expect(again.body.accepted + again.body.duplicates).toBe(lines.length);
      expect(again.body.duplicates).toBeGreaterThan(0);
      const client = new Client({ connectionString: postgres.url });
      await client.connect();
      const { rows } = await client.query('SELECT count(*)::integer AS count FROM usage_events');
      await client.end();
      expect(rows).toEqual([{ count: lines.length }]);
    } finally {
      await service.kill('SIGKILL');
      await postgres.remove();
    }
  });
});

interface StreamAnswer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: { code?: string; accepted: number; duplicates: number };
}

/** Sends the lines in as many parts as there are pauses and one more, until there is an answer. */
async function streamLines(
  service: TestService,
  lines: readonly string[],
  pauses: readonly (() => Promise<void>)[] = [],
): Promise<StreamAnswer> {
  const sending = request(`${service.url}/api/v1/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/x-ndjson' },
  });
  const answered = once(sending, 'response') as Promise<[IncomingMessage]>;
  const part = Math.ceil(lines.length / (pauses.length + 1));
  for (let start = 0; start < lines.length; start += part) {
    sending.write(`${lines.slice(start, start + part).join('\n')}\n`);
    await pauses[start / part]?.();
  }
  sending.end();
  const [response] = await answered;
  const chunks: Buffer[] = await response.toArray();
  return {
    status: response.statusCode,
    headers: response.headers,
    body: JSON.parse(Buffer.concat(chunks).toString()) as StreamAnswer['body'],
  };
}
