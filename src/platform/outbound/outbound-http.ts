/*
 * The only way to URLs that callers chose. Never inside a transaction, never to a forbidden address,
 * never after a redirect, never longer than its deadline, never more than 64 KB of an answer.
 */
import { lookup } from 'node:dns';
import { isIP } from 'node:net';
import { type OnApplicationShutdown } from '@nestjs/common';
import { type Dispatcher, request } from 'undici';
import { type Database } from '../database/database.js';
import { type AddressRules } from './address-rules.js';
import { AddressWatch, type WatchedCall } from './address-watch.js';
import { createEgress, type EgressOptions } from './egress.js';
import { type Resolve, sharedResolve } from './guarded-connector.js';
import { addressIn, type OutboundFault, outboundFaultOf } from './outbound-fault.js';
import { patientResolve } from './patient-resolve.js';
import {
  FORBIDDEN_ADDRESS,
  hostOf,
  readOutboundUrl,
  type UrlFault,
  type UrlVerdict,
} from './outbound-url.js';

/** Longer answers are cut off: nothing in them is needed. */
const MAX_RESPONSE_BYTES = 65_536;
/** What is kept of an answer, for people to read. */
export const KEPT_RESPONSE_BYTES = 4_096;
/** A check of input waits no longer for a name; the call itself checks again. */
const RESOLVE_TIMEOUT_MS = 3_000;
const STRAIGHT: EgressOptions = { proxyUrl: undefined, ca: undefined, certificate: undefined };

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
      /** Names in lower case; several headers of one name are one text, with commas. */
      readonly headers: Readonly<Record<string, string>>;
      /** Of the machine that was talked to: the receiver, or the egress proxy. */
      readonly address: string | null;
      /** The first 4 KB; bytes that are no UTF-8 show as U+FFFD. */
      readonly start: string;
      /** Null when the whole answer came; the status is known all the same. */
      readonly cutBy: OutboundFault | null;
    }
  | {
      readonly kind: 'failed';
      readonly fault: OutboundFault;
      readonly detail: string;
      /** Null when it did not come as far as an address. */
      readonly address: string | null;
    };

export class OutboundHttp implements OnApplicationShutdown {
  private readonly egress: Dispatcher;
  private readonly resolve: Resolve;
  private readonly watch = new AddressWatch();
  private readonly isProxied: boolean;

  /**
   * @param resolve how names are looked up; tests give names of their own
   * @param options with a proxy, names are its business: the guard sees to literal addresses only
   */
  constructor(
    private readonly rules: AddressRules,
    private readonly database: Database,
    resolve: Resolve = lookup,
    options: EgressOptions = STRAIGHT,
  ) {
    this.isProxied = options.proxyUrl !== undefined;
    this.resolve = sharedResolve(patientResolve(resolve));
    this.egress = createEgress(rules, this.resolve, options);
  }

  /**
   * What forbids the URL, null when nothing does. A name that does not resolve now may do so later
   * and is no fault; one that leads to a forbidden address is.
   *
   * @throws when a transaction is under way, since a name server may take its time
   */
  async findFault(text: string): Promise<UrlFault | null> {
    this.database.assertNoTransaction();
    const { url, fault } = this.readUrl(text);
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
    const { url, fault } = this.readUrl(text);
    if (fault !== null) {
      const detail = `The URL ${fault.detail}`;
      return { kind: 'failed', fault: 'blocked', detail, address: null };
    }
    const signal = AbortSignal.timeout(timeoutMs);
    const call: WatchedCall = { address: null };
    try {
      const response = await this.watch.start(
        call,
        async () =>
          await request(url, { method: 'POST', headers, body, signal, dispatcher: this.egress }),
      );
      const { address } = call;
      return {
        kind: 'answered',
        address,
        ...describe(response),
        ...(await readStart(response.body)),
      };
    } catch (error) {
      const address = call.address ?? addressIn(error);
      return { kind: 'failed', fault: outboundFaultOf(error), detail: String(error), address };
    }
  }

  /** Closes idle sockets; calls under way were waited for before. */
  async onApplicationShutdown(): Promise<void> {
    this.watch.close();
    await this.egress.destroy();
  }

  /** Plain http is for networks that were named; where a name leads, only the proxy knows. */
  private readUrl(text: string): UrlVerdict {
    const verdict = readOutboundUrl(text, this.rules);
    const { url } = verdict;
    const isUnknown = url?.protocol === 'http:' && isIP(hostOf(url)) === 0;
    return this.isProxied && isUnknown ? { url: null, fault: FORBIDDEN_ADDRESS } : verdict;
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

function describe({ statusCode, headers }: Dispatcher.ResponseData): {
  status: number;
  headers: Record<string, string>;
} {
  const texts = Object.entries(headers).map(([name, value = '']) => [
    name,
    Array.isArray(value) ? value.join(', ') : value,
  ]);
  return { status: statusCode, headers: Object.fromEntries(texts) as Record<string, string> };
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
