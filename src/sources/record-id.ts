/*
 * Ids for records that have none: a hash of what a record says, so that it is the same when the
 * record is sent again. Equal records of one request are told apart by their order among each other,
 * which a retry of the request keeps.
 */
import { hash } from 'node:crypto';
import { isLosslessNumber } from 'lossless-json';
import { OutOfRangeNumber } from '../events/usage-event.js';
import { decimal, formatDecimal } from '../kernel/decimal.js';

/** 160 bits: nobody's records meet by chance. */
const HASH_LENGTH = 40;

/** The ids of the records of one request. */
export class RecordIds {
  private readonly seen = new Map<string, number>();

  /** @param requestKey what the request is known by when it is sent again, if its sender says */
  constructor(private readonly requestKey: string | null = null) {}

  /** The id of a record that has none of its own. */
  next(record: unknown): string {
    const text = this.requestKey ?? canonical(record);
    const digest = hash('sha256', text, 'hex').slice(0, HASH_LENGTH);
    const occurrence = (this.seen.get(digest) ?? 0) + 1;
    this.seen.set(digest, occurrence);
    return occurrence === 1 ? `rec_${digest}` : `rec_${digest}-${occurrence}`;
  }
}

/**
 * One text for all ways to write the same record. Whether numbers were kept as text depends on the
 * other records of a request, so `1.0` and `1` must be the same here.
 */
function canonical(value: unknown): string {
  if (typeof value === 'number') {
    return formatDecimal(decimal(String(value)));
  }
  if (value instanceof OutOfRangeNumber) {
    // Writing it out could take more memory than there is.
    return value.value;
  }
  if (isLosslessNumber(value)) {
    return formatDecimal(decimal(value.value));
  }
  if (Array.isArray(value)) {
    return `[${value.map(canonical).join(',')}]`;
  }
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).toSorted(([left], [right]) => (left < right ? -1 : 1));
    return `{${members.map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`).join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}
