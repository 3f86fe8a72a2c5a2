/*
 * The double of Stripe in a process of its own, at Stripe's limits for a live key
 * (docs.stripe.com/rate-limits): 100 calls a second in all and 25 to each endpoint.
 */
import { fileURLToPath } from 'node:url';
import { type ChildProcess } from 'node:child_process';
import { startProgram, stopProgram } from '../../support/programs.js';
import { cpuSeconds } from '../service/proc.js';

const DOUBLE = fileURLToPath(new URL('../../support/stripe-double/main.ts', import.meta.url));
const SECRET_KEY = 'sk_test_of_the_bench';
const WEBHOOK_SECRET = 'whsec_of_the_bench';
export const CALLS_PER_SECOND = 100;
export const ENDPOINT_CALLS_PER_SECOND = 25;
/** Of a change; Stripe takes some 300 ms, which a busy machine should not have to wait for. */
const LATENCY_MS = 100;
const CREATED_AT_ONCE = 16;

export interface CallCount {
  readonly admitted: number;
  readonly limited: number;
}

/** A line item on an invoice at Stripe. */
export interface BilledLine {
  readonly name: string;
  readonly amount: number;
  readonly status: string | null;
}

export class BenchStripe {
  private constructor(
    readonly url: string,
    private readonly process: ChildProcess,
  ) {}

  static async start(): Promise<BenchStripe> {
    const { url, process } = await startProgram(
      'The double of Stripe',
      ['--import', 'tsx', DOUBLE, '--webhook-secret', WEBHOOK_SECRET],
      {},
      (line) => line['url'],
    );
    return new BenchStripe(url, process);
  }

  /** Settings of a service that is to use it. */
  get env(): Record<string, string> {
    return {
      STRIPE_SECRET_KEY: SECRET_KEY,
      STRIPE_API_BASE: this.url,
      STRIPE_WEBHOOK_SECRETS: WEBHOOK_SECRET,
      // The key is one of a sandbox, since the double takes no other.
      STRIPE_CALLS_PER_SECOND: String(CALLS_PER_SECOND),
      STRIPE_ENDPOINT_CALLS_PER_SECOND: String(ENDPOINT_CALLS_PER_SECOND),
    };
  }

  /** Makes customers, without limits; answers their ids. */
  async createCustomers(count: number): Promise<string[]> {
    const ids: string[] = Array.from({ length: count }, () => '');
    let next = 0;
    const create = async (): Promise<void> => {
      for (let index = next++; index < count; index = next++) {
        ids[index] = String((await this.call('POST', '/v1/customers', `name=c${index}`))['id']);
      }
    };
    await Promise.all(Array.from({ length: CREATED_AT_ONCE }, create));
    return ids;
  }

  /** From now on as Stripe: limits, the time that a change takes, webhooks. */
  async begin(serviceUrl: string): Promise<void> {
    await this.control('POST', 'webhooks', { url: `${serviceUrl}/webhooks/stripe` });
    await this.control('POST', 'limits', {
      endpointPerSecond: ENDPOINT_CALLS_PER_SECOND,
      globalPerSecond: CALLS_PER_SECOND,
      latencyMs: LATENCY_MS,
    });
  }

  /** How often each endpoint was called since the start. */
  async calls(): Promise<Record<string, CallCount>> {
    return (await this.control('GET', 'calls')) as Record<string, CallCount>;
  }

  /** What is on invoices of what the service has put there. */
  async billed(): Promise<BilledLine[]> {
    return (await this.control('POST', 'named', { key: 'meterline_line_item' })) as BilledLine[];
  }

  async cpuSeconds(): Promise<number | null> {
    return await cpuSeconds(this.process.pid ?? 0);
  }

  async stop(): Promise<void> {
    await stopProgram(this.process);
  }

  /** One call of its API, as Stripe's clients make it. */
  async call(method: string, path: string, form = ''): Promise<Record<string, unknown>> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${SECRET_KEY}`,
        'content-type': 'application/x-www-form-urlencoded',
      },
      ...(form !== '' && { body: form }),
    });
    const body = (await response.json()) as Record<string, unknown>;
    if (!response.ok) {
      throw new Error(`${method} ${path} answered ${response.status}: ${JSON.stringify(body)}`);
    }
    return body;
  }

  private async control(method: string, name: string, body?: object): Promise<unknown> {
    const response = await fetch(`${this.url}/_double/${name}`, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    if (!response.ok) {
      throw new Error(`The double refused ${name}: ${await response.text()}`);
    }
    return await response.json();
  }
}
