/* What a handler's decorators say of its route, read as the guard and the interceptor read it. */
import { Reflector } from '@nestjs/core';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { NATURALLY_IDEMPOTENT } from '../access/idempotency.interceptor.js';
import { PUBLIC, REQUIRED_SCOPE, type Scope } from '../access/scope.js';
import { handlerFinder } from './handler-finder.js';

export interface DocumentedRoute {
  /** Name of the handler. */
  readonly handler: string;
  readonly scope: Scope | typeof PUBLIC | undefined;
  readonly isNaturallyIdempotent: boolean;
}

/** Finds the route of a handler's name; null when no controller has such a handler. */
export function routeFinder(app: NestFastifyApplication): (key: string) => DocumentedRoute | null {
  const reflector = app.get(Reflector);
  const findHandler = handlerFinder(app);
  return (key) => {
    const handler = findHandler(key);
    if (handler === null) {
      return null;
    }
    const { name, method, controller } = handler;
    return {
      handler: name,
      scope: reflector.getAllAndOverride<Scope | typeof PUBLIC | undefined>(REQUIRED_SCOPE, [
        method,
        controller,
      ]),
      isNaturallyIdempotent: reflector.get<unknown>(NATURALLY_IDEMPOTENT, method) === true,
    };
  };
}
