import { type Interval } from '../kernel/interval.js';

/** A subject within a span of the times of its events. */
export interface SubjectSpan extends Interval {
  readonly subject: string;
}

/** The same without a begin (null: since ever) or an end. */
export interface OwnedSpan {
  readonly subject: string;
  readonly start: Date | null;
  readonly end: Date | null;
}

/** As the three arrays that a statement unnests. */
export function spanColumns(spans: readonly SubjectSpan[]): [string[], Date[], Date[]] {
  return [
    spans.map(({ subject }) => subject),
    spans.map(({ start }) => start),
    spans.map(({ end }) => end),
  ];
}
