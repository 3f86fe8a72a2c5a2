/*
 * An hour of very many events, made anew in pieces, as SQL: pure. A statement may take a minute, which
 * is some 15 million events; so an hour that has more of them than one statement should read is summarised
 * piece by piece, in one transaction, and each piece is put to those before it.
 */
import { type Interval } from '../kernel/interval.js';
import { type Aggregation, type Meter } from '../meters/meter.js';
import { type Parameters } from './meter-sql.js';
import { micros, type Rows, storageOf, SUMMARY_COLUMNS } from './rollup.sql.js';

/** Which piece of whole hours, from 0, of how many. */
export interface Piece {
  readonly hours: Interval;
  readonly index: number;
  readonly count: number;
}

/**
 * The rows of a piece. An event and what was taken back of it are in the same one, whatever they are cut
 * by; by their id the pieces are even, though all events have one time and one subject. Levels have an
 * order, so these are cut by time.
 */
export function pieceOf(
  rows: Rows,
  { aggregation }: Meter,
  { hours, index, count }: Piece,
  parameters: Parameters,
): Rows {
  if (count === 1) {
    return rows;
  }
  const isByTime = storageOf(aggregation) === 'levels';
  const remainder = `hashtextextended(events.id, 0) % ${count}`;
  const length = hours.end.getTime() - hours.start.getTime();
  const at = (place: number): Date =>
    new Date(hours.start.getTime() + Math.floor((length * place) / count));
  const condition = isByTime
    ? `events.time >= ${parameters.add(at(index))} AND events.time < ${parameters.add(at(index + 1))}`
    : `(${remainder} + ${count}) % ${count} = ${parameters.add(index)}::bigint`;
  return { ...rows, where: `${rows.where} AND ${condition}` };
}

/**
 * ON CONFLICT: how a piece is put to those before it. Each is whole by itself, so what a correction has
 * touched can be merged, too, other than in a fold; a piece of which nothing stands has no value.
 */
export function putTogether({ aggregation }: Meter): string {
  if (storageOf(aggregation) === 'values') {
    return `ON CONFLICT (subject, meter, hour, groups, value) DO UPDATE
      SET event_count = stored.event_count + excluded.event_count`;
  }
  return `ON CONFLICT (subject, meter, hour, groups) DO UPDATE
    SET (${SUMMARY_COLUMNS}) = ROW (rollup.event_count + excluded.event_count,
      rollup.value_sum + excluded.value_sum, ${figuresOf(aggregation)},
      rollup.is_corrected OR excluded.is_corrected)`;
}

/** `value`, `first_time`, `last_time` and `level_sum`. */
function figuresOf({ kind }: Aggregation): string {
  const isLater = '(excluded.last_time, excluded.value) > (rollup.last_time, rollup.value)';
  const lasting = micros('excluded.first_time - rollup.last_time');
  switch (kind) {
    case 'count':
    case 'sum':
    case 'avg':
      return 'NULL, NULL, NULL, NULL';
    case 'min':
      return 'least(rollup.value, excluded.value), NULL, NULL, NULL';
    case 'max':
      return 'greatest(rollup.value, excluded.value), NULL, NULL, NULL';
    case 'latest':
      return `CASE WHEN rollup.value IS NULL OR ${isLater} THEN excluded.value ELSE rollup.value END, NULL,
        greatest(rollup.last_time, excluded.last_time), NULL`;
    case 'time_weighted_sum':
      return `coalesce(excluded.value, rollup.value), coalesce(rollup.first_time, excluded.first_time),
        coalesce(excluded.last_time, rollup.last_time),
        CASE WHEN excluded.value IS NULL THEN rollup.level_sum
          WHEN rollup.value IS NULL THEN excluded.level_sum
          ELSE rollup.level_sum + excluded.level_sum + rollup.value * ${lasting} END`;
    case 'unique_count':
    case 'percentile':
      throw new Error(`A ${kind} has no figures by the hour`);
  }
}
