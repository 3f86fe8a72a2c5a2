/* What a handler's decorators say of its route, read as the guard and the interceptor read it. */
import { type Type as Class } from '@nestjs/common';
import { ModulesContainer, Reflector } from '@nestjs/core';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { NATURALLY_IDEMPOTENT } from '../access/idempotency.interceptor.js';
import { PUBLIC, REQUIRED_SCOPE, type Scope } from '../access/scope.js';

export interface DocumentedRoute {
  /** Name of the handler. */
  readonly handler: string;
  readonly scope: Scope | typeof PUBLIC | undefined;
  readonly isNaturallyIdempotent: boolean;
}

/** What a handler is known by while the document is made. */
export function routeKey(controller: string, handler: string): string {
  return `${controller}.${handler}`;
}

/** Finds the route of a key; null when no controller has such a handler. */
export function routeFinder(app: NestFastifyApplication): (key: string) => DocumentedRoute | null {
  const reflector = app.get(Reflector);
  const controllers = new Map(
    [...app.get(ModulesContainer).values()]
      .flatMap((module) => [...module.controllers.values()])
      .map(({ metatype }) => [metatype?.name ?? '', metatype as Class]),
  );
  return (key) => {
    const [name = '', handler = ''] = key.split('.');
    const controller = controllers.get(name);
    const method = (controller?.prototype as Record<string, unknown> | undefined)?.[handler];
    if (controller === undefined || typeof method !== 'function') {
      return null;
    }
    const own = method as () => unknown;
    return {
      handler,
      scope: reflector.getAllAndOverride<Scope | typeof PUBLIC | undefined>(REQUIRED_SCOPE, [
        own,
        controller,
      ]),
      isNaturallyIdempotent: reflector.get<unknown>(NATURALLY_IDEMPOTENT, own) === true,
    };
  };
}
