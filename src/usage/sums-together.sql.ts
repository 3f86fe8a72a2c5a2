/*
 * Several meters that add up, answered as one, as SQL: pure. They differ in which figures and events are theirs and
 * in nothing else, so what is kept is gone through once for all of them, and added up by question.
 */
import { columnsOf } from './answers.sql.js';
import { type Buckets } from './buckets.sql.js';
import { keptTableOf, mayBeKept } from './days/kept-figures.sql.js';
import { compileMeter, type Parameters } from './meter-sql.js';
import { Parts } from './parts.sql.js';
import { storageOf } from './rollup.sql.js';
import { rowKeys, type UsageQuestion } from './usage.sql.js';

/** A question, and its place among those of a statement. */
export interface Placed {
  readonly question: UsageQuestion;
  readonly place: number;
}

/** Whether a question is one of those: of all groups as one, whose figures are kept. */
export const isPlainSum = (question: UsageQuestion): boolean =>
  storageOf(question.meter.aggregation) === 'sums' &&
  mayBeKept(question) &&
  question.by === 'customer' &&
  question.groupBy.length === 0 &&
  Object.keys(question.groupFilter).length === 0 &&
  (question.groupExclusions ?? []).length === 0;

/**
 * A select: the answers, with the columns of an answer and `place`; of questions that have spans and buckets in common.
 * Needs the CTEs of `keptFigures` and of `sharedEvents`.
 */
export function sumsStatement(
  placed: readonly Placed[],
  buckets: Buckets,
  parameters: Parameters,
): string {
  const [first] = placed;
  if (first === undefined) {
    throw new RangeError('A statement answers a question at least');
  }
  const places = parameters.add(placed.map(({ place }) => place));
  const numbers = parameters.add(placed.map(({ question }) => question.meter.number));
  const counts = parameters.add(placed.map(({ question }) => isCount(question)));
  const figures = `SELECT asked.place, asked.is_count, NULL::text AS customer_id, rollup.subject,
        ${buckets.of('rollup.hour')} AS bucket, rollup.groups, rollup.event_count, rollup.value_sum
      FROM ${keptTableOf(first.question.meter)} AS rollup
      JOIN unnest(${places}::int[], ${numbers}::int[], ${counts}::bool[]) AS asked (place, number, is_count)
        ON asked.number = rollup.meter
      WHERE rollup.is_owned ${buckets.areWhole('rollup.hour')}`;
  const events = placed.map(
    ({ question, place }) => `SELECT ${place}, ${isCount(question)}, one.*
      FROM (${eventsOf(question, buckets, parameters)}) AS one`,
  );
  const count = 'sum(part.event_count) FILTER (WHERE part.is_count OR part.value_sum IS NOT NULL)';
  return `SELECT part.place, ${rowKeys(first.question, 'part', 'part.groups', parameters)}, ${count} AS divisor,
      sum(part.value_sum) AS value
    FROM (${[figures, ...events].join('\nUNION ALL\n')}) AS part
    GROUP BY 1, 2, 3, 4, 5
    HAVING ${count} > 0`;
}

const isCount = ({ meter }: UsageQuestion): boolean => meter.aggregation.kind === 'count';

/** A select: the events of a meter that no figure stands for. */
function eventsOf({ meter }: UsageQuestion, buckets: Buckets, parameters: Parameters): string {
  const sql = compileMeter(meter, parameters);
  const columns = { isShared: true, ...columnsOf(meter, sql) };
  const [events = ''] = new Parts({ meter, sql, buckets }, columns, parameters).summed([]);
  return events;
}
