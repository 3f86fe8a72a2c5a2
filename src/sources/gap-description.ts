/* How gaps are shown, in lists and in messages. Pure. */
import { type MessageContent } from '../webhooks/webhook-message.js';
import { type DueCount, type Gap } from './announced-count.js';
import { type SequenceGap } from './sequences/sequence-gaps.store.js';

/** Ranges of missing numbers that are shown of a gap, so that answers and messages stay small. */
const MAX_RANGES_SHOWN = 100;

export interface CountGapDescription {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly announced: number;
  readonly stored: number;
  readonly missing: number;
  readonly since: string;
}

export interface SequenceGapDescription {
  readonly id: string;
  readonly counter: string;
  readonly ranges: { first: string; last: string }[];
  readonly missing: number;
  readonly since: string;
}

/** What is missing, or too much, of a window. */
export function describeCountGap({ announced, stored, missing, since }: Gap): CountGapDescription {
  return {
    id: announced.id,
    from: announced.from.toISOString(),
    to: announced.to.toISOString(),
    announced: announced.count,
    stored,
    missing,
    since: since.toISOString(),
  };
}

/** What is missing of a counter. A gap holds far less than 2^53 numbers: a jump is a billion at most. */
export function describeSequenceGap(gap: SequenceGap): SequenceGapDescription {
  const ranges = gap.missing.ranges.slice(0, MAX_RANGES_SHOWN);
  return {
    id: gap.id,
    counter: gap.counter,
    ranges: ranges.map(({ first, end }) => ({
      first: first.toString(),
      last: (end - 1n).toString(),
    })),
    missing: Number(gap.missing.count),
    since: gap.foundAt.toISOString(),
  };
}

/** What is told when a gap is found, or has closed. */
export function gapMessage(
  state: 'found' | 'closed',
  { id: source, key, name }: DueCount['source'],
  shown:
    | (CountGapDescription & { readonly kind: 'announced' })
    | (SequenceGapDescription & { readonly kind: 'sequence' }),
  occurredAt: Date,
): MessageContent {
  const { id: gap, ...rest } = shown;
  const data = { source, key, name, gap, ...rest };
  return { type: state === 'found' ? 'source.gap_found' : 'source.gap_closed', data, occurredAt };
}
