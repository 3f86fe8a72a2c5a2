import { factory } from './factory.js';
import { ADMIN_KEY } from './service-process.js';

export interface Tally {
  accepted: number;
  duplicates: number;
  conflicts: number;
  rejected: number;
}

/** Until a try again: soon enough to be there when a service is, without taking the time that its start needs. */
const RETRY_MS = 75;

/** Gateways that never give up: they send a batch again until it is acknowledged. */
export class Senders {
  /** Events of batches that were sent at least once. */
  sent = 0;
  /** Events of batches that got a 2xx. */
  acknowledged = 0;
  readonly batches: Record<string, unknown>[][] = [];
  /** Answers that were no 2xx, and requests that got none. */
  readonly refusals: number[] = [];
  cut = 0;
  private isStopped = false;
  private isAbandoned = false;
  private readonly loops: Promise<void>[] = [];

  /**
   * @param urls where to send; asked before each try, since a service may come back elsewhere
   * @param copies how many times each batch is sent at once
   */
  constructor(
    private readonly urls: () => readonly string[],
    private readonly copies = 1,
  ) {}

  start(count: number, batchSize = 25): void {
    for (let index = 0; index < count; index += 1) {
      this.loops.push(this.loop(batchSize));
    }
  }

  /** Lets what is under way be acknowledged, and sends nothing new. */
  async stop(): Promise<void> {
    this.isStopped = true;
    await Promise.all(this.loops);
  }

  /** One try; null when there was no answer. */
  async post(url: string, batch: unknown): Promise<Tally | null> {
    try {
      const response = await fetch(`${url}/api/v1/events`, {
        method: 'POST',
        headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
        body: JSON.stringify(batch),
      });
      const answer = (await response.json()) as Tally;
      if (response.status === 200) {
        return answer;
      }
      this.refusals.push(response.status);
    } catch {
      this.cut += 1;
    }
    return null;
  }

  /** Gives up at once, for the end of a test that failed. */
  abandon(): void {
    this.isStopped = true;
    this.isAbandoned = true;
  }

  private async loop(batchSize: number): Promise<void> {
    while (!this.isStopped) {
      const batch = Array.from({ length: batchSize }, () =>
        factory.event({ time: new Date().toISOString(), data: { bytes: 1 } }),
      );
      this.sent += batch.length;
      await Promise.all(
        Array.from({ length: this.copies }, async (_, copy) => {
          await this.deliver(batch, copy);
        }),
      );
      this.acknowledged += batch.length;
      this.batches.push(batch);
    }
  }

  private async deliver(batch: unknown, copy: number): Promise<void> {
    for (let attempt = copy; !this.isAbandoned; attempt += 1) {
      const urls = this.urls();
      const answer = await this.post(urls[attempt % urls.length] ?? '', batch);
      if (answer !== null) {
        if (answer.conflicts + answer.rejected > 0) {
          throw new Error(`Events were refused: ${JSON.stringify(answer)}`);
        }
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
