import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { type FastifyRequest } from 'fastify';
import { DomainError } from '../../kernel/errors.js';
import { allows, type ApiKey } from './api-key.js';
import { ApiKeysService } from './api-keys.service.js';
import { PUBLIC, REQUIRED_SCOPE, type Scope } from './scope.js';

const BEARER = /^Bearer +([^\s]{1,500})$/i;

export interface AuthenticatedRequest extends FastifyRequest {
  apiKey?: ApiKey;
}

/** Lets a request through whose bearer key has the route's scope. */
@Injectable()
export class ApiKeyGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
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
    const key = await this.authenticate(request.headers.authorization);
    if (scope === undefined || !allows(key.scopes, scope)) {
      throw new DomainError(
        'forbidden',
        'missing_scope',
        `This key lacks the scope '${scope ?? 'none'}' that the route needs.`,
      );
    }
    request.apiKey = key;
    return true;
  }

  private async authenticate(header: string | undefined): Promise<ApiKey> {
    const token = BEARER.exec(header ?? '')?.[1];
    const key = token === undefined ? null : await this.apiKeys.authenticate(token);
    if (key === null) {
      throw new DomainError(
        'unauthorized',
        token === undefined ? 'missing_api_key' : 'invalid_api_key',
        token === undefined
          ? 'Send an API key in the header Authorization: Bearer <key>.'
          : 'There is no such API key in force.',
      );
    }
    return key;
  }
}
