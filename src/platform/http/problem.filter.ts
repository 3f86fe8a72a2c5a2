import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException } from '@nestjs/common';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { DomainError, type ErrorKind, type FieldError } from '../../kernel/errors.js';
import { type Outage } from '../database/outage.js';
import { isDatabaseAway } from '../database/pg-errors.js';
import { type Problem } from './problem.dto.js';

const STATUS: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  unsupported: 415,
  unavailable: 503,
};

/** How long a sender should wait before it comes back after a 503. */
const RETRY_AFTER_SECONDS = 2;

/** For `@RouteConfig`: what refusals of the route hold besides. */
export interface ProblemExtension {
  readonly extendProblem: (problem: Problem) => object;
}

interface Refusal {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly errors: readonly FieldError[];
}

/** The one place where a refusal or fault becomes an HTTP answer: RFC 9457 problem details. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly outage: Outage) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const refusal = toRefusal(error);
    const isFault =
      isDatabaseAway(error) || (refusal.status >= 500 && refusal.code !== 'unavailable');
    // A sender who hangs up in the middle of a body looks as a lost database does, and is none.
    if (isFault && !hasHungUp(request)) {
      // Without its query, in which some senders have to put their token.
      const path = request.url.split('?')[0];
      this.outage.report('request.failed', error, { method: request.method, path });
    }
    if (refusal.status === 503) {
      void reply.header('retry-after', RETRY_AFTER_SECONDS);
    }
    if (refusal.status === 401) {
      void reply.header('www-authenticate', 'Bearer');
    }
    void reply
      .status(refusal.status)
      .header('content-type', 'application/problem+json')
      // As bytes, or Fastify would add a charset, which the type does not have and clients do not expect.
      .send(Buffer.from(JSON.stringify(extended(toProblem(refusal), request))));
  }
}

/** With the members that the clients of a route look for, who know no problem details. */
function extended(problem: Problem, request: FastifyRequest): object {
  const { extendProblem } = (request.routeOptions.config ?? {}) as Partial<ProblemExtension>;
  return { ...problem, ...extendProblem?.(problem) };
}

function hasHungUp({ raw }: FastifyRequest): boolean {
  return raw.destroyed && !raw.complete;
}

function toProblem({ status, code, detail, errors }: Refusal): Problem {
  return {
    type: 'about:blank',
    title: code.replaceAll('_', ' '),
    status,
    code,
    detail,
    ...(errors.length > 0 && { errors: [...errors] }),
  };
}

function toRefusal(error: unknown): Refusal {
  if (error instanceof DomainError) {
    const { code, message, errors } = error;
    return { status: STATUS[error.kind], code, detail: message, errors };
  }
  if (isDatabaseAway(error)) {
    return {
      status: 503,
      code: 'unavailable',
      detail: 'The database does not answer.',
      errors: [],
    };
  }
  if (error instanceof Error && 'decompressError' in error) {
    const detail = 'The body is not what its content-encoding says.';
    return { status: 400, code: 'invalid_encoding', detail, errors: [] };
  }
  const status = statusOf(error);
  const detail =
    error instanceof Error && status < 500 ? error.message : 'Something went wrong here.';
  return { status, code: codeOf(status), detail, errors: [] };
}

/** Nest's own exceptions (unknown route) and Fastify's (body too large, bad media type) carry a status. */
function statusOf(error: unknown): number {
  if (error instanceof HttpException) {
    return error.getStatus();
  }
  const hasStatus =
    error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number';
  return hasStatus ? (error.statusCode as number) : 500;
}

const CODES: Readonly<Record<number, string>> = {
  400: 'invalid_request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  408: 'timeout',
  413: 'too_large',
  415: 'unsupported_media_type',
  503: 'unavailable',
};

function codeOf(status: number): string {
  return CODES[status] ?? (status < 500 ? 'invalid_request' : 'internal_error');
}
