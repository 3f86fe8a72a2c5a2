/*
 * Asks the guard before the body of a request is read: Nest's guards run after it, and whoever has no
 * key could make the service read and hold what he likes. The guard itself still asks, for whatever
 * came here by another way.
 */
import { type INestApplicationContext } from '@nestjs/common';
import {
  type FastifyRequest,
  type onRequestAsyncHookHandler,
  type onRequestHookHandler,
  type RouteOptions,
} from 'fastify';
import { type Handler } from '../http/handler-finder.js';
import { ApiKeyGuard } from './api-key.guard.js';

/** For `@RouteConfig` of a route that refuses everything, without reading it. */
export interface RefusesAll {
  readonly refuse: (request: FastifyRequest) => Error;
}

/** For `onRoute`: lets nobody in whom the guard does not. A route without a handler is no controller's. */
export function admitFirst(
  app: INestApplicationContext,
  route: RouteOptions,
  handler: Handler | null,
): void {
  const { refuse } = (route.config ?? {}) as Partial<RefusesAll>;
  if (refuse !== undefined) {
    addHook(route, (request, _, done) => {
      done(refuse(request));
    });
  } else if (handler !== null) {
    const guard = app.get(ApiKeyGuard, { strict: false });
    addHook(route, async (request: FastifyRequest) => {
      await guard.admit(request, handler.method, handler.controller);
    });
  }
}

function addHook(
  route: RouteOptions,
  hook: onRequestHookHandler | onRequestAsyncHookHandler,
): void {
  const before = route.onRequest ?? [];
  route.onRequest = [...(Array.isArray(before) ? before : [before]), hook];
}
