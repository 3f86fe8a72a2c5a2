/* Senders that never give up: each request is sent again, also in other parts, until all of it has its 2xx. */
import { setTimeout as sleep } from 'node:timers/promises';
import { ADMIN_KEY } from '../support/service-process.js';
import { type Body, type Form } from './forms.js';
import { type Random } from './random.js';
import { type SoakEvent, type Tally } from './tally.js';

/** Longer than the service lets any request wait; beyond it the connection has been lost. */
const ANSWER_TIMEOUT_MS = 60_000;
const MOST_REST_MS = 40;
const MOST_RETRY_MS = 250;
/** Requests that a sender remembers, to send them again on purpose. */
const REMEMBERED = 40;
const RETRYABLE = new Set(['503', 'cut']);

export interface SoakSender {
  /** Makes no new events, and ends when everything is acknowledged. */
  stop(): Promise<void>;
  /** Gives up at once. */
  abandon(): void;
}

interface Context {
  readonly form: Form;
  readonly source: string;
  readonly tally: Tally;
  readonly random: Random;
  /** Where to send; asked before each try, since a service comes back elsewhere. */
  readonly urls: () => readonly string[];
}

export function startSender(context: Context): SoakSender {
  const sender = new Sender(context);
  const running = sender.run();
  // Whoever stops it learns of its fault.
  running.catch(() => undefined);
  return {
    stop: async () => {
      sender.isStopped = true;
      await running;
    },
    abandon: () => {
      sender.isStopped = true;
      sender.isAbandoned = true;
    },
  };
}

class Sender {
  isStopped = false;
  isAbandoned = false;
  private readonly remembered: SoakEvent[][] = [];

  constructor(private readonly context: Context) {}

  async run(): Promise<void> {
    const { form, source, tally, random } = this.context;
    while (!this.isStopped) {
      const count = random.whole(1, form.most + 1);
      const events = Array.from({ length: count }, () => tally.make(source, random, form.isWhole));
      // A proxy that repeats sends the same at once, to two replicas.
      const copies = random.happens(0.1) ? 2 : 1;
      await Promise.all(
        Array.from({ length: copies }, async () => {
          await this.deliver(events, false);
        }),
      );
      if (this.isAbandoned) {
        return;
      }
      tally.acknowledge(count);
      this.remember(events);
      if (random.happens(0.1)) {
        await this.repeat();
      }
      await sleep(random.whole(0, MOST_REST_MS));
    }
  }

  /** Some that were acknowledged long ago once more, mixed of several requests: all must be known. */
  private async repeat(): Promise<void> {
    const { random, form, tally } = this.context;
    const known = random.pick(this.remembered);
    const more = random.pick(this.remembered);
    const mixed = [...known, ...(known === more ? [] : more)].slice(0, form.most);
    tally.repeated += mixed.length;
    await this.deliver(mixed, true);
  }

  private remember(events: SoakEvent[]): void {
    const { random } = this.context;
    if (this.remembered.length < REMEMBERED) {
      this.remembered.push(events);
    } else if (random.happens(0.2)) {
      this.remembered[random.whole(0, REMEMBERED)] = events;
    }
  }

  private async deliver(events: readonly SoakEvent[], isKnown: boolean): Promise<void> {
    const { form, source, random, tally } = this.context;
    for (let attempt = 0; !this.isAbandoned; attempt += 1) {
      const isStampedAnew = (isKnown || attempt > 0) && random.happens(0.5);
      const stamped = events.map((event) => ({
        ...event,
        sentTime: isStampedAnew ? new Date() : event.time,
      }));
      const answer = await this.post(form.write(source, stamped, random), events.length);
      if (answer !== null) {
        if (isKnown && answer.accepted > 0) {
          tally.fault(`${source}: ${answer.accepted} acknowledged events were not stored`);
        }
        return;
      }
      if (events.length > 1 && random.happens(0.2)) {
        const middle = random.whole(1, events.length);
        await this.deliver(events.slice(0, middle), isKnown);
        await this.deliver(events.slice(middle), isKnown);
        return;
      }
      await sleep(random.whole(0, MOST_RETRY_MS));
    }
  }

  /** One try; null when it must be sent again. */
  private async post(body: Body, count: number): Promise<ReturnType<Form['read']>> {
    const { form, tally, random, source, urls } = this.context;
    const url = random.pick(urls());
    const sentAt = performance.now();
    const { status, text, retryAfter } = await send(url, body);
    tally.requested += count;
    tally.answered(status);
    if (status === '200') {
      tally.succeeded(url, sentAt);
      const answer = form.read(JSON.parse(text), count);
      if (answer === null) {
        tally.fault(`${source}: some of ${count} were refused: ${text.slice(0, 500)}`);
      }
      return answer ?? { accepted: 0, duplicates: count };
    }
    if (!RETRYABLE.has(status) || (status === '503' && retryAfter === null)) {
      tally.fault(
        `${source}: answered ${status}, Retry-After ${retryAfter}: ${text.slice(0, 500)}`,
      );
    }
    return null;
  }
}

interface Reply {
  readonly status: string;
  readonly text: string;
  readonly retryAfter: string | null;
}

async function send(url: string, { path, headers, bytes }: Body): Promise<Reply> {
  try {
    const response = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_KEY}`, ...headers },
      body: new Uint8Array(bytes),
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
    const text = await response.text();
    const retryAfter = response.headers.get('retry-after');
    return { status: String(response.status), text, retryAfter };
  } catch (error) {
    // A 2xx that breaks off in the middle is none; one that never comes would be a fault of its own.
    const isLate = error instanceof Error && error.name === 'TimeoutError';
    return { status: isLate ? 'no answer' : 'cut', text: '', retryAfter: null };
  }
}
