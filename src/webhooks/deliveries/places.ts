/*
 * How the calls that a process has under way are shared out, so that receivers which take their time fill no
 * place that others need. Of whom nothing is known has a place among the quick for SLOW_MS; then the call goes
 * on among the slow, and its endpoint is sent more there only, until a call of it was quick again. So the
 * quick wait for at most that long, whoever holds how many calls open. Known by this process alone: it costs
 * no write, and a process that begins learns it within a second.
 */

/** `failing`: to endpoints whose last attempt failed; `slow`: to those that take long now. */
export type Pool = 'quick' | 'slow' | 'failing';

/** Calls under way in each at once; the quick ones are forty endpoints at their usual cap. */
export const PLACES: Readonly<Record<Pool, number>> = { quick: 200, slow: 100, failing: 100 };
/**
 * Of all together: calls that have become slow while they were under way go beyond their share, once for each
 * endpoint. Some 50 KB each.
 */
const MAX_CALLS = 1_000;
/** A call that takes longer is slow. Receivers are asked to answer at once and work afterwards. */
export const SLOW_MS = 500;
/** More endpoints cannot be in use; those that were deleted are forgotten first. */
const MAX_KNOWN = 1_000;

interface Call {
  readonly endpointId: string;
  pool: Pool;
  timer: NodeJS.Timeout | null;
}

export class Places {
  private readonly used: Record<Pool, number> = { quick: 0, slow: 0, failing: 0 };
  /** Endpoints that are slow, and how many of their calls under way have been so for long enough to tell. */
  private readonly slow = new Map<string, number>();

  /** @param onFreed is told when the place of a call is free that has not ended; must not throw */
  constructor(
    private readonly onFreed: () => void,
    private readonly slowMs: number = SLOW_MS,
  ) {}

  /** How many calls may be started. */
  free(pool: Pool): number {
    const all = this.used.quick + this.used.slow + this.used.failing;
    return Math.max(Math.min(PLACES[pool] - this.used[pool], MAX_CALLS - all), 0);
  }

  /** Endpoints to which calls are to be started among the slow only. */
  slowEndpoints(): string[] {
    return [...this.slow.keys()];
  }

  /** Takes a place for a call that starts now; answers how it is given back, once, when the call has ended. */
  take(endpointId: string, pool: Pool): () => void {
    const call: Call = { endpointId, pool, timer: null };
    this.used[pool] += 1;
    if (pool !== 'failing') {
      call.timer = setTimeout(() => {
        this.slowDown(call);
      }, this.slowMs);
    }
    return () => {
      this.giveBack(call);
    };
  }

  private slowDown(call: Call): void {
    const { endpointId, pool } = call;
    call.timer = null;
    this.used[pool] -= 1;
    call.pool = 'slow';
    this.used.slow += 1;
    const before = this.slow.get(endpointId) ?? 0;
    this.slow.delete(endpointId);
    this.slow.set(endpointId, before + 1);
    const [oldest] = this.slow.keys();
    if (this.slow.size > MAX_KNOWN && oldest !== undefined) {
      this.slow.delete(oldest);
    }
    this.onFreed();
  }

  private giveBack({ endpointId, pool, timer }: Call): void {
    this.used[pool] -= 1;
    const others = this.slow.get(endpointId);
    if (timer !== null) {
      clearTimeout(timer);
      if (others === 0) {
        this.slow.delete(endpointId);
      }
    } else if (pool === 'slow' && others !== undefined) {
      this.slow.set(endpointId, Math.max(others - 1, 0));
    }
  }
}
