/*
 * A billing platform of somebody's own: takes each line item once, by its id, whatever it answered before, and
 * reports in the end what became of each. What it is told again has to be the same message, in the same words. On its bad days it answers too late, with failures, or not at all.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ADMIN_KEY } from '../../support/service-process.js';
import { type Receiver, startReceiver } from '../../support/webhook-receiver.js';
import { type Random } from '../random.js';

const RETRY_MS = 200;
const TIMEOUT_MS = 20_000;

/** A line item as the platform was told of it. */
export interface Told {
  readonly lineItem: string;
  readonly amountMinor: number;
  /** What all that it was told of the charge comes to. */
  readonly totalMinor: number;
  readonly charge: string;
  readonly revision: number;
  /** The id of the message, which stays the same however often it is delivered. */
  readonly message: string;
  readonly body: string;
}

export class Platform {
  /** By the line item; what it was told first. */
  readonly taken = new Map<string, Told>();
  /** How often it was told of a line item again, and in which words it was told otherwise. */
  repeats = 0;
  readonly contradictions = new Set<string>();
  private readonly reported = new Set<string>();
  private isCalm = false;

  private constructor(
    private readonly random: Random,
    private receiver: Receiver | null = null,
  ) {}

  static async start(random: Random): Promise<Platform> {
    const platform = new Platform(random);
    platform.receiver = await startReceiver({
      answer: async ({ body, headers }) => await platform.take(body, String(headers['webhook-id'])),
    });
    return platform;
  }

  get url(): string {
    return this.receiver?.url ?? '';
  }

  /** Answers everything from now on. */
  calm(): void {
    this.isCalm = true;
  }

  /** Reports every line item as finalized, until that has its 2xx. */
  async report(url: string): Promise<void> {
    for (const id of [...this.taken.keys()].filter((one) => !this.reported.has(one))) {
      this.reported.add(id);
      let status = 0;
      while (status !== 201 && status !== 200) {
        status = await post(`${url}/api/v1/line-items/${id}/state`, { state: 'finalized' });
        if (status >= 400 && status < 500) {
          this.contradictions.add(`the report of ${id} was answered ${status}`);
          break;
        }
        await sleep(status < 300 ? 0 : RETRY_MS);
      }
    }
  }

  async close(): Promise<void> {
    await this.receiver?.close();
  }

  private async take(
    body: string,
    message: string,
  ): Promise<{ status: number; body?: string } | 'reset' | 'stall'> {
    const { random } = this;
    const fate = this.isCalm ? 1 : random.whole(0, 100) / 100;
    if (fate < 0.1) {
      return { status: 500 };
    }
    const { type, data } = JSON.parse(body) as {
      type: string;
      data: {
        line_item: string;
        charge: string;
        revision: number;
        amount: { delta_minor: number; total_minor: number };
      };
    };
    if (type !== 'billing.usage_reported') {
      return { status: 204 };
    }
    this.keep({
      lineItem: data.line_item,
      charge: data.charge,
      revision: data.revision,
      amountMinor: data.amount.delta_minor,
      totalMinor: data.amount.total_minor,
      message,
      body: JSON.stringify(data),
    });
    if (fate < 0.2) {
      return 'reset';
    }
    if (fate < 0.25) {
      return 'stall';
    }
    await sleep(fate < 0.35 ? random.whole(0, 1_500) : 0);
    return fate < 0.45
      ? { status: 503 }
      : { status: 200, body: JSON.stringify({ external_id: `x-${data.line_item}` }) };
  }

  private keep(told: Told): void {
    const before = this.taken.get(told.lineItem);
    if (before === undefined) {
      this.taken.set(told.lineItem, told);
    } else {
      this.repeats += 1;
      if (before.message !== told.message) {
        this.contradictions.add(`${told.lineItem} is told by ${before.message}, ${told.message}`);
      }
      if (before.body !== told.body) {
        this.contradictions.add(`${told.lineItem} is told otherwise: ${told.body}`);
      }
    }
  }
}

async function post(url: string, body: object): Promise<number> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await response.text();
    return response.status;
  } catch {
    return 503;
  }
}
