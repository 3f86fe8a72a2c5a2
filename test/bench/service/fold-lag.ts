/* How long batches are pending, seen from outside: by asking the database again and again. */
import { Client } from 'pg';

/** As exact as the figures are, and as dear: a hundredth of a core. */
const POLL_MS = 10;
/** Batches may commit in another order than that of their numbers, by as many as commit at once. */
const OUT_OF_ORDER = 20n;

/** Over events: a batch of a thousand weighs as much as a thousand of one. */
export interface FoldLag {
  readonly batches: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

interface Watched {
  readonly events: number;
  /** When it was not there yet: its requests were answered after that. */
  readonly notBefore: number;
  /** When it was folded for certain. */
  foldedBy: number | null;
}

/** Watches the batches that are stored from now on; the lags are upper bounds. */
export async function watchFolds(databaseUrl: string): Promise<{ stop(): Promise<FoldLag> }> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  const batches = new Map<string, Watched>();
  const { rows } = await client.query<{ last: string }>(
    'SELECT coalesce(max(id), 0) AS last FROM ingest_batches',
  );
  const first = BigInt(rows[0]?.last ?? 0) + 1n;
  let from = first;
  let askedAt = performance.now();
  const look = async (): Promise<boolean> => {
    const startedAt = performance.now();
    const { rows: seen } = await client.query<{ id: string; events: number; is_folded: boolean }>(
      `SELECT id, event_count AS events, fold IS NOT NULL AS is_folded
       FROM ingest_batches WHERE id >= $1 ORDER BY id`,
      [from.toString()],
    );
    const now = performance.now();
    for (const { id, events, is_folded: isFolded } of seen) {
      const batch = batches.get(id) ?? { events, notBefore: askedAt, foldedBy: null };
      batch.foldedBy ??= isFolded ? now : null;
      batches.set(id, batch);
    }
    askedAt = startedAt;
    const pending = seen.find((row) => !row.is_folded);
    const reached = BigInt(pending?.id ?? seen.at(-1)?.id ?? first) - OUT_OF_ORDER;
    from = reached > from ? reached : from;
    return pending === undefined;
  };
  const stopping = new AbortController();
  const watching = (async () => {
    while (!((await look()) && stopping.signal.aborted)) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  })();
  // Whoever stops it hears of it; until then nobody listens.
  watching.catch(() => undefined);
  return {
    stop: async () => {
      stopping.abort();
      try {
        await watching;
      } finally {
        await client.end();
      }
      return lagOf([...batches.values()]);
    },
  };
}

function lagOf(batches: readonly Watched[]): FoldLag {
  const lags = batches
    .map(({ events, notBefore, foldedBy }) => ({ events, ms: (foldedBy ?? Infinity) - notBefore }))
    .toSorted((left, right) => left.ms - right.ms);
  const events = lags.reduce((sum, lag) => sum + lag.events, 0);
  const at = (share: number): number => {
    let passed = 0;
    return lags.find((lag) => (passed += lag.events) >= events * share)?.ms ?? 0;
  };
  return { batches: lags.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}
