/*
 * Aim: under overload senders wait; past the bound of what may wait they are told to come again at
 * once; memory does not grow with what is sent; every 2xx is true, and what was refused is not stored.
 * Method: a lock keeps everything from being stored while much more is sent than may wait.
 */
import { Client } from 'pg';
import { factory } from '../support/factory.js';
import { startFresh } from '../support/service.js';
import { type Answer, eventually, type TestService } from '../support/service-process.js';

const QUEUE_BYTES = 2_097_152;
const BATCH_EVENTS = 200;
/** Of each event: a batch has about half a megabyte. */
const PAD = 'x'.repeat(2_400);
/** Sent at once, and how often: 180 MB in all. */
const PARALLEL = 12;
const WAVES = 30;
/** What a service may take more than before: some of its bound, requests being read, and garbage. */
const GROWTH_BYTES = 120 * 1_048_576;

async function figure(service: TestService, name: string): Promise<number> {
  const { body } = await service.get('/metrics');
  return Number(new RegExp(`^${name} (.+)$`, 'm').exec(String(body))?.[1]);
}

const newBatch = (): object[] =>
  Array.from({ length: BATCH_EVENTS }, () =>
    factory.event({ time: new Date().toISOString(), data: { pad: PAD } }),
  );

describe('more than can be stored', () => {
  it('waits up to a bound; beyond it is refused with 503, and nothing of that is kept', async () => {
    const { service, db, close } = await startFresh({
      ...{ INGEST_MAX_QUEUE_BYTES: String(QUEUE_BYTES), INGEST_MAX_WAIT_MS: '60000' },
    });
    const holder = new Client({ connectionString: db.url });
    await holder.connect();
    try {
      const send = async (batch: unknown): Promise<Answer> =>
        await service.post('/api/v1/events', batch);
      expect(await send(newBatch())).toMatchObject({ body: { accepted: BATCH_EVENTS } });
      const before = await figure(service, 'process_resident_memory_bytes');
      await holder.query('BEGIN; LOCK TABLE usage_event_keys IN ACCESS EXCLUSIVE MODE');

      // What fits waits, and is not answered yet.
      const answers: Answer[] = [];
      const waiting: Promise<Answer>[] = [];
      const refused: object[][] = [];
      let peak = 0;
      for (let wave = 0; wave < WAVES; wave += 1) {
        const batches = Array.from({ length: PARALLEL }, newBatch);
        const sent = batches.map(async (batch) => {
          const answer = await send(batch);
          answers.push(answer);
          if (answer.status === 503) {
            refused.push(batch);
          }
          return answer;
        });
        waiting.push(...sent);
        const bound = Math.floor(QUEUE_BYTES / (BATCH_EVENTS * PAD.length));
        await eventually(
          async () => await Promise.resolve(answers.length >= waiting.length - bound),
        );
        peak = Math.max(peak, await figure(service, 'process_resident_memory_bytes'));
        expect(await figure(service, 'meterline_ingest_queue_bytes')).toBeLessThanOrEqual(
          QUEUE_BYTES,
        );
      }
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
      const retryAfters = answers.map(({ headers }) => Number(headers.get('retry-after')));
      expect(Math.min(...retryAfters)).toBeGreaterThan(0);
      expect(waiting.length - answers.length).toBeGreaterThan(0);
      expect(peak - before).toBeLessThan(GROWTH_BYTES);

      await holder.query('COMMIT');
      const all = await Promise.all(waiting);
      const stored = all.filter(({ status }) => status === 200);
      expect(stored.map(({ body }) => body.accepted)).toEqual(stored.map(() => BATCH_EVENTS));
      expect(stored.length + refused.length).toBe(all.length);
      const count = async (): Promise<number> => {
        const sql = 'SELECT count(*)::integer AS count FROM usage_events';
        return (await db.database.query<{ count: number }>(sql))[0]!.count;
      };
      expect(await count()).toBe((stored.length + 1) * BATCH_EVENTS);

      // Whoever comes again is taken.
      expect(await send(refused[0])).toMatchObject({ body: { accepted: BATCH_EVENTS } });
      expect(await figure(service, 'meterline_ingest_queue_bytes')).toBe(0);
    } finally {
      await holder.end();
      await close();
    }
  });
});
