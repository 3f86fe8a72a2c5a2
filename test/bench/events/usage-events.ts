/* The events that every way of storing gets: the same whoever makes them, in whichever process. */

export interface BenchEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly data: {
    readonly status: number;
    readonly bytes: number;
    readonly region: string;
    readonly payload?: string;
  };
}

export interface EventShape {
  /** How many subjects there are; up to a thousand by Zipf's law, more of them evenly. */
  readonly subjects: number;
  /** Bytes of an event as JSON: 190, or as many more as a text within it has. */
  readonly bytes: number;
}

/** By this alone events are made, and made again when they are to be repeated. */
export interface EventSet {
  readonly shape: EventShape;
  /** In every id; no other set may have it. */
  readonly run: string;
  readonly count: number;
  /** The times of all events lie in the hour before; milliseconds of Unix time. */
  readonly endMs: number;
}

/** Events that are new, some of which are replaced by events of a set that was sent before. */
export interface EventStream {
  readonly fresh: EventSet;
  readonly repeats: EventSet | null;
  /** How many of a hundred events are repeats. */
  readonly repeatPercent: number;
}

const PLAIN_BYTES = 190;
const MAX_ZIPF_SUBJECTS = 1_000;
const REGIONS = ['eu', 'us', 'ap'];
const HOUR_MS = 3_600_000;

/** A small generator of its own (mulberry32), so that every run has the same events. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function seedOf(run: string): number {
  let seed = 0;
  for (const character of run) {
    seed = Math.imul(seed, 31) + (character.codePointAt(0) ?? 0);
  }
  return seed;
}

/** Which subject is meant by a share between 0 and 1. */
function chooserOf(subjects: number): (share: number) => number {
  if (subjects > MAX_ZIPF_SUBJECTS) {
    return (share) => Math.floor(share * subjects);
  }
  let sum = 0;
  const sums = Array.from({ length: subjects }, (_, index) => (sum += 1 / (index + 1)));
  return (share) => {
    let low = 0;
    let high = subjects - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] ?? sum) < share * sum) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  };
}

/** Text that does not repeat itself, so that PostgreSQL stores what it has to. */
function payloadOf(length: number, random: () => number): string {
  let text = '';
  while (text.length < length) {
    text += Math.floor(random() * 2 ** 32).toString(36);
  }
  return text.slice(0, length);
}

/** The events of a set, in order. */
export function makeEvents({ shape, run, count, endMs }: EventSet): BenchEvent[] {
  const random = randomFrom(seedOf(run));
  const choose = chooserOf(shape.subjects);
  const digits = Math.max(4, String(shape.subjects - 1).length);
  const extraBytes = shape.bytes - PLAIN_BYTES;
  return Array.from({ length: count }, (_, index) => ({
    id: `${run}-${index.toString(36).padStart(8, '0')}`,
    source: 'bench-gateway',
    type: 'api.request',
    subject: `key_${String(choose(random())).padStart(digits, '0')}`,
    time: new Date(endMs - Math.floor(random() * HOUR_MS)).toISOString(),
    data: {
      status: random() < 0.95 ? 200 : 500,
      bytes: Math.floor(random() * 20_000),
      region: REGIONS[Math.floor(random() * REGIONS.length)] ?? 'eu',
      ...(extraBytes > 0 && { payload: payloadOf(extraBytes, random) }),
    },
  }));
}

/** How many events of the stream were sent before. */
export function repeatsIn({ fresh, repeats, repeatPercent }: EventStream): number {
  if (repeats === null) {
    return 0;
  }
  let count = 0;
  for (let index = 0; index < fresh.count; index += 1) {
    count += isRepeat(index, repeatPercent) ? 1 : 0;
  }
  return count;
}

/** The events of a stream, its repeats spread evenly over it. */
export function makeStream(stream: EventStream): BenchEvent[] {
  const events = makeEvents(stream.fresh);
  const known = stream.repeats === null ? [] : makeEvents(stream.repeats);
  let next = 0;
  return events.map((event, index) =>
    known.length > 0 && isRepeat(index, stream.repeatPercent)
      ? (known[next++ % known.length] ?? event)
      : event,
  );
}

/** Whether the running total of repeats grows at this position. */
function isRepeat(index: number, percent: number): boolean {
  return Math.floor(((index + 1) * percent) / 100) > Math.floor((index * percent) / 100);
}
