/*
 * The value of a rank among very many, as SQL: pure. The values of a day are a run: in order, each with how
 * many events are up to it. How many of all runs are up to some value is told by a search in each, and
 * a few such questions leave a small part of each run to be put together and ranked. Exact however much is
 * left: the questions only tell between which two values the one that is looked for must be.
 */
import { rankedValues } from '../rollup.sql.js';

/** So many are ranked as fast as it is found out where to look. */
const FEW_VALUES = 200;
/** The same of so many to a run, since each question searches each run. */
const FEW_VALUES_OF_RUN = 6;
/** Each round asks about so many values, and leaves what is between two of them. */
const QUESTIONS = 16;
const ROUNDS = 3;

const KEYS = ['customer_id', 'subject', 'bucket', 'groups'];
/** What a run has: see `usage_day_values`. */
export const RUN = 'numbers, up_to, event_counts';

export interface Runs {
  /** A select of KEYS, `numbers`, `up_to` and `event_counts`. */
  readonly runs: string;
  /** A select of KEYS, `value` as text and `weight` of what is in no run; weights of equal values add up. */
  readonly rest: string;
  /** Those of KEYS by which rows of the answer differ. */
  readonly varying: readonly string[];
  /** The parameter with the percentile. */
  readonly percentile: string;
}

/** CTEs and a select: the value by nearest rank for each row of the answer, with the columns of an answer. */
export function pickedValues({ runs, rest, varying, percentile }: Runs): {
  readonly ctes: string;
  readonly answer: string;
} {
  const ranked = rankedValues(
    varying.length === 0 ? [] : ['place'],
    `SELECT place, value, sum(weight) AS weight FROM piece
      GROUP BY place, value HAVING sum(weight) > 0`,
  );
  return {
    ctes: `${runsOf(runs, rest, varying)}, ${WIDE}, ${askedOfRuns(percentile)}, ${bounds(1, percentile)},
      ${askedOfRest(2)}, ${bounds(2, percentile)}, ${askedOfRest(3)}, ${bounds(ROUNDS, percentile)}, ${PIECE}`,
    answer: `SELECT customer_id, subject, bucket, groups, NULL AS divisor, found.value
      FROM (
        SELECT ranked.place, min(ranked.value) AS value
        FROM (${ranked}) AS ranked
        LEFT JOIN bound_${ROUNDS} AS bound ON bound.place = ranked.place
        WHERE (coalesce(bound.below, 0) + ranked.up_to) * 100
          >= coalesce(bound.total, ranked.total) * ${percentile}::numeric
        GROUP BY ranked.place
      ) AS found
      JOIN place ON place.place = found.place`,
  };
}

/**
 * CTE: the runs, with their arrays unpacked, since each is searched many times. What is in no run is made one:
 * it can be searched if its values are such numbers exactly and none has less than no events, as where
 * only a correction of it is there; else its row of the answer is ranked as a whole, from `inexact`.
 */
function runsOf(runs: string, rest: string, varying: readonly string[]): string {
  const place = varying.length === 0 ? '1' : `dense_rank() OVER (ORDER BY ${varying.join(', ')})`;
  const by = varying.length === 0 ? 'HAVING count(*) > 0' : `GROUP BY ${varying.join(', ')}`;
  const key = KEYS.map((name) => (varying.includes(name) ? name : `min(${name}) AS ${name}`));
  const keys = KEYS.join(', ');
  const partition = varying.length === 0 ? '' : `PARTITION BY ${varying.join(', ')}`;
  const counted = `SELECT ${keys}, value, value::float8 AS number, weight
            FROM (SELECT ${keys}, value, sum(weight)::bigint AS weight FROM (${rest}) AS rest
              GROUP BY ${keys}, value HAVING sum(weight) <> 0) AS counted`;
  // Numbers that are not exact may be equal where values are not: all of a row are in one order nevertheless.
  const order = 'number, value';
  return `run AS MATERIALIZED (
      SELECT ${keys}, ${place} AS place, row_number() OVER () AS id, ${unpacked('numbers')} AS numbers,
        ${unpacked('up_to')} AS up_to, event_counts, inexact
      FROM (
        SELECT ${keys}, ${RUN}, NULL::numeric[] AS inexact FROM (${runs}) AS stored
        UNION ALL
        SELECT ${key.join(', ')}, array_agg(number ORDER BY ${order}), array_agg(up_to::bigint ORDER BY ${order}),
          array_agg(weight ORDER BY ${order}),
          CASE WHEN NOT bool_and(${isSearchable('value', 'value::numeric', 'weight')})
            THEN array_agg(value::numeric ORDER BY ${order}) END
        FROM (
          SELECT *, sum(weight) OVER (${partition} ORDER BY ${order} ROWS UNBOUNDED PRECEDING) AS up_to
          FROM (${counted}) AS counted
        ) AS ranked
        ${by}
      ) AS one
    )`;
}

/**
 * boolean: whether a numeric is the same as float8, which fifteen digits are, and what it weighs is something. It is
 * given as text, too: to look how long that is takes a tenth of what it takes to make one from the other and back.
 */
export const isSearchable = (text: string, value: string, weight: string): string =>
  `((octet_length(${text}) <= 15 OR ${value}::float8::numeric = ${value}) AND ${weight} > 0)`;

/** An array that is stored apart would be fetched anew for each search in it. */
const unpacked = (array: string): string => `${array} || '{}'`;

/** How many values of `run` are up to a number. */
const placeOf = (number: string): string => `width_bucket(${number}, run.numbers)`;

