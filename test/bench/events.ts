/* The events that every way of storing gets: the same sizes, subjects and values. */

export interface BenchEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly data: { status: number; bytes: number; region: string };
}

const SUBJECTS = 1_000;
const REGIONS = ['eu', 'us', 'ap'];

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

/** Cumulative shares of subjects by Zipf's law with exponent 1. */
const SHARES = ((): number[] => {
  let sum = 0;
  const sums = Array.from({ length: SUBJECTS }, (_, index) => (sum += 1 / (index + 1)));
  return sums.map((value) => value / sum);
})();

function subjectAt(share: number): string {
  let low = 0;
  let high = SUBJECTS - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((SHARES[middle] ?? 1) < share) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return `key_${String(low).padStart(4, '0')}`;
}

/** `count` events of about 190 bytes of JSON, all new, of 1,000 subjects. */
export function benchEvents(count: number, run: string): BenchEvent[] {
  const random = randomFrom(count);
  const start = Date.now() - 3_600_000;
  return Array.from({ length: count }, (_, index) => ({
    id: `${run}-${index.toString(36).padStart(8, '0')}`,
    source: 'bench-gateway',
    type: 'api.request',
    subject: subjectAt(random()),
    time: new Date(start + Math.floor(random() * 3_600_000)).toISOString(),
    data: {
      status: random() < 0.95 ? 200 : 500,
      bytes: Math.floor(random() * 20_000),
      region: REGIONS[Math.floor(random() * REGIONS.length)] ?? 'eu',
    },
  }));
}
