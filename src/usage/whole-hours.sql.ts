/*
 * Whether rollups of whole hours can answer a question alone, as SQL: pure. Before the statement is
 * made as far as the question tells, and in it as far as only its snapshot does.
 */
import { HOUR_MS } from './buckets.sql.js';
import { lacking } from './lacking.sql.js';
import { type Parameters } from './meter-sql.js';
import { type UsageQuestion } from './usage.sql.js';

/**
 * Whether rollups alone may answer for this window, which the CTE `state` then has to confirm. Planning
 * a statement that could read raw events takes four times as long as answering without them.
 */
export function mayBeWhole(question: UsageQuestion): boolean {
  const { whose, buckets, meter, now } = question;
  const end = buckets.at(-1)?.end ?? now;
  return (
    // Of all subjects some are always handed over within an hour, and planning is little then.
    (whose.kind === 'customer' || whose.kind === 'some_customers' || whose.kind === 'subject') &&
    [end, ...buckets.map(({ start }) => start)].every((at) => at.getTime() % HOUR_MS === 0) &&
    (meter.aggregation.kind !== 'time_weighted_sum' ||
      end <= levelsEnd(question) ||
      levelsEnd(question) === now)
  );
}

/**
 * CTE: whether rollups of whole hours lack something. Partial index, and primary keys. Needs the CTEs
 * `span` and `cut`.
 */
export function stateOf(question: UsageQuestion, parameters: Parameters): string {
  return stateOfAll([question], lacking(question.meter, parameters), parameters);
}

/** CTE: the same of several questions. `isLacking` is the condition that any of their meters lacks something. */
export function stateOfAll(
  questions: readonly UsageQuestion[],
  isLacking: string,
  parameters: Parameters,
): string {
  const later = questions.map(({ meter, buckets, now }) => {
    const end = buckets.at(-1)?.end ?? now;
    const isOpen = meter.aggregation.kind === 'time_weighted_sum' && end > now;
    return isOpen ? setLater(now, parameters.add(meter.number), parameters) : '';
  });
  return `state AS MATERIALIZED (
      SELECT EXISTS (SELECT FROM ingest_batches WHERE fold IS NULL)
        OR EXISTS (SELECT FROM cut)
        OR ${isLacking}
        ${later.join(' ')}
        AS is_partial
    )`;
}

/** The condition that an hour that is not over has a level from a time to come, with OR before it. */
function setLater(now: Date, meter: string, parameters: Parameters): string {
  const hour = new Date(Math.floor(now.getTime() / HOUR_MS) * HOUR_MS);
  return `OR EXISTS (SELECT FROM span JOIN usage_rollups AS rollup ON rollup.subject = span.subject
        WHERE rollup.meter = ${meter} AND rollup.hour = ${parameters.add(hour)}
          AND rollup.last_time >= ${parameters.add(now)})`;
}

/** The condition that nothing but whole hours is needed, with AND before it; the CTE `state` knows. */
export const IS_WHOLE = 'AND NOT (SELECT is_partial FROM state)';

/** The rows of the CTE `answer`, each with whether rollups lacked something; one row at least. */
export const WITH_STATE = `SELECT state.is_partial, answer.*
    FROM state LEFT JOIN answer ON true`;

/** Levels hold until then at most: a meter that has ended counts no time after its end. */
export function levelsEnd({
  meter: { archivedAt },
  now,
}: Pick<UsageQuestion, 'meter' | 'now'>): Date {
  return archivedAt !== null && archivedAt < now ? archivedAt : now;
}