/** How many events have one of these values; NULL for none. */
const upTo = (number: string): string => `run.up_to[${placeOf(number)}]`;

/** CTEs: `place`, the rows of the answer; `wide`, those with so many values that it pays to ask where to look; and `bound_0`. */
const WIDE = `place AS MATERIALIZED (
      SELECT place, ${KEYS.join(', ')}, sum(up_to[cardinality(up_to)]) AS total,
        ceil(count(*) * 2 / ${QUESTIONS}.0)::bigint AS step,
        bool_and(inexact IS NULL)
          AND sum(cardinality(numbers)) > greatest(${FEW_VALUES}, ${FEW_VALUES_OF_RUN} * count(*)) AS is_wide
      FROM run GROUP BY place, ${KEYS.join(', ')}
    ), wide AS MATERIALIZED (
      SELECT * FROM place WHERE is_wide
    ), bound_0 AS (
      SELECT place, total, '-infinity'::float8 AS low, 'infinity'::float8 AS high, 0::numeric AS below, total AS above
      FROM wide
    )`;

/**
 * CTE: what has the rank in some of the runs, and the value before it. The one of all runs is among what has it in each, so
 * where runs are alike little is left between these. Some at random, since every second one may be of the same group.
 */
const askedOfRuns = (percentile: string): string => `asked_1 AS (
      SELECT DISTINCT run.place, one.number
      FROM wide JOIN run ON run.place = wide.place
      CROSS JOIN LATERAL (
        SELECT width_bucket((ceil(run.up_to[cardinality(run.up_to)] * ${percentile}::numeric / 100) - 1)::bigint, run.up_to) AS before
      ) AS rank
      CROSS JOIN LATERAL unnest(run.numbers[before:before + 1]) AS one (number)
      WHERE hashint8(run.id) % wide.step = 0
    )`;

/**
 * CTEs: the runs of which much is left nevertheless, mostly none, so that nothing reads them once more; and of what is
 * left of these, values evenly spread, so that a seventeenth is left however they differ.
 */
const askedOfRest = (number: number): string => `run_${number} AS MATERIALIZED (
      SELECT run.id, run.place, run.numbers, run.up_to, bound.low, bound.high
      FROM bound_${number - 1} AS bound JOIN ${runOf(number - 1)} AS run ON run.place = bound.place
      WHERE bound.above - bound.below > ${FEW_VALUES}
    ), asked_${number} AS (
      SELECT DISTINCT run.place, run.numbers[sized.after + sized.nth] AS number
      FROM (
        SELECT id, after, generate_series((step - before % step)::int, size, step::int) AS nth
        FROM (
          SELECT id, after, size, sum(size) OVER (PARTITION BY place ROWS UNBOUNDED PRECEDING) - size AS before,
            ceil(sum(size) OVER (PARTITION BY place) / ${QUESTIONS + 1}.0) AS step
          FROM (
            SELECT id, place, ${placeOf('low')} AS after, ${placeOf('high')} - ${placeOf('low')} AS size
            FROM run_${number} AS run OFFSET 0
          ) AS sized
        ) AS sized
      ) AS sized
      JOIN run_${number} AS run ON run.id = sized.id
    )`;

/** The runs that are asked in a round. */
const runOf = (number: number): string => (number === 1 ? 'run' : `run_${number}`);

/**
 * CTE: `bound` of the round before with narrower bounds, by what was asked. The value of the rank is above `low` and not
 * above `high`; `below` and `above` events are up to these. Each question is a search in each run.
 */
function bounds(number: number, percentile: string): string {
  const isBelow = `(answer.up_to * 100 < bound.total * ${percentile}::numeric)`;
  return `bound_${number} AS MATERIALIZED (
      SELECT bound.place, bound.total,
        coalesce(max(answer.number) FILTER (WHERE ${isBelow}), bound.low) AS low,
        coalesce(min(answer.number) FILTER (WHERE NOT ${isBelow}), bound.high) AS high,
        coalesce(max(answer.up_to) FILTER (WHERE ${isBelow}), bound.below) AS below,
        coalesce(min(answer.up_to) FILTER (WHERE NOT ${isBelow}), bound.above) AS above
      FROM bound_${number - 1} AS bound
      LEFT JOIN (
        SELECT place, number, coalesce(sum(up_to), 0) AS up_to
        FROM (
          SELECT asked.place, asked.number, ${upTo('asked.number')} AS up_to
          FROM asked_${number} AS asked JOIN ${runOf(number)} AS run ON run.place = asked.place OFFSET 0
        ) AS found
        GROUP BY place, number
      ) AS answer ON answer.place = bound.place
      GROUP BY bound.place, bound.total, bound.low, bound.high, bound.below, bound.above
    )`;
}

/** CTE: what of each run is between the bounds; all of one whose row of the answer is not `wide`. */
const PIECE = `piece AS (
      SELECT run.place, one.value, one.weight
      FROM run LEFT JOIN bound_${ROUNDS} AS bound ON bound.place = run.place
      CROSS JOIN LATERAL (SELECT coalesce(${placeOf('bound.low')}, 0) + 1 AS first,
        coalesce(${placeOf('bound.high')}, cardinality(run.numbers)) AS last) AS slice
      CROSS JOIN LATERAL (
        SELECT number::numeric AS value, weight
        FROM unnest(run.numbers[first:last], run.event_counts[first:last]) AS part (number, weight)
        WHERE run.inexact IS NULL
        UNION ALL
        SELECT value, weight FROM unnest(run.inexact, run.event_counts) AS part (value, weight)
        WHERE run.inexact IS NOT NULL
      ) AS one
    )`;
