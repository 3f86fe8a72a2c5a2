import { invalid, StripeError } from './errors.js';
import type { Reply } from './reply.js';

/** The first answer to a key, and what asked for it. */
export interface StoredReply {
  endpoint: string;
  fingerprint: string;
  requestId: string;
  status: number;
  body: string;
  /** When it was kept, ms. */
  at?: number;
}

interface KeyedRequest {
  key: string;
  endpoint: string;
  fingerprint: string;
}

const MAX_KEY_LENGTH = 255;

/**
 * Stripe's idempotency layer for v1 (https://docs.stripe.com/api/idempotent_requests): the first status
 * and body of a key are replayed, whatever they were; what was refused before execution began is not
 * kept; a key in use answers 409. Keys live until they are expired on demand.
 */
export class Idempotency {
  private readonly inUse = new Set<string>();

  constructor(
    private readonly replies: Map<string, StoredReply>,
    private readonly clock: () => number = Date.now,
  ) {}

  /** The reply to replay; or undefined, and the key is in use until `end`. */
  begin(request: KeyedRequest): Reply | undefined {
    const { key } = request;
    if (key.length > MAX_KEY_LENGTH) {
      throw invalid(`Idempotency keys can have up to ${MAX_KEY_LENGTH} characters.`);
    }
    if (this.inUse.has(key)) {
      throw new StripeError(
        409,
        `There is currently another in-progress request using this Idempotent Key (that probably ` +
          `means you submitted twice, and the other request is still going through): ${key}. ` +
          'Please try again later.',
        { code: 'idempotency_key_in_use' },
      );
    }
    const stored = this.replies.get(key);
    if (stored === undefined) {
      this.inUse.add(key);
      return undefined;
    }
    assertSameRequest(stored, request);
    return {
      status: stored.status,
      body: stored.body,
      headers: {
        'idempotent-replayed': 'true',
        'original-request': stored.requestId,
        ...(stored.status >= 400 ? { 'stripe-should-retry': 'false' } : {}),
      },
      replayed: true,
    };
  }

  /** Keeps a reply for replay. */
  keep({ key, ...request }: KeyedRequest, reply: Reply, requestId: string): void {
    const { status, body } = reply;
    this.replies.set(key, { ...request, requestId, status, body, at: this.clock() });
  }

  end(key: string): void {
    this.inUse.delete(key);
  }

  /** Forgets the replies kept for so long, as Stripe may after 24 hours; returns how many. */
  expire(olderThanMs: number): number {
    const until = this.clock() - olderThanMs;
    const old = [...this.replies].filter(([, { at = 0 }]) => at <= until);
    for (const [key] of old) {
      this.replies.delete(key);
    }
    return old.length;
  }
}

function assertSameRequest(
  stored: StoredReply,
  { key, endpoint, fingerprint }: KeyedRequest,
): void {
  if (stored.endpoint !== endpoint) {
    throw invalid(
      'Keys for idempotent requests can only be used for the same endpoint they were first used ' +
        `for ('${endpoint}' vs '${stored.endpoint}'). Try using a key other than '${key}' if you meant to ` +
        'execute a different request.',
      { type: 'idempotency_error' },
    );
  }
  if (stored.fingerprint !== fingerprint) {
    throw invalid(
      'Keys for idempotent requests can only be used with the same parameters they were first used ' +
        `with. Try using a key other than '${key}' if you meant to execute a different request.`,
      { type: 'idempotency_error' },
    );
  }
}
