import { createHmac } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Event } from './objects.js';

export interface WebhookSettings {
  /** Where events go; null sends none. */
  url: string | null;
  /** Each adds a `v1` signature, as while a secret is rolled. */
  secrets: string[];
  /** `hold` keeps events until `deliver`. */
  mode: 'immediate' | 'hold';
  /** How often each event is sent. */
  copies: number;
  /** Out of order: at `deliver` the held events are shuffled, else each waits up to `shuffleWindowMs`. */
  shuffle: boolean;
  shuffleWindowMs: number;
  /** How long each event waits before it is sent. */
  delayMs: number;
  /** Attempts for each copy until 2xx; the wait doubles from `backoffMs`. */
  maxAttempts: number;
  backoffMs: number;
  timeoutMs: number;
  /** Moves the signed time, to try the receiver's tolerance. */
  timestampOffsetSeconds: number;
}

/** One attempt to deliver; `status` is null when no answer came. */
export interface Delivery {
  event: string;
  type: string;
  attempt: number;
  status: number | null;
  at: number;
}

interface Queued {
  event: Event;
  payload: string;
  attempt: number;
  dueAt: number;
}

/** Bound of the log of attempts. */
const MAX_DELIVERIES = 10_000;

/** The `Stripe-Signature` header: HMAC-SHA256 over `<seconds>.<payload>`, once for each secret. */
function signatureHeader(payload: string, secrets: string[], seconds: number): string {
  const signatures = secrets.map(
    (secret) => `v1=${createHmac('sha256', secret).update(`${seconds}.${payload}`).digest('hex')}`,
  );
  return [`t=${seconds}`, ...signatures].join(',');
}

/** Sends events to one endpoint, one at a time, in order unless told otherwise. */
export class Webhooks {
  readonly settings: WebhookSettings = {
    url: null,
    secrets: [],
    mode: 'immediate',
    copies: 1,
    shuffle: false,
    shuffleWindowMs: 200,
    delayMs: 0,
    maxAttempts: 4,
    backoffMs: 100,
    timeoutMs: 5000,
    timestampOffsetSeconds: 0,
  };
  readonly deliveries: Delivery[] = [];
  /** Told of each first success for an event. */
  onDelivered: (event: Event) => void = () => undefined;
  private staged: Event[] = [];
  private queue: Queued[] = [];
  private sending: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private random = seededRandom(1);
  private readonly closing = new AbortController();

  /** Takes note of an event; returns to how many endpoints it will go. */
  stage(event: Event): number {
    if (this.settings.url === null) {
      return 0;
    }
    this.staged.push(event);
    return 1;
  }

  /** The events noted since the last call. */
  takeStaged(): Event[] {
    const events = this.staged;
    this.staged = [];
    return events;
  }

  /** Queues events whose cause is safe, and sends what is due. */
  release(events: Event[]): void {
    for (const event of events) {
      const payload = JSON.stringify({ ...event, pending_webhooks: 1 }, null, 2);
      for (let copy = 0; copy < this.settings.copies; copy += 1) {
        this.enqueue({ event, payload, attempt: 1, dueAt: this.firstDue() });
      }
    }
    this.start();
  }

  /** Sends what is due, now or by a timer. */
  private start(): void {
    clearTimeout(this.timer);
    const [next] = this.queue;
    const isHeld = next === undefined || next.dueAt === Infinity;
    if (isHeld || this.closing.signal.aborted || this.sending !== undefined) {
      return;
    }
    const wait = next.dueAt - Date.now();
    if (wait > 0) {
      this.timer = setTimeout(() => this.start(), wait);
      return;
    }
    this.sending = this.sendDue().finally(() => {
      this.sending = undefined;
      this.start();
    });
  }

  /** Sends everything held or waiting, once, and returns the attempts made. */
  async deliver(): Promise<Delivery[]> {
    clearTimeout(this.timer);
    await this.sending;
    const before = this.deliveries.length;
    const batch = this.queue;
    this.queue = [];
    for (const queued of this.settings.shuffle ? this.shuffled(batch) : batch) {
      await this.send(queued);
    }
    this.start();
    return this.deliveries.slice(before);
  }

  /** How many copies still wait to be sent. */
  waiting(): number {
    return this.queue.length;
  }

  async close(): Promise<void> {
    this.closing.abort();
    clearTimeout(this.timer);
    this.queue = [];
    await this.sending;
  }

  private async sendDue(): Promise<void> {
    for (;;) {
      const [next] = this.queue;
      if (next === undefined || next.dueAt > Date.now() || this.closing.signal.aborted) {
        return;
      }
      this.queue.shift();
      await this.send(next);
    }
  }

  private async send(queued: Queued): Promise<void> {
    const { event, attempt } = queued;
    const status = await this.post(queued.payload);
    this.deliveries.push({ event: event.id, type: event.type, attempt, status, at: Date.now() });
    this.deliveries.splice(0, this.deliveries.length - MAX_DELIVERIES);
    if (status !== null && status >= 200 && status < 300) {
      if (event.pending_webhooks > 0) {
        event.pending_webhooks = 0;
        this.onDelivered(event);
      }
    } else if (attempt < this.settings.maxAttempts) {
      const wait = this.settings.backoffMs * 2 ** (attempt - 1);
      const dueAt = this.settings.mode === 'hold' ? Infinity : Date.now() + wait;
      this.enqueue({ ...queued, attempt: attempt + 1, dueAt });
    }
  }

  /** Posts one signed payload; a redirect is an answer like any other. */
  private async post(payload: string): Promise<number | null> {
    const { url, secrets, timeoutMs, timestampOffsetSeconds } = this.settings;
    if (url === null) {
      return null;
    }
    const seconds = Math.floor(Date.now() / 1000) + timestampOffsetSeconds;
    const options = {
      method: 'POST',
      agent: false,
      timeout: timeoutMs,
      signal: this.closing.signal,
      headers: {
        'content-type': 'application/json; charset=utf-8',
        'content-length': Buffer.byteLength(payload),
        'stripe-signature': signatureHeader(payload, secrets, seconds),
        'user-agent': 'Stripe/1.0 (+https://stripe.com/docs/webhooks)',
      },
    };
    return await new Promise((resolve) => {
      const send = url.startsWith('https:') ? httpsRequest : httpRequest;
      const request = send(url, options, (response) => {
        response.resume();
        response.on('close', () => resolve(response.statusCode ?? null));
      });
      request.on('timeout', () => request.destroy());
      request.on('error', () => resolve(null));
      request.end(payload);
    });
  }

  private firstDue(): number {
    const { mode, delayMs, shuffle, shuffleWindowMs } = this.settings;
    if (mode === 'hold') {
      return Infinity;
    }
    return Date.now() + delayMs + (shuffle ? this.random() * shuffleWindowMs : 0);
  }

  /** The queue is in the order of what is due, and of what is due at once as it came. */
  private enqueue(queued: Queued): void {
    const later = this.queue.findLastIndex(({ dueAt }) => dueAt <= queued.dueAt) + 1;
    this.queue.splice(later, 0, queued);
  }

  /** Another order than the given one, the same in every run. */
  private shuffled(batch: Queued[]): Queued[] {
    const order = batch
      .map((queued) => ({ queued, key: this.random() }))
      .toSorted((a, b) => a.key - b.key)
      .map(({ queued }) => queued);
    const unchanged = order.every((queued, index) => queued === batch[index]);
    return unchanged ? order.toReversed() : order;
  }
}

/** A small generator of even numbers in [0, 1) (mulberry32), so that a shuffle can be repeated. */
function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
