import { createHash } from 'node:crypto';
import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  SetMetadata,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { type FastifyReply } from 'fastify';
import { from, lastValueFrom, type Observable } from 'rxjs';
import { Clock } from '../../kernel/clock.js';
import { conflict, invalidField } from '../../kernel/errors.js';
import { Database } from '../database/database.js';
import { type AuthenticatedRequest } from './api-key.guard.js';
import { sameHash } from './api-key.js';
import { IdempotencyStore } from './idempotency.store.js';

export const NATURALLY_IDEMPOTENT = 'meterline:naturally-idempotent';
/** Stripe takes as many. */
export const MAX_KEY_LENGTH = 255;
/** Shown in the first answer only, hence not kept. */
const SECRET_FIELDS = ['token', 'secret'];

/** A POST that may be sent again as it is, and for which an Idempotency-Key means nothing. */
export const NaturallyIdempotent = (): MethodDecorator => SetMetadata(NATURALLY_IDEMPOTENT, true);

interface Attempt {
  readonly apiKeyId: string;
  readonly key: string;
  readonly requestHash: Buffer;
}

/**
 * A POST with an Idempotency-Key runs in one transaction with the record of its answer: sent again,
 * in parallel or after a crash, it takes effect once and is answered the same. Refusals are not
 * recorded, so a mended request may use the same key.
 */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  constructor(
    private readonly reflector: Reflector,
    private readonly database: Database,
    private readonly store: IdempotencyStore,
    private readonly clock: Clock,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    const request = http.getRequest<AuthenticatedRequest>();
    const key = request.headers['idempotency-key'];
    const isNatural = this.reflector.get<boolean | undefined>(
      NATURALLY_IDEMPOTENT,
      context.getHandler(),
    );
    if (request.method !== 'POST' || key === undefined || !request.apiKey || isNatural === true) {
      return next.handle();
    }
    const attempt = describe(request, request.apiKey.id, key);
    return from(this.once(attempt, next, http.getResponse<FastifyReply>()));
  }

  private async once(attempt: Attempt, next: CallHandler, reply: FastifyReply): Promise<unknown> {
    const { apiKeyId, key, requestHash } = attempt;
    return await this.database.transaction(async () => {
      const answer = await this.store.claim(apiKeyId, key, requestHash, this.clock.now());
      if (answer === null) {
        const result: unknown = await lastValueFrom(next.handle());
        await this.store.record(apiKeyId, key, reply.statusCode, withoutSecrets(result));
        return result;
      }
      if (!sameHash(answer.requestHash, requestHash)) {
        throw conflict(
          'idempotency_key_reused',
          'This Idempotency-Key was used for another request.',
        );
      }
      void reply.status(answer.status).header('idempotent-replayed', 'true');
      return answer.response;
    });
  }
}

function describe(
  request: AuthenticatedRequest,
  apiKeyId: string,
  key: string | string[],
): Attempt {
  if (typeof key !== 'string' || key.length === 0 || key.length > MAX_KEY_LENGTH) {
    throw invalidField(
      'Idempotency-Key',
      'invalid_idempotency_key',
      `must be one header of 1 to ${MAX_KEY_LENGTH} characters`,
    );
  }
  const requestHash = createHash('sha256')
    .update(`${request.method} ${request.url}\n${JSON.stringify(request.body ?? null)}`)
    .digest();
  return { apiKeyId, key, requestHash };
}

function withoutSecrets(result: unknown): unknown {
  if (typeof result !== 'object' || result === null) {
    return result;
  }
  const secrets = SECRET_FIELDS.filter((field) => field in result);
  return { ...result, ...Object.fromEntries(secrets.map((field) => [field, null])) };
}
