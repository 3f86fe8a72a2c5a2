/* How many rows a meter of each kind keeps, and how many bytes they take. */
import { type Bench } from '../bench.js';
import { onDatabase } from '../service/database.js';
import { type Meterline } from '../service/meterline.js';
import { KINDS } from './kinds.js';

const MILLION = 1_000_000;

/** Bytes of a table with its indexes are shared out by rows. */
const SIZES = `
  WITH counted AS (
    SELECT meter, count(*) AS row_count, 'usage_rollups'::regclass AS kept_in FROM usage_rollups GROUP BY meter
    UNION ALL
    SELECT meter, count(*), 'usage_distinct_values'::regclass FROM usage_distinct_values GROUP BY meter
  )
  SELECT meters.key, counted.row_count AS rows,
    pg_total_relation_size(kept_in) * counted.row_count / sum(counted.row_count) OVER (PARTITION BY kept_in) AS bytes
  FROM meters JOIN counted ON counted.meter = meters.number`;

export async function reportRollupSizes(
  bench: Bench,
  service: Meterline,
  events: number,
): Promise<void> {
  const sizes = await onDatabase(service.databaseUrl, async (client) => {
    const { rows } = await client.query<{ key: string; rows: string; bytes: string }>(SIZES);
    return new Map(rows.map((row) => [row.key, row]));
  });
  bench.report.table(
    'What meters keep for a million stored events, those of other types included',
    [
      { head: '', value: ({ meter }) => `${meter.key} (${meter.aggregation})` },
      {
        head: 'rows',
        value: ({ meter }) => (Number(sizes.get(meter.key)?.rows ?? 0) * MILLION) / events,
      },
      {
        head: 'bytes',
        value: ({ meter }) => (Number(sizes.get(meter.key)?.bytes ?? 0) * MILLION) / events,
      },
    ],
    KINDS,
  );
}
