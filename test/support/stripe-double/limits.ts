import { tooManyRequests } from './errors.js';

export interface LimitSettings {
  /** Requests a second to one endpoint before `endpoint-rate`; 0 is no limit. Stripe's default is 25. */
  endpointPerSecond: number;
  /** Requests a second in all before `global-rate`; 0 is no limit. Stripe's sandbox has 25. */
  globalPerSecond: number;
  /** Requests at once to one endpoint before `endpoint-concurrency`; 0 is no limit. */
  endpointConcurrency: number;
  /** How long each mutation takes, with its objects locked. */
  latencyMs: number;
  /** Whether two mutations of one customer or invoice at once give `lock_timeout`. */
  locks: boolean;
  /** Whether a `lock_timeout` is kept under its idempotency key, as was seen in the field. */
  keepLockTimeouts: boolean;
}

/** The most mutations seen at once, by customer or invoice. */
export interface Concurrency {
  max: number;
  byObject: Record<string, number>;
}

/** Requests to one endpoint since the start. */
export interface CallCount {
  admitted: number;
  /** Answered 429 by a limit; faults and locks are not counted here. */
  limited: number;
}

const SECOND_MS = 1000;

/** Rate limits (before the idempotency layer) and object locks (after it). */
export class Limits {
  readonly settings: LimitSettings = {
    endpointPerSecond: 0,
    globalPerSecond: 0,
    endpointConcurrency: 0,
    latencyMs: 0,
    locks: true,
    keepLockTimeouts: false,
  };
  private readonly arrivals = new Map<string, number[]>();
  private readonly running = new Map<string, number>();
  private readonly locked = new Set<string>();
  private readonly present = new Map<string, number>();
  private readonly most = new Map<string, number>();
  private readonly counts = new Map<string, CallCount>();

  constructor(private readonly clock: () => number) {}

  /** Lets a request in or throws a 429; the returned function ends it. */
  admit(endpoint: string): () => void {
    const count = this.countOf(endpoint);
    count.limited += 1;
    this.check(endpoint);
    count.limited -= 1;
    count.admitted += 1;
    this.arrivedOf('').push(this.clock());
    this.arrivedOf(endpoint).push(this.clock());
    this.running.set(endpoint, (this.running.get(endpoint) ?? 0) + 1);
    return () => this.running.set(endpoint, (this.running.get(endpoint) ?? 1) - 1);
  }

  /** How often each endpoint was called. */
  calls(): Record<string, CallCount> {
    return Object.fromEntries(
      [...this.counts].map(([endpoint, count]) => [endpoint, { ...count }]),
    );
  }

  private check(endpoint: string): void {
    const { endpointConcurrency, endpointPerSecond, globalPerSecond } = this.settings;
    if (globalPerSecond > 0 && this.arrivedOf('').length >= globalPerSecond) {
      throw tooManyRequests('global-rate');
    }
    if (endpointPerSecond > 0 && this.arrivedOf(endpoint).length >= endpointPerSecond) {
      throw tooManyRequests('endpoint-rate');
    }
    const running = this.running.get(endpoint) ?? 0;
    if (endpointConcurrency > 0 && running >= endpointConcurrency) {
      throw tooManyRequests('endpoint-concurrency');
    }
  }

  /** Counts a mutation of these objects; the returned function ends it. */
  enter(objects: string[]): () => void {
    for (const object of objects) {
      const count = (this.present.get(object) ?? 0) + 1;
      this.present.set(object, count);
      this.most.set(object, Math.max(count, this.most.get(object) ?? 0));
    }
    return () => {
      for (const object of objects) {
        this.present.set(object, (this.present.get(object) ?? 1) - 1);
      }
    };
  }

  /** Locks all these objects or throws `lock_timeout`; the returned function unlocks them. */
  lock(objects: string[]): () => void {
    if (this.settings.locks && objects.some((object) => this.locked.has(object))) {
      throw tooManyRequests('lock_timeout');
    }
    for (const object of objects) {
      this.locked.add(object);
    }
    return () => {
      for (const object of objects) {
        this.locked.delete(object);
      }
    };
  }

  concurrency(): Concurrency {
    return {
      max: Math.max(0, ...this.most.values()),
      byObject: Object.fromEntries(this.most),
    };
  }

  resetConcurrency(): void {
    this.most.clear();
  }

  private countOf(endpoint: string): CallCount {
    const count = this.counts.get(endpoint) ?? { admitted: 0, limited: 0 };
    this.counts.set(endpoint, count);
    return count;
  }

  private arrivedOf(endpoint: string): number[] {
    const since = this.clock() - SECOND_MS;
    const recent = (this.arrivals.get(endpoint) ?? []).filter((instant) => instant > since);
    this.arrivals.set(endpoint, recent);
    return recent;
  }
}
