import { type CanActivate, type ExecutionContext, Injectable, type Type } from '@nestjs/common';
import { ModuleRef, Reflector } from '@nestjs/core';
import { type FastifyRequest } from 'fastify';
import { DomainError } from '../../kernel/errors.js';
import { allows, type ApiKey } from './api-key.js';
import { ApiKeysService } from './api-keys.service.js';
import {
  ANY_SOURCE,
  bearerTokens,
  type Credentials,
  CREDENTIALS_READER,
  type CredentialsReader,
} from './credentials.js';
import { PUBLIC, REQUIRED_SCOPE, type Scope } from './scope.js';

export interface AuthenticatedRequest extends FastifyRequest {
  apiKey?: ApiKey;
  /** What it was let through to: it is asked for before its body is read, and not once more after that. */
  admittedTo?: { readonly method: Method; readonly controller: Type };
}

/** A method of a controller, whose decorators say who may call it. */
type Method = ReturnType<ExecutionContext['getHandler']>;

/** Lets a request through whose key has the route's scope, and is bound to no other source. */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly modules: ModuleRef,
    private readonly apiKeys: ApiKeysService,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    await this.admit(request, context.getHandler(), context.getClass());
    return true;
  }

  /**
   * Lets a request to a method of a controller through, and tells it the key.
   *
   * @throws DomainError `unauthorized` or `forbidden`
   */
  async admit(request: AuthenticatedRequest, method: Method, controller: Type): Promise<void> {
    const { admittedTo } = request;
    if (admittedTo?.method !== method || admittedTo.controller !== controller) {
      await this.check(request, method, controller);
      request.admittedTo = { method, controller };
    }
  }

  private async check(
    request: AuthenticatedRequest,
    method: Method,
    controller: Type,
  ): Promise<void> {
    const scope = this.reflector.getAllAndOverride<Scope | typeof PUBLIC | undefined>(
      REQUIRED_SCOPE,
      [method, controller],
    );
    if (scope === PUBLIC) {
      return;
    }
    const { tokens, sourceId } = await this.read(request, method);
    const key = await this.authenticate(tokens);
    if (scope === undefined || !allows(key.scopes, scope)) {
      throw new DomainError(
        'forbidden',
        'missing_scope',
        `This key lacks the scope '${scope ?? 'none'}' that the route needs.`,
      );
    }
    if (key.sourceId !== null && sourceId !== ANY_SOURCE && key.sourceId !== sourceId) {
      throw new DomainError(
        'forbidden',
        'bound_to_source',
        'This key is the token of a source, and may send to that source only.',
      );
    }
    request.apiKey = key;
  }

  private async read(request: FastifyRequest, method: Method): Promise<Credentials> {
    const reader = this.reflector.get<Type<CredentialsReader> | undefined>(
      CREDENTIALS_READER,
      method,
    );
    return reader === undefined
      ? { tokens: bearerTokens(request.headers.authorization), sourceId: null }
      : await this.modules.get<CredentialsReader>(reader, { strict: false }).read(request);
  }

  private async authenticate(tokens: readonly string[]): Promise<ApiKey> {
    for (const token of tokens) {
      const key = await this.apiKeys.authenticate(token);
      if (key !== null) {
        return key;
      }
    }
    const isMissing = tokens.length === 0;
    throw new DomainError(
      'unauthorized',
      isMissing ? 'missing_api_key' : 'invalid_api_key',
      isMissing
        ? 'Send an API key in the header Authorization: Bearer <key>.'
        : 'There is no such API key in force.',
    );
  }
}
