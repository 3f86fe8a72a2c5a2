/*
 * Routes that are called thousands of times a second go from Fastify straight to their method: past
 * Nest's interceptors and pipes, of which they need none, and which cost more than all that such a
 * route does itself. The guard, the problem filter and the documentation are those of every route.
 */
import { type INestApplicationContext, type Type } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { FASTIFY_ROUTE_CONFIG_METADATA } from '@nestjs/platform-fastify/constants.js';
import { type FastifyReply, type RouteHandlerMethod, type RouteOptions } from 'fastify';
import { ApiKeyGuard, type AuthenticatedRequest } from '../access/api-key.guard.js';

/** What a direct route is: a method of the request and its reply that answers what is sent, as JSON. */
type DirectMethod = (request: AuthenticatedRequest, reply: FastifyReply) => Promise<object>;

type DirectMethodDecorator = <Method extends DirectMethod>(
  target: object,
  name: string,
  descriptor: TypedPropertyDescriptor<Method>,
) => void;

interface DirectConfig {
  readonly controller: Type<Record<string, DirectMethod>>;
  readonly name: string;
}

/**
 * A route without interceptors and pipes, for what is answered 200 (`@HttpCode(200)` says so to the
 * documentation) and is naturally idempotent. Its method has `@Req()` and `@Res({ passthrough: true })`
 * as its parameters and belongs to the controller itself, no class above it. Stands above `RouteConfig`.
 */
export const DirectRoute = (): DirectMethodDecorator => (target, name, descriptor) => {
  const config: object | undefined = Reflect.getMetadata(
    FASTIFY_ROUTE_CONFIG_METADATA,
    descriptor.value ?? target,
  );
  const direct = { controller: target.constructor, name };
  RouteConfig({ ...config, direct })(target, name, descriptor);
};

/** For `onRoute`: gives a direct route its handler in place of the one that Nest has made. */
export function makeDirect(app: INestApplicationContext, route: RouteOptions): void {
  const { direct } = (route.config ?? {}) as { direct?: DirectConfig };
  if (direct !== undefined) {
    route.handler = directHandler(app, direct);
  }
}

function directHandler(
  app: INestApplicationContext,
  { controller, name }: DirectConfig,
): RouteHandlerMethod {
  const guard = app.get(ApiKeyGuard, { strict: false });
  const instance = app.get(controller, { strict: false });
  const method = instance[name];
  if (method === undefined) {
    throw new Error(`${controller.name} has no method ${name}`);
  }
  return async (request, reply) => {
    await guard.admit(request, method, controller);
    return await method.call(instance, request, reply);
  };
}
