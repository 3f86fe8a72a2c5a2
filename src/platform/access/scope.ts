import { SetMetadata } from '@nestjs/common';

/** What an API key may do; `admin` may do everything. */
export const SCOPES = ['ingest', 'read', 'configure', 'bill', 'admin'] as const;

export type Scope = (typeof SCOPES)[number];

export const REQUIRED_SCOPE = 'meterline:scope';
export const PUBLIC = 'public';

/** The scope that a route asks for. A route without one is refused to everybody: forgetting it opens nothing. */
export const RequireScope = (scope: Scope): MethodDecorator & ClassDecorator =>
  SetMetadata(REQUIRED_SCOPE, scope);

/** A route that needs no key: health, documentation, and what is checked by a signature instead. */
export const Public = (): MethodDecorator & ClassDecorator => SetMetadata(REQUIRED_SCOPE, PUBLIC);
