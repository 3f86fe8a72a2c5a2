/* Tables that hold ten million events already: their indexes are larger than what PostgreSQL keeps in memory. */
import { type Bench } from '../bench.js';
import { compare } from '../measure.js';
import { SINGLE, STANDARD } from '../scenario.js';
import { onDatabase } from '../service/database.js';
import { type Meterline } from '../service/meterline.js';
import { COMPARED, type Section } from './section.js';

const EVENTS = 10_000_000;
const QUICK_EVENTS = 1_000_000;
/** Events of one transaction, which has a batch number as a flush has. */
const CHUNK = 100_000;
/** Connections that fill at once: as many as two processors can serve. */
const FILLERS = 2;

/**
 * Events as the service stores them, the key being the hash of source and id that it makes. The digest
 * only tells a conflict from a duplicate, and these are never sent again, so any will do.
 */
const FILL = `
  WITH batch AS (SELECT nextval('ingest_batches_id_seq') AS id),
  fresh AS (
    SELECT 'bench-filler' AS source, 'filled-' || number AS id,
      'key_' || lpad(floor(power(1000, random()) - 1)::text, 4, '0') AS subject,
      now() - random() * interval '30 days' AS time,
      jsonb_build_object('status', CASE WHEN random() < 0.95 THEN 200 ELSE 500 END,
        'bytes', floor(random() * 20000)::int,
        'region', (ARRAY['eu', 'us', 'ap'])[1 + floor(random() * 3)::int]) AS data
    FROM generate_series($1::bigint, $2::bigint) AS number
  ),
  keys AS (
    INSERT INTO usage_event_keys (key, digest, batch_id)
    SELECT encode(substring(sha256(convert_to(fresh.source, 'UTF8') || '\\x00'::bytea
        || convert_to(fresh.id, 'UTF8')) FROM 1 FOR 16), 'hex')::uuid,
      1 + floor(random() * 1e16)::bigint, batch.id
    FROM fresh, batch
  )
  INSERT INTO usage_events (source, id, type, subject, time, data, batch_id, received_at)
  SELECT fresh.source, fresh.id, 'api.request', fresh.subject, fresh.time, fresh.data, batch.id, now()
  FROM fresh, batch`;

export const large: Section = {
  name: 'large',
  isSlow: true,
  run: async (bench) => {
    await bench.withService({}, async (service) => {
      const empty = await compare(bench, service, {
        ...STANDARD,
        name: '500 to a request, before',
      });
      const events = bench.isQuick ? QUICK_EVENTS : EVENTS;
      await fill(bench, service, events);
      const after = [
        await compare(bench, service, STANDARD),
        await compare(bench, service, SINGLE),
      ];
      await bench.notePeak(service, 'large tables');
      bench.report.table(
        `A table that holds ${events.toLocaleString('en')} events: three meters live`,
        COMPARED,
        [empty, ...after],
      );
    });
  },
};

async function fill(bench: Bench, service: Meterline, events: number): Promise<void> {
  let next = 0;
  const filler = async (): Promise<void> => {
    await onDatabase(service.databaseUrl, async (client) => {
      while (next < events) {
        const start = next;
        next += CHUNK;
        await client.query(FILL, [start, start + CHUNK - 1]);
        if (next % (10 * CHUNK) === 0) {
          bench.say(`filled ${next.toLocaleString('en')} events`);
        }
      }
    });
  };
  await Promise.all(Array.from({ length: FILLERS }, filler));
  await onDatabase(service.databaseUrl, async (client) => {
    await client.query('VACUUM ANALYZE usage_events, usage_event_keys');
    await client.query('CHECKPOINT');
  });
}
