/*
 * A meter of every kind that is not added up by the tally. What they must come to is asked of the
 * stored events, in plain SQL that knows nothing of rollups; that these are the events that were made
 * is judged by the tally.
 */
import { type Client } from 'pg';
import { type TestService } from '../support/service-process.js';
import { EVENT_TYPE, wholeTime } from './tally.js';

const units = { value_property: '$.units' };

/** By key; those that begin with `late` are made in the middle of the soak. */
export const KINDS = {
  least: { aggregation: 'min', ...units },
  greatest: { aggregation: 'max', ...units },
  mean: { aggregation: 'avg', ...units },
  last: { aggregation: 'latest', ...units },
  different: { aggregation: 'unique_count', ...units },
  median: { aggregation: 'percentile', percentile: '50', ...units },
  level: { aggregation: 'time_weighted_sum', ...units },
  late_last: { aggregation: 'latest', ...units },
  late_different: { aggregation: 'unique_count', ...units },
  late_level: { aggregation: 'time_weighted_sum', ...units },
} as const;

interface Figures {
  readonly subject: string;
  readonly least: string;
  readonly greatest: string;
  readonly last: string;
  readonly different: string;
  readonly median: string;
  /** In millionths. */
  readonly sum: string;
  readonly count: string;
  /** In millionths, times microseconds. */
  readonly held: string;
}

/** A level is the greatest value of its time, and holds to the next time, or to the end. */
const FIGURES = `WITH event AS (
    SELECT subject, time, (data ->> 'units')::numeric AS v FROM usage_events WHERE type = $1
  ), level AS (
    SELECT subject, max(v) AS v, lead(time, 1, $2) OVER (PARTITION BY subject ORDER BY time) - time AS span
    FROM event GROUP BY subject, time
  ), held AS (
    SELECT subject, trunc(sum(v * 1000000 * extract(epoch FROM span) * 1000000))::text AS held
    FROM level GROUP BY subject
  )
  SELECT subject, held, trim_scale(min(v))::text AS least, trim_scale(max(v))::text AS greatest,
    trim_scale((array_agg(v ORDER BY time DESC, v DESC))[1])::text AS last,
    count(DISTINCT v)::text AS different, count(*)::text AS count, trunc(sum(v) * 1000000)::text AS sum,
    trim_scale(percentile_disc(0.5) WITHIN GROUP (ORDER BY v))::text AS median
  FROM event JOIN held USING (subject)
  GROUP BY subject, held
  ORDER BY subject`;

/** Compares what each replica answers with what the stored events come to, to the last digit. */
export async function compareKinds(
  client: Client,
  services: readonly TestService[],
  compare: (what: string, found: unknown, expected: unknown) => void,
): Promise<void> {
  const window = { ...wholeTime(), to: new Date().toISOString() };
  const { rows } = await client.query<Figures>(FIGURES, [EVENT_TYPE, window.to]);
  compare('subjects with stored events', rows.length > 0, true);
  for (const service of services) {
    for (const figures of rows) {
      for (const key of Object.keys(KINDS) as (keyof typeof KINDS)[]) {
        const { subject } = figures;
        const query = new URLSearchParams({ subject, ...window }).toString();
        const { status, body } = await service.get(`/api/v1/meters/${key}/usage?${query}`);
        const found: unknown = body.data?.[0]?.quantity;
        compare(`usage of ${key} ${subject}`, [status, found], [200, quantityOf(key, figures)]);
      }
    }
  }
}

function quantityOf(key: keyof typeof KINDS, figures: Figures): string {
  switch (key) {
    case 'mean':
      return divided(BigInt(figures.sum), BigInt(figures.count) * 1_000_000n);
    case 'level':
    case 'late_level':
      return divided(BigInt(figures.held), 3_600_000_000n * 1_000_000n);
    case 'late_last':
      return figures.last;
    case 'late_different':
      return figures.different;
    case 'least':
    case 'greatest':
    case 'last':
    case 'different':
    case 'median':
      return figures[key];
  }
}

const SCALE = 12;

/** Rounded to twelve digits after the point, half up; of numbers of zero or more. */
function divided(dividend: bigint, divisor: bigint): string {
  const scaled = (2n * dividend * 10n ** BigInt(SCALE) + divisor) / (2n * divisor);
  const digits = scaled.toString().padStart(SCALE + 1, '0');
  const fraction = digits.slice(-SCALE).replace(/0+$/, '');
  return `${digits.slice(0, -SCALE)}${fraction === '' ? '' : `.${fraction}`}`;
}
