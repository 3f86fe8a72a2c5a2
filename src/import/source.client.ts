/* Sends requests to a source, and again for as long as that may help. */
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { backoffMs } from '../platform/jobs/backoff.js';
import { type Body } from './batch.js';
import { limitedSignal } from '../platform/limited-signal.js';
import { ImportFault, wordsOf } from './import-fault.js';
import { type SendResult, type SentRecord, type Sink } from './sink.js';

/**
 * Access logs become a seventh; it costs 3 ms here and 2 ms at the service for each MiB, which is far
 * below what storing its lines costs. Level 6 makes them a ninth, for twice the time.
 */
const COMPRESSION = { level: zlib.constants.Z_BEST_SPEED };
const ATTEMPT_TIMEOUT_MS = 120_000;
const MAX_DELAY_MS = 30_000;
/** However soon the service says. */
const MIN_DELAY_MS = 500;
const RETRIED: ReadonlySet<number> = new Set([408, 425, 429]);
const UNREADABLE: ReadonlySet<unknown> = new Set(['invalid_json', 'invalid_line']);
const CERTIFICATE = /CERT|SSL|TLS/;

export interface SourceAddress {
  /** Where the service is. */
  readonly url: string;
  readonly source: string;
  readonly key: string;
}

export interface Patience {
  /** How long one request is sent again and again. */
  readonly retryForMs: number;
  /** Told before each wait. */
  readonly onWait: (why: string, delayMs: number) => void;
  /** Ends waits and requests under way. */
  readonly signal: AbortSignal;
}

const compress = promisify<string, zlib.ZlibOptions, Uint8Array>(zlib.gzip);

interface Answer {
  readonly status: number;
  readonly retryAfterMs: number | null;
  readonly body: { results?: SentRecord[]; code?: string; detail?: string };
}

export class SourceClient implements Sink {
  constructor(
    private readonly address: SourceAddress,
    private readonly patience: Patience,
  ) {}

  /**
   * What the service knows of the source.
   *
   * @throws ImportFault when it does not say
   */
  async describe(): Promise<unknown> {
    return (await this.untilAnswered('', null)).body;
  }

  /** Sends one request, as often as it takes. */
  async send({ text, owners }: Body): Promise<SendResult> {
    const { status, body } = await this.untilAnswered('/events', await compress(text, COMPRESSION));
    const refusal = { code: body.code ?? String(status), detail: body.detail ?? '' };
    if (status === 413) {
      return { kind: 'too_large', refusal };
    }
    if (status === 400) {
      return { kind: 'unreadable', refusal };
    }
    const { results } = body;
    if (results?.length !== owners.length) {
      throw new ImportFault(
        `The service read ${results?.length ?? 'no'} records in ${owners.length} lines: a log must have one record on each line, or be one JSON array.`,
      );
    }
    return { kind: 'answered', records: results };
  }

  private async untilAnswered(path: string, body: Uint8Array | null): Promise<Answer> {
    const { retryForMs, onWait, signal } = this.patience;
    let waitedMs = 0;
    for (let attempts = 1; ; attempts += 1) {
      const answer = await this.attempt(path, body);
      if (typeof answer !== 'string' && !isRetried(answer.status)) {
        this.assertUsable(answer);
        return answer;
      }
      const why = typeof answer === 'string' ? answer : `the service answers ${wordsFor(answer)}`;
      const asked = typeof answer === 'string' ? null : answer.retryAfterMs;
      const delayMs =
        asked === null
          ? Math.min(backoffMs(attempts, Math.random()), MAX_DELAY_MS)
          : Math.max(asked, MIN_DELAY_MS);
      waitedMs += delayMs;
      if (waitedMs > retryForMs) {
        throw new ImportFault(
          `Gave up after ${attempts} tries: ${why}. Run the same command again to go on.`,
        );
      }
      onWait(why, delayMs);
      await sleep(delayMs, undefined, { signal });
    }
  }

  /** One try; words when there was no answer. */
  private async attempt(path: string, sent: Uint8Array | null): Promise<Answer | string> {
    const { url, source, key } = this.address;
    const { signal } = this.patience;
    const target = `${url}/api/v1/sources/${encodeURIComponent(source)}${path}`;
    const limited = limitedSignal(signal, ATTEMPT_TIMEOUT_MS);
    try {
      const response = await fetch(target, {
        method: sent === null ? 'GET' : 'POST',
        headers: {
          authorization: `Bearer ${key}`,
          ...(sent !== null && {
            'content-type': 'text/plain; charset=utf-8',
            'content-encoding': 'gzip',
          }),
        },
        ...(sent !== null && { body: sent }),
        redirect: 'manual',
        signal: limited.signal,
      });
      const body = parse(await response.text());
      return { status: response.status, retryAfterMs: retryAfterOf(response.headers), body };
    } catch (error) {
      signal.throwIfAborted();
      const { code = '' } = ((error as Error).cause ?? {}) as { code?: string };
      if (CERTIFICATE.test(code)) {
        throw new ImportFault(`${url} cannot be trusted: ${wordsOf(error)}.`, { cause: error });
      }
      return `no answer from ${url}: ${code === '' ? wordsOf(error) : code}`;
    } finally {
      limited.release();
    }
  }

  /** @throws ImportFault for what no other try would mend */
  private assertUsable(answer: Answer): void {
    const { status, body } = answer;
    const { url, source } = this.address;
    const isOfLines = status === 413 || (status === 400 && UNREADABLE.has(body.code));
    if (status === 200 || isOfLines) {
      return;
    }
    const said = `the service answers ${wordsFor(answer)}`;
    switch (status) {
      case 401:
        throw new ImportFault(`The API key is not valid at ${url}: ${said}`);
      case 403:
        throw new ImportFault(`The API key may not do this: ${said}`);
      case 404:
        throw new ImportFault(`There is no source '${source}' at ${url}: ${said}`);
      default:
        throw new ImportFault(`The import cannot go on: ${said}`);
    }
  }
}

function isRetried(status: number): boolean {
  return status >= 500 || RETRIED.has(status);
}

function wordsFor({ status, body: { code, detail } }: Answer): string {
  return [String(status), code, detail].filter((part) => part !== undefined).join(' ');
}

function parse(text: string): Answer['body'] {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

/** Seconds, or a time, which is compared with the clock of who says it. */
function retryAfterOf(headers: Headers): number | null {
  const asked = headers.get('retry-after');
  if (asked === null) {
    return null;
  }
  const waitMs = /^\d+$/.test(asked)
    ? Number(asked) * 1_000
    : Date.parse(asked) - Date.parse(headers.get('date') ?? '');
  return Number.isFinite(waitMs) ? Math.max(waitMs, 0) : null;
}
