import { type CustomerSubject } from '../../customers/customer.js';
import { type SubjectSpan } from '../../events/subject-span.js';
import { type Interval } from '../../kernel/interval.js';

/** When subjects were owned within spans that do not overlap: whose events are billed there. */
export function ownedWithin(
  subjects: readonly CustomerSubject[],
  spans: readonly Interval[],
): SubjectSpan[] {
  return subjects.flatMap(({ subject, startsAt, endsAt }) =>
    spans.flatMap((span) => {
      const start = startsAt !== null && startsAt > span.start ? startsAt : span.start;
      const end = endsAt !== null && endsAt < span.end ? endsAt : span.end;
      return start < end ? [{ subject, start, end }] : [];
    }),
  );
}
