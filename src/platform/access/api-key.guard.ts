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
}

/** Lets a request through whose key has the route's scope, and is bound to no other source. */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly modules: ModuleRef,
    private readonly apiKeys: ApiKeysService,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const scope = this.reflector.getAllAndOverride<Scope | typeof PUBLIC | undefined>(
      REQUIRED_SCOPE,
      [context.getHandler(), context.getClass()],
    );
    if (scope === PUBLIC) {
      return true;
    }
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    const { tokens, sourceId } = await this.read(request, context);
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
    return true;
  }

  private async read(request: FastifyRequest, context: ExecutionContext): Promise<Credentials> {
    const reader = this.reflector.get<Type<CredentialsReader> | undefined>(
      CREDENTIALS_READER,
      context.getHandler(),
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
