/* Statements that are ended when nobody waits for them any more. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type DataSource } from 'typeorm';

/** A statement is on its way for so long at most, unless the machine stands still. */
const CANCEL_AGAIN_MS = 1_000;

interface Session {
  /** Its other connections do the cancelling. */
  readonly dataSource: DataSource;
  readonly pid: number;
  readonly signal: AbortSignal;
}

/**
 * Runs the steps; when the signal aborts, whatever statement of theirs their session does is cancelled from another one, and this
 * throws the signal's reason. Settles when no cancellation is on its way any more: it would meet what the session does next.
 */
export async function cancelling<Result>(
  session: Session,
  run: () => Promise<Result>,
): Promise<Result> {
  const { signal } = session;
  const over = new AbortController();
  let cancelled: Promise<void> = Promise.resolve();
  const cancel = (): void => {
    cancelled = cancelUntil(over.signal, session);
  };
  signal.throwIfAborted();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    return await run();
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', cancel);
    over.abort();
    await cancelled;
  }
}

/** Again and again: what comes to a session before the statement that it is meant for does nothing. */
async function cancelUntil(over: AbortSignal, { dataSource, pid }: Session): Promise<void> {
  while (!over.aborted) {
    // Where that fails, too, the session's own limits end it.
    await dataSource.query('SELECT pg_cancel_backend($1)', [pid]).catch(() => undefined);
    await sleep(CANCEL_AGAIN_MS, undefined, { signal: over }).catch(() => undefined);
  }
}
