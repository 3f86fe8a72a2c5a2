/*
 * Keeps the embedded PostgreSQL running: it is a process of its own, which the kernel or a person
 * may end alone. What was committed is there after the start, and everybody's pools connect again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Log } from '../log.js';
import { StartError } from '../start-error.js';
import { type RunningPostgres } from './embedded-postgres.js';

const LOOK_MS = 500;
/**
 * PostgreSQL does not start while a process of the dead server still runs a statement; that may
 * take as long as STATEMENT_TIMEOUT_MS allows, and half as long again is patience.
 */
const PATIENCE_MS = 90_000;

export interface PostgresGuard {
  /** Rejects with a StartError when PostgreSQL has ended and cannot be started again. */
  readonly lost: Promise<void>;
  /** Guards no longer; call before the server is stopped. */
  stop(): Promise<void>;
}

/** Starts the server again whenever it has ended, until told to stop. */
export function guardPostgres(
  postgres: RunningPostgres,
  log: Log,
  patienceMs = PATIENCE_MS,
): PostgresGuard {
  const stopping = new AbortController();
  const lost = guard(postgres, log, patienceMs, stopping.signal);
  // Whoever does not wait for it learns of it by other ways.
  lost.catch(() => undefined);
  return {
    lost,
    stop: async () => {
      stopping.abort();
      await lost.catch(() => undefined);
    },
  };
}

async function guard(
  postgres: RunningPostgres,
  log: Log,
  patienceMs: number,
  signal: AbortSignal,
): Promise<void> {
  let seenAt = performance.now();
  while (!signal.aborted) {
    const error = await look(postgres, log);
    if (error === null) {
      seenAt = performance.now();
    } else if (performance.now() - seenAt > patienceMs) {
      throw new StartError(
        `The embedded PostgreSQL has ended and cannot be started again. ${error.message}`,
        { cause: error },
      );
    }
    await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** Starts the server if it has ended; answers why that failed, null when it runs. */
async function look(postgres: RunningPostgres, log: Log): Promise<Error | null> {
  if (await postgres.isRunning()) {
    return null;
  }
  try {
    await postgres.restart();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
  log.problem('database.restarted', 'The embedded PostgreSQL had ended; it runs again.');
  return null;
}
