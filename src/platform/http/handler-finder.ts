/* Which method of which controller is behind a route: by the name that Nest gives its handler. */
import { type INestApplicationContext, type Type } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';

/** A method of a controller, with what its decorators say. */
export interface Handler {
  readonly controller: Type;
  readonly name: string;
  readonly method: () => unknown;
}

/** What a handler is known by, to Nest and in the documentation. */
export function handlerName(controller: string, method: string): string {
  return `${controller}.${method}`;
}

/** Finds the handler of a name; null when no controller has such a method. */
export function handlerFinder(app: INestApplicationContext): (name: string) => Handler | null {
  const controllers = new Map(
    [...app.get(ModulesContainer).values()]
      .flatMap((module) => [...module.controllers.values()])
      .map(({ metatype }) => [metatype?.name ?? '', metatype as Type]),
  );
  return (full) => {
    const [owner = '', name = ''] = full.split('.');
    const controller = controllers.get(owner);
    const method = (controller?.prototype as Record<string, unknown> | undefined)?.[name];
    return controller === undefined || typeof method !== 'function'
      ? null
      : { controller, name, method: method as () => unknown };
  };
}
