/*
 * Aim: numbers that never reached the service are shown and told, and none that it has taken, also
 * when it is killed again and again.
 * Method: over HTTP, with a sender that sends again what was not answered, until it is.
 */
import { Client } from 'pg';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { eventually, startService, type TestService } from '../support/service-process.js';

const PATH = '/api/v1/sources';
const KILLS = 2;
const REQUESTS = 60;
const PER_REQUEST = 5;
const LOST = [17, 18, 40];

describe('numbers of records', () => {
  let db: TestDatabase;
  let service: TestService;

  beforeAll(async () => {
    db = await createTestDatabase();
    service = await startService(db.url);
  });

  afterAll(async () => {
    await service.kill('SIGTERM');
    await db.drop();
  });

  const create = async (key: string): Promise<void> => {
    const sequence = { path: '$.n', of: { join: ['$.node', '$.worker'] } };
    const ignore = [{ property: '$.health', op: 'exists' }];
    const body = { key, name: key, format: 'json', gap_grace: 0, mapping: { sequence, ignore } };
    const created = await service.post(PATH, body);
    expect(created).toMatchObject({ status: 201, body: { mapping: { sequence } } });
  };
  const gapsOf = async (key: string): Promise<Record<string, unknown>[]> =>
    (await service.get(`${PATH}/${key}/gaps`)).body.data;
  const typesTold = async (gap: unknown): Promise<string[]> => {
    const { body } = await service.get('/api/v1/webhook-messages');
    return body.data
      .filter((message: { body?: unknown }) => JSON.stringify(message).includes(String(gap)))
      .map(({ type }: { type: string }) => type);
  };

  it('are missing when they do not come, whatever becomes of those that do', async () => {
    await create('gateway');
    const send = async (...records: object[]): Promise<void> => {
      const named = records.map((record) => ({ node: 'n1', worker: 0, ...record }));
      expect((await service.post(`${PATH}/gateway/events`, named)).status).toBe(200);
    };
    await send({ id: 'a', n: 1, subject: 's' }, { id: 'refused', n: 2 }, { health: true, n: 3 });
    await send({ id: 'a', n: 1, subject: 's' }, { id: 'b', n: '7', subject: 's' });
    await send({ id: 'c', subject: 's' }, { id: 'd', n: 'x', subject: 's' });
    const [gap] = await eventually(async () => {
      const found = await gapsOf('gateway');
      return found.length > 0 && found;
    });
    expect(gap).toEqual({
      ...{ kind: 'sequence', id: expect.stringMatching(/^gap_/), counter: 'n1 0', missing: 3 },
      ranges: [{ first: '4', last: '6' }],
      since: expect.any(String),
    });
    await eventually(async () => (await typesTold(gap?.['id'])).includes('source.gap_found'));
    await send(...[4, 5, 6].map((n) => ({ id: `late-${n}`, n, subject: 's' })));
    expect(await gapsOf('gateway')).toEqual([]);
    await eventually(async () => (await typesTold(gap?.['id'])).includes('source.gap_closed'));
    expect((await typesTold(gap?.['id'])).toSorted()).toEqual([
      'source.gap_closed',
      'source.gap_found',
    ]);
  });

  it('are shown by a preview', async () => {
    const body = {
      ...{ format: 'json', mapping: { sequence: { path: '$.n', of: '$.node' } } },
      record: '{"n":8999999999999999999,"node":"n 1","subject":"s","id":"a"}',
    };
    expect((await service.post(`${PATH}/preview`, body)).body).toMatchObject({
      outcome: 'event',
      sequence: { counter: 'n 1', number: '8999999999999999999' },
    });
    const without = { ...body, record: { n: 1, id: 'a' } };
    const preview = (await service.post(`${PATH}/preview`, without)).body;
    expect(preview).toMatchObject({ outcome: 'rejected' });
    expect(preview).not.toHaveProperty('sequence');
  });

  it('are no gap though the service is killed while they come', async () => {
    await create('killed');
    const requests = Array.from({ length: REQUESTS }, (_, index) =>
      Array.from({ length: PER_REQUEST }, (__, at) => index * PER_REQUEST + at + 1)
        .filter((n) => !LOST.includes(n))
        .map((n) => ({ id: `r-${n}`, subject: 's', node: 'n1', worker: 1, n })),
    );
    let next = 0;
    const sendAll = async (): Promise<void> => {
      for (let request = requests[next++]; request !== undefined; request = requests[next++]) {
        const body = request;
        await eventually(async () => {
          const answer = await service
            .request('POST', `${PATH}/killed/events`, { body })
            .catch(() => null);
          return answer?.status === 200;
        });
      }
    };
    const senders = Promise.all([sendAll(), sendAll(), sendAll()]);
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const goal = (REQUESTS / (KILLS + 1)) * kill;
      await eventually(async () => await Promise.resolve(next >= goal));
      await service.kill('SIGKILL');
      service = await startService(db.url);
    }
    await senders;
    const missing = await eventually(async () => {
      const ranges = (await gapsOf('killed')).flatMap(
        (gap) => gap['ranges'] as { first: string; last: string }[],
      );
      return ranges.length >= 2 && ranges;
    });
    const shown = missing.toSorted((one, other) => Number(one.first) - Number(other.first));
    expect(shown).toEqual([
      { first: '17', last: '18' },
      { first: '40', last: '40' },
    ]);
  });

  it('are no gap though the service is killed between storing and noting, and nobody sends again', async () => {
    await create('torn');
    const record = (n: number): object => ({
      id: `t-${n}`,
      subject: 's',
      node: 'n1',
      worker: 1,
      n,
    });
    const send = async (...numbers: number[]): Promise<void> => {
      const answer = await service.post(`${PATH}/torn/events`, numbers.map(record));
      expect(answer.status).toBe(200);
    };
    await send(1, 2);
    const holder = new Client({ connectionString: db.url });
    await holder.connect();
    // What is stored cannot be noted, until it is too late.
    await holder.query('BEGIN; LOCK TABLE sequence_counters IN ACCESS EXCLUSIVE MODE');
    const torn = service
      .post(`${PATH}/torn/events`, [record(3), record(4), record(6)])
      .catch(() => null);
    await eventually(async () => {
      const { rows } = await holder.query(
        `SELECT FROM usage_events WHERE source = 'torn' AND id IN ('t-3', 't-4', 't-6')`,
      );
      return rows.length === 3;
    });
    await service.kill('SIGKILL');
    expect(await torn).toBeNull();
    // PostgreSQL would note them still, since it does not see that nobody waits for its answer.
    await eventually(async () => {
      const { rows } = await holder.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      return rows.length === 0;
    });
    await holder.query('COMMIT');
    await holder.end();
    service = await startService(db.url);
    await send(8);
    const [gap] = await eventually(async () => {
      const found = await gapsOf('torn');
      return found.length > 0 && found;
    });
    expect(gap).toMatchObject({
      missing: 2,
      ranges: [
        { first: '5', last: '5' },
        { first: '7', last: '7' },
      ],
    });
    await eventually(async () => (await typesTold(gap?.['id'])).includes('source.gap_found'));
    await send(5, 7);
    await eventually(async () => (await typesTold(gap?.['id'])).includes('source.gap_closed'));
    expect(await gapsOf('torn')).toEqual([]);
  });

  it('are missing of a new run though an earlier one had them', async () => {
    await create('anew');
    const send = async (name: string, ...numbers: number[]): Promise<void> => {
      const records = numbers.map((n) => ({
        ...{ id: `${name}-${n}`, subject: 's', node: 'n1', worker: 1, n },
      }));
      expect((await service.post(`${PATH}/anew/events`, records)).status).toBe(200);
    };
    await send('one', 1, 2, 3, 4);
    // As if that had been a while ago.
    await db.database.query(
      `UPDATE usage_events SET received_at = received_at - interval '1 minute' WHERE source = 'anew'`,
    );
    await send('two', 1, 2, 4);
    const gaps = await eventually(async () => {
      const found = await gapsOf('anew');
      return found.length > 0 && found;
    });
    expect(gaps).toMatchObject([{ missing: 1, ranges: [{ first: '3', last: '3' }] }]);
  });
});
