/** What metering still has to do of some meters in a window. */
export interface UsageBacklog {
  /** Batches that no meter has counted yet; at most MAX_BATCHES_COUNTED are counted. */
  readonly batchCount: number;
  /** When the oldest of them came; null when there is none. */
  readonly oldestReceivedAt: Date | null;
  /** Meters whose history is still being brought in, or that are failing. */
  readonly meterIds: readonly string[];
  /** Rebuilds that have not come past the window. */
  readonly rebuildIds: readonly string[];
}

/** More are not told apart: it is a backlog. */
export const MAX_BATCHES_COUNTED = 1_000;
