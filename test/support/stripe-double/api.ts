import { setMaxListeners } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { API_VERSION, type Account } from './account.js';
import { serverError, StripeError, tooManyRequests } from './errors.js';
import { expand } from './expand.js';
import type { Fault, FaultBook } from './faults.js';
import { decodeForm, fingerprint } from './form.js';
import { Idempotency } from './idempotency.js';
import { newId } from './ids.js';
import type { Limits } from './limits.js';
import { errorReply, jsonReply, type Reply, replyInBetween } from './reply.js';
import {
  type ApiRequest,
  authenticate,
  checkContentType,
  checkVersion,
  readRequest,
  unrecognized,
} from './request.js';
import type { RequestLog } from './request-log.js';
import type { BoundCall, Route } from './routes.js';
import { routes } from './route-table.js';

interface Parts {
  account: Account;
  faults: FaultBook;
  limits: Limits;
  log: RequestLog;
  /** Makes the change just made durable, then lets its events go out. */
  commit: () => Promise<void>;
}

/** A request that found its route. */
interface Routed {
  request: ApiRequest;
  route: Route;
  id: string;
  fault: Fault | undefined;
}

/**
 * The API over HTTP. The layers stand in Stripe's order: authentication, rate limits, idempotency,
 * parameters, object locks, execution. Only what came as far as execution is kept for replay.
 */
export class Api {
  readonly idempotency: Idempotency;
  private readonly closing = new AbortController();

  constructor(private readonly parts: Parts) {
    this.idempotency = new Idempotency(parts.account.replies);
    // Each request that waits listens, and they are as many as the limits admit.
    setMaxListeners(0, this.closing.signal);
  }

  /** Ends all waits of faults and latency, so that the server can close. */
  close(): void {
    this.closing.abort();
  }

  async handle(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const request = await readRequest(message, newId('req'));
    const fault = this.parts.faults.take(request.method, request.path);
    const record = this.parts.log.open(request, fault);
    if (fault?.kind === 'drop_before') {
      record.dropped = true;
      message.socket.destroy();
      return;
    }
    const reply = replyInBetween(fault) ?? (await this.answer(request, fault));
    record.status = reply.status;
    record.replayed = reply.replayed;
    if (fault?.kind === 'slow' && fault.when === 'after') {
      await this.wait(fault.delayMs);
    }
    if (fault?.kind === 'commit_then_drop') {
      record.dropped = true;
      message.socket.destroy();
      return;
    }
    send(request, reply, response);
  }

  private async answer(request: ApiRequest, fault: Fault | undefined): Promise<Reply> {
    try {
      authenticate(request);
      checkVersion(request);
      checkContentType(request);
      for (const route of routes) {
        const match = route.method === request.method ? route.matches(request.path) : undefined;
        if (match !== undefined) {
          return await this.admitted({ request, route, id: match.id, fault });
        }
      }
      throw unrecognized(request);
    } catch (error) {
      return this.failure(error, request);
    }
  }

  private async admitted(routed: Routed): Promise<Reply> {
    const { fault, request, route } = routed;
    if (fault?.kind === 'error_429' && fault.stored !== true) {
      throw tooManyRequests(fault.reason ?? 'endpoint-rate');
    }
    const leave = this.parts.limits.admit(`${route.method} ${route.pattern}`);
    try {
      if (route.method === 'GET') {
        const call = route.bind(decodeForm(request.query));
        await this.before(fault, 0);
        return this.faulty(routed, call).reply;
      }
      const key = request.headers['idempotency-key']?.toString();
      return route.method === 'POST' && key !== undefined
        ? await this.keyed(routed, key)
        : await this.mutate(routed, () => undefined);
    } finally {
      leave();
    }
  }

  private async keyed(routed: Routed, key: string): Promise<Reply> {
    const { request } = routed;
    const keyedRequest = {
      key,
      endpoint: request.path,
      fingerprint: fingerprint(decodeForm(request.body)),
    };
    const replay = this.idempotency.begin(keyedRequest);
    if (replay !== undefined) {
      return replay;
    }
    try {
      return await this.mutate(routed, (reply) =>
        this.idempotency.keep(keyedRequest, reply, request.id),
      );
    } finally {
      this.idempotency.end(key);
    }
  }

