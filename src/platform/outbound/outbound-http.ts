/*
 * The only way to URLs that callers chose. Never inside a transaction, never to a forbidden address,
 * never after a redirect, never longer than its deadline, never more than 64 KB of an answer.
 */
import { lookup } from 'node:dns';
import { isIP } from 'node:net';
import { type OnApplicationShutdown } from '@nestjs/common';
import { Agent, type Dispatcher, request } from 'undici';
import { type Database } from '../database/database.js';
import { type AddressRules } from './address-rules.js';
import { guardedConnector, type Resolve, vettedConnector } from './guarded-connector.js';
import { type OutboundFault, outboundFaultOf } from './outbound-fault.js';
import { FORBIDDEN_ADDRESS, hostOf, readOutboundUrl, type UrlFault } from './outbound-url.js';

/** Longer answers are cut off: nothing in them is needed. */
const MAX_RESPONSE_BYTES = 65_536;
/** What is kept of an answer, for people to read. */
export const KEPT_RESPONSE_BYTES = 4_096;
/** A check of input waits no longer for a name; the call itself checks again. */
const RESOLVE_TIMEOUT_MS = 3_000;
/** Idle sockets are closed sooner than most receivers do it, so that few calls meet a closed one. */
const KEEP_ALIVE_MS = 4_000;

export interface OutboundRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** From the look-up of the name to the last byte of the answer. */
  readonly timeoutMs: number;
}

export type OutboundResult =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly retryAfter: string | null;
      /** The first 4 KB; bytes that are no UTF-8 show as U+FFFD. */
      readonly start: string;
      /** Null when the whole answer came; the status is known all the same. */
      readonly cutBy: OutboundFault | null;
    }
  | { readonly kind: 'failed'; readonly fault: OutboundFault; readonly detail: string };

export class OutboundHttp implements OnApplicationShutdown {
  private readonly agent: Agent;

  /** @param resolve how names are looked up; tests give names of their own */
  constructor(
    private readonly rules: AddressRules,
    private readonly database: Database,
    private readonly resolve: Resolve = lookup,
  ) {
    const http = guardedConnector(rules, vettedConnector(rules, 'http:', resolve));
    const https = guardedConnector(rules, vettedConnector(rules, 'https:', resolve));
    this.agent = new Agent({
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
      connect: (options, callback) => {
        (options.protocol === 'https:' ? https : http)(options, callback);
      },
    });
  }

  /**
   * What forbids the URL, null when nothing does. A name that does not resolve now may do so later
   * and is no fault; one that leads to a forbidden address is.
   */
  async findFault(text: string): Promise<UrlFault | null> {
    const { url, fault } = readOutboundUrl(text, this.rules);
    if (fault !== null) {
      return fault;
    }
    const addresses = await this.addressesOf(hostOf(url));
    const isPermitted = addresses.every((address) => this.rules.permits(address, url.protocol));
    return isPermitted ? null : FORBIDDEN_ADDRESS;
  }

  /**
   * Sends one POST and answers what became of it; expected failures are answers, not exceptions.
   * `timeout`, `reset` and `protocol` leave open whether the receiver took it.
   *
   * @throws when a transaction is under way
   */
  async post({ url: text, headers, body, timeoutMs }: OutboundRequest): Promise<OutboundResult> {
    this.database.assertNoTransaction();
    const { url, fault } = readOutboundUrl(text, this.rules);
    if (fault !== null) {
      return { kind: 'failed', fault: 'blocked', detail: `The URL ${fault.detail}` };
    }
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      const response = await request(url, {
        method: 'POST',
        headers,
        body,
        signal,
        dispatcher: this.agent,
      });
      return { kind: 'answered', ...describe(response), ...(await readStart(response.body)) };
    } catch (error) {
      return { kind: 'failed', fault: outboundFaultOf(error), detail: String(error) };
    }
  }

  /** Closes idle sockets; calls under way were waited for before. */
  async onApplicationShutdown(): Promise<void> {
    await this.agent.destroy();
  }

  /** All addresses of a host; none when it does not resolve in time. */
  private async addressesOf(host: string): Promise<string[]> {
    if (isIP(host) !== 0) {
      return [host];
    }
    return await new Promise((resolve) => {
      const timer = setTimeout(resolve, RESOLVE_TIMEOUT_MS, []);
      this.resolve(host, { all: true }, (error, addresses) => {
        clearTimeout(timer);
        resolve(error === null ? addresses.map(({ address }) => address) : []);
      });
    });
  }
}

function describe(response: Dispatcher.ResponseData): {
  status: number;
  retryAfter: string | null;
} {
  const retryAfter = response.headers['retry-after'];
  return {
    status: response.statusCode,
    retryAfter: typeof retryAfter === 'string' ? retryAfter : null,
  };
}

/** Reads until the end, the limit or the deadline. undici's own limit would throw the beginning away too. */
async function readStart(
  body: Dispatcher.ResponseData['body'],
): Promise<{ start: string; cutBy: OutboundFault | null }> {
  const kept: Buffer[] = [];
  let seen = 0;
  let cutBy: OutboundFault | null = null;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      kept.push(chunk.subarray(0, Math.max(KEPT_RESPONSE_BYTES - seen, 0)));
      seen += chunk.length;
      if (seen > MAX_RESPONSE_BYTES) {
        cutBy = 'too_large';
        break;
      }
    }
  } catch (error) {
    cutBy = outboundFaultOf(error);
  }
  return { start: new TextDecoder().decode(Buffer.concat(kept)), cutBy };
}
