/* Which lines of a period may be billed before its end: pure. */
import { type RatedLine } from './rating.service.js';

const isOpenEnded = ({ measured }: RatedLine): boolean =>
  measured?.meter.aggregation.kind === 'time_weighted_sum';

/**
 * Usage, and what the maximum of the invoice takes off it. Fees and the minimum are of the whole period and
 * wait for its end. So does a level over time, which goes on growing without any event: it could not be
 * computed again as it was. A maximum depends on all of the period, so with such a price and a maximum
 * that is reached nothing is billed early.
 */
export function earlyLines(lines: readonly RatedLine[]): RatedLine[] {
  const limits = lines.filter(
    ({ charge, amountMinor }) => charge.kind === 'maximum' && amountMinor !== 0n,
  );
  if (limits.length > 0 && lines.some(isOpenEnded)) {
    return [];
  }
  return [
    ...lines.filter((line) => line.charge.kind === 'usage' && !isOpenEnded(line)),
    // One that was billed and is reached no longer has to be taken back.
    ...lines.filter(({ charge }) => charge.kind === 'maximum'),
  ];
}
