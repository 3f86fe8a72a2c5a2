/* Waits until a soak's service has nothing left to do, for as long as it gets on with it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client } from 'pg';

const LOOK_MS = 100;
const REPORT_MS = 10_000;
/** Patience for a busy machine: what does not get on for that long is stuck. */
const STUCK_MS = 120_000;

/** What is left to fold, to count of histories, to count anew, and to close; and how far each of it is. */
const LEFT = `SELECT
    (SELECT count(*) FROM ingest_batches WHERE fold IS NULL) AS batches,
    (SELECT count(*) FROM usage_backfills WHERE finished_at IS NULL) AS histories,
    (SELECT sum(done_through_batch) FROM usage_backfills WHERE finished_at IS NULL) AS histories_through,
    (SELECT count(*) FROM usage_rebuilds WHERE finished_at IS NULL) AS rebuilds,
    (SELECT sum(event_count) FROM usage_rebuilds WHERE finished_at IS NULL) AS events_rebuilt,
    (SELECT count(*) FROM billing_periods
      WHERE state = 'open' AND closes_at < now() - interval '1 minute') AS periods`;

interface Left {
  readonly batches: string;
  readonly histories: string;
  readonly rebuilds: string;
  readonly periods: string;
}

/** @throws Error that says what is left when nothing of it gets less for two minutes */
export async function settled(client: Client, report: (line: string) => void): Promise<void> {
  const startedAt = performance.now();
  let [reportedAt, changedAt, before] = [startedAt, startedAt, ''];
  for (;;) {
    const { rows } = await client.query<Left>(LEFT);
    const { batches, histories, rebuilds, periods } = rows[0]!;
    if ([batches, histories, rebuilds, periods].every((count) => count === '0')) {
      return;
    }
    const left = JSON.stringify(rows[0]);
    const now = performance.now();
    changedAt = left === before ? changedAt : now;
    before = left;
    if (now - changedAt > STUCK_MS) {
      throw new Error(`Nothing got on for ${STUCK_MS} ms: ${left}`);
    }
    if (now - reportedAt > REPORT_MS) {
      reportedAt = now;
      report(
        `  left after ${Math.round((now - startedAt) / 1_000)} s: ${batches} batches to fold, ` +
          `${histories} histories, ${rebuilds} rebuilds, ${periods} periods`,
      );
    }
    await sleep(LOOK_MS);
  }
}
