import type { RateLimitReason } from './errors.js';

/**
 * What goes wrong with the next requests that match `method` and `path` (a regular expression over the
 * path without its query). `times` is how many (1), `skip` how many go well before (0).
 */
export type FaultOrder = {
  method?: string;
  path?: string;
  times?: number;
  skip?: number;
} & Fault;

export type Fault =
  /** The connection closes and nothing is done. */
  | { kind: 'drop_before' }
  /** All is done and kept for replay, then the connection closes without an answer. */
  | { kind: 'commit_then_drop' }
  /** All is done, but a 500 is answered and kept for replay. */
  | { kind: 'error_500_after_commit' }
  /** Nothing is done and a 500 is answered; kept for replay if `stored`. */
  | { kind: 'error_500_before'; stored?: boolean }
  /** Nothing is done and a 429 is answered; kept for replay if `stored`. */
  | { kind: 'error_429'; reason?: RateLimitReason; stored?: boolean }
  /** The answer takes `delayMs`, spent before the work (objects locked) or after it. */
  | { kind: 'slow'; delayMs: number; when?: 'before' | 'after' }
  /** Nothing is done and a load balancer's HTML page is answered. */
  | { kind: 'html_503' }
  /** Nothing is done and something in between answers 200 with JSON that is none of Stripe's. */
  | { kind: 'foreign_200' };

const KINDS: Record<Fault['kind'], true> = {
  drop_before: true,
  commit_then_drop: true,
  error_500_after_commit: true,
  error_500_before: true,
  error_429: true,
  slow: true,
  html_503: true,
  foreign_200: true,
};

export function isFaultKind(kind: unknown): kind is Fault['kind'] {
  return typeof kind === 'string' && Object.hasOwn(KINDS, kind);
}

interface Ordered {
  order: FaultOrder;
  path: RegExp;
  skip: number;
  left: number;
}

/** The faults ordered and not used up yet, first ordered first. */
export class FaultBook {
  private ordered: Ordered[] = [];

  order(order: FaultOrder): void {
    const { times = 1, skip = 0, path = '' } = order;
    this.ordered.push({ order, path: new RegExp(path), skip, left: times });
  }

  /** The fault for this request, counted as used. */
  take(method: string, path: string): Fault | undefined {
    const match = this.ordered.find(
      (entry) => (entry.order.method ?? method) === method && entry.path.test(path),
    );
    if (match === undefined) {
      return undefined;
    }
    if (match.skip > 0) {
      match.skip -= 1;
      return undefined;
    }
    match.left -= 1;
    this.ordered = this.ordered.filter((entry) => entry.left > 0);
    return match.order;
  }

  /** Orders with uses left, and how many. */
  pending(): (FaultOrder & { left: number })[] {
    return this.ordered.map(({ order, left }) => ({ ...order, left }));
  }

  clear(): void {
    this.ordered = [];
  }
}
