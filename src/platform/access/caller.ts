import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { type AuthenticatedRequest } from './api-key.guard.js';

/** The id of the API key that the request came with: who did it, for what is recorded. */
export const CallerKeyId = createParamDecorator((_: unknown, context: ExecutionContext): string => {
  const { apiKey } = context.switchToHttp().getRequest<AuthenticatedRequest>();
  if (apiKey === undefined) {
    throw new Error('Only a route with a scope knows its caller');
  }
  return apiKey.id;
});