  /** Parameters, locks, then execution; `keep` is called for what execution answered. */
  private async mutate(routed: Routed, keep: (reply: Reply) => void): Promise<Reply> {
    const { fault, request, route, id } = routed;
    const { limits, commit } = this.parts;
    const form = decodeForm(route.method === 'POST' ? request.body : request.query);
    const call = route.bind(form);
    const objects = this.objectsOf(routed, call);
    const leave = limits.enter(objects);
    try {
      const unlock = this.locked(objects, request, keep);
      try {
        await this.before(fault, limits.settings.latencyMs);
        const { reply, kept } = this.faulty({ request, route, id, fault }, call);
        if (kept) {
          keep(reply);
        }
        await commit();
        return reply;
      } finally {
        unlock();
      }
    } finally {
      leave();
    }
  }

  private locked(objects: string[], request: ApiRequest, keep: (reply: Reply) => void): () => void {
    try {
      return this.parts.limits.lock(objects);
    } catch (error) {
      if (this.parts.limits.settings.keepLockTimeouts) {
        keep(this.failure(error, request));
      }
      throw error;
    }
  }

  /** Executes unless a fault stands before it; and replaces the answer if one stands behind. */
  private faulty(routed: Routed, call: BoundCall): { reply: Reply; kept: boolean } {
    const { fault, request } = routed;
    if (fault?.kind === 'error_500_before') {
      const kept = fault.stored === true;
      return { reply: this.failure(serverError({ kept }), request), kept };
    }
    if (fault?.kind === 'error_429') {
      const error = tooManyRequests(fault.reason ?? 'lock_timeout');
      return { reply: this.failure(error, request), kept: true };
    }
    const reply = this.execute(routed, call);
    return fault?.kind === 'error_500_after_commit'
      ? { reply: this.failure(serverError({ kept: true }), request), kept: true }
      : { reply, kept: true };
  }

  /** Reads or changes the account in one step, and tells clients not to retry a final refusal. */
  private execute({ request, route, id }: Routed, call: BoundCall): Reply {
    const { account } = this.parts;
    const key = request.headers['idempotency-key']?.toString();
    const origin = { id: request.id, idempotency_key: key ?? null };
    try {
      return jsonReply(200, expand(account, call.run({ account, id, origin }), call.expand));
    } catch (error) {
      const reply = this.failure(error, request);
      return route.method === 'POST'
        ? { ...reply, headers: { ...reply.headers, 'stripe-should-retry': 'false' } }
        : reply;
    }
  }

  /** The customers and invoices a mutation touches: what it locks. */
  private objectsOf({ id }: Routed, { params }: BoundCall): string[] {
    const { account } = this.parts;
    const invoiceIds = [id, params['invoice'], account.items.get(id)?.invoice];
    const invoices = invoiceIds.flatMap((name) => account.invoices.get(String(name)) ?? []);
    const customers = [
      id,
      params['customer'],
      account.items.get(id)?.customer,
      ...invoices.map(({ head }) => head.customer),
    ].filter((name) => account.customers.has(String(name)));
    return [...new Set([...customers.map(String), ...invoices.map(({ head }) => head.id)])];
  }

  private async before(fault: Fault | undefined, latencyMs: number): Promise<void> {
    const slow = fault?.kind === 'slow' && fault.when !== 'after' ? fault.delayMs : 0;
    await this.wait(slow + latencyMs);
  }

  private async wait(ms: number): Promise<void> {
    if (ms > 0) {
      await sleep(ms, undefined, { signal: this.closing.signal }).catch(() => undefined);
    }
  }

  private failure(error: unknown, request: ApiRequest): Reply {
    if (error instanceof StripeError) {
      return errorReply(error, request.id, this.parts.account.now());
    }
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`The Stripe double failed: ${message}\n`);
    return errorReply(serverError(), request.id, this.parts.account.now());
  }
}

function send(request: ApiRequest, reply: Reply, response: ServerResponse): void {
  const key =
    request.method === 'POST' ? request.headers['idempotency-key']?.toString() : undefined;
  response.writeHead(reply.status, {
    'content-type': 'application/json',
    'request-id': request.id,
    'stripe-version': API_VERSION,
    ...(key === undefined ? {} : { 'idempotency-key': key, 'original-request': request.id }),
    ...reply.headers,
  });
  response.end(reply.body);
}
