/*
 * The statement that answers several questions at once, each as it would be answered alone: pure. Those
 * of one customer or subject over the same buckets have in common whose is what, what is pending, and
 * what is kept, which is read once for all of them.
 */
import { type Interval } from '../kernel/interval.js';
import { DIRTY, usageStatement } from './answers.sql.js';
import { Buckets } from './buckets.sql.js';
import { keptFigures, mayBeKept } from './days/kept-figures.sql.js';
import { lacking, meterStates } from './lacking.sql.js';
import { type Parameters } from './meter-sql.js';
import { sharedEvents } from './parts.sql.js';
import { storageOf } from './rollup.sql.js';
import { type Shared } from './shared.js';
import { isPlainSum, type Placed, sumsStatement } from './sums-together.sql.js';
import { isOfOne, spans, type UsageBasis, type UsageQuestion, type Whose } from './usage.sql.js';

/** A question, and of what its answer is to be made. */
export interface Asked {
  readonly question: UsageQuestion;
  readonly basis: UsageBasis;
}

/** The statement; each row has the `place` of its question, and whether what it was made of lacked something. */
export function togetherStatement(asked: readonly Asked[], parameters: Parameters): string {
  return haveInCommon(asked)
    ? sharingStatement(asked, parameters)
    : union(asked.map((one, place) => ownStatement(one, place, parameters)));
}

const union = (statements: readonly string[]): string => statements.join('\nUNION ALL\n');

const row = (place: string, isLacking: string): string =>
  `SELECT ${place} AS place, ${isLacking} AS is_lacking, answer.customer_id, answer.subject, answer.bucket, answer.groups,
          answer.divisor::numeric AS divisor, answer.value::numeric AS value`;

function ownStatement({ question, basis }: Asked, place: number, parameters: Parameters): string {
  const answer = usageStatement(question, basis, parameters);
  switch (basis.kind) {
    case 'rollups':
      return `${row(String(place), 'state.is_lacking')}
        FROM (SELECT ${lacking(question.meter, parameters)} AS is_lacking) AS state
        LEFT JOIN (${answer}) AS answer ON true`;
    case 'events':
    case 'cut_off':
      return `${row(String(place), 'false')} FROM (${answer}) AS answer`;
  }
}

/** Whether one statement's spans, state and figures do for all of them. */
export function haveInCommon(asked: readonly Asked[]): boolean {
  const [first, ...others] = asked;
  if (first === undefined || !isOfOne(first.question.whose)) {
    return false;
  }
  const { question, basis } = first;
  return (
    basis.kind === 'rollups' &&
    others.every(
      (other) =>
        other.basis.kind === 'rollups' &&
        isSameOne(other.question.whose, question.whose) &&
        areSame(other.question.buckets, question.buckets) &&
        other.question.except === question.except &&
        other.question.now.getTime() === question.now.getTime(),
    )
  );
}

function isSameOne(left: Whose, right: Whose): boolean {
  return left.kind === 'customer'
    ? right.kind === 'customer' &&
        left.customerId === right.customerId &&
        left.ownedAsOf === right.ownedAsOf
    : left.kind === 'subject' && right.kind === 'subject' && left.subject === right.subject;
}

const areSame = (left: readonly Interval[], right: readonly Interval[]): boolean =>
  left === right ||
  (left.length === right.length &&
    left.every(
      ({ start, end }, index) =>
        start.getTime() === right[index]?.start.getTime() &&
        end.getTime() === right[index].end.getTime(),
    ));

function sharingStatement(asked: readonly Asked[], parameters: Parameters): string {
  const questions = asked.map(({ question }) => question);
  const [first] = asked;
  if (first === undefined) {
    throw new RangeError('A statement answers a question at least');
  }
  const shared: Shared = { buckets: new Buckets(first.question.buckets, parameters) };
  const { buckets } = shared;
  const kept = questions.filter(mayBeKept);
  const storages = questions.map(({ meter }) => storageOf(meter.aggregation));
  const isMerged = storages.includes('extremes');
  const isAdded = storages.includes('sums') || storages.includes('values');
  const ctes = [
    spans(first.question, buckets, parameters),
    meterStates(
      questions.map(({ meter }) => meter),
      parameters,
    ),
    ...(isMerged ? [DIRTY] : []),
    sharedEvents(buckets, { isAdded, isMerged }),
    ...(kept.length === 0 ? [] : [keptFigures(kept, buckets, parameters)]),
  ];
  const placed = questions.map((question, place) => ({ question, place }));
  const sums = placed.filter(({ question }) => isPlainSum(question));
  const areOne = sums.length > 1;
  const answers = placed
    .filter((one) => !areOne || !sums.includes(one))
    .map(({ question, place }) => {
      const number = parameters.add(question.meter.number);
      const answer = usageStatement(question, first.basis, parameters, shared);
      return `${row(String(place), 'state.is_lacking')}
      FROM (SELECT is_lacking FROM meter_state WHERE number = ${number}) AS state
      LEFT JOIN (${answer}) AS answer ON true`;
    });
  const together = areOne ? [sumsAsOne(sums, buckets, parameters)] : [];
  return `WITH ${ctes.join(', ')}\n${union([...answers, ...together])}`;
}

function sumsAsOne(sums: readonly Placed[], buckets: Buckets, parameters: Parameters): string {
  const places = parameters.add(sums.map(({ place }) => place));
  const numbers = parameters.add(sums.map(({ question }) => question.meter.number));
  return `${row('asked.place', 'state.is_lacking')}
    FROM unnest(${places}::int[], ${numbers}::int[]) AS asked (place, number)
    JOIN meter_state AS state ON state.number = asked.number
    LEFT JOIN (${sumsStatement(sums, buckets, parameters)}) AS answer ON answer.place = asked.place`;
}
