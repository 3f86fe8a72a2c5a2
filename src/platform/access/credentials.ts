/* Where a request shows its key. A route may look in more places than Authorization: Bearer. */
import { SetMetadata, type Type } from '@nestjs/common';
import { type FastifyRequest } from 'fastify';

const BEARER = /^Bearer +([^\s]{1,500})$/i;
const BASIC = /^Basic +([A-Za-z0-9+/=_-]{1,1000})$/i;

/** Stands for whichever source a key is bound to. */
export const ANY_SOURCE = Symbol('any source');

export const CREDENTIALS_READER = 'meterline:credentials-reader';

/** What a request shows of itself. */
export interface Credentials {
  /** What may be a key, in the order in which it is tried. */
  readonly tokens: readonly string[];
  /** The source whose own keys are taken, too; null: only keys that are bound to none. */
  readonly sourceId: string | null | typeof ANY_SOURCE;
}

/** Reads the credentials of requests to a route that takes them in its own way. */
export interface CredentialsReader {
  read(request: FastifyRequest): Promise<Credentials>;
}

/** Names the provider that reads the credentials of a route; without it: Authorization: Bearer. */
export const ReadCredentialsBy = (reader: Type<CredentialsReader>): MethodDecorator =>
  SetMetadata(CREDENTIALS_READER, reader);

/** The token of `Authorization: Bearer`, if there is one. */
export function bearerTokens(header: string | undefined): string[] {
  const token = BEARER.exec(header ?? '')?.[1];
  return token === undefined ? [] : [token];
}

/** The password and then the user of `Authorization: Basic` (RFC 7617), as far as they are given. */
export function basicTokens(header: string | undefined): string[] {
  const encoded = BASIC.exec(header ?? '')?.[1];
  if (encoded === undefined) {
    return [];
  }
  const [user = '', ...password] = Buffer.from(encoded, 'base64').toString('utf8').split(':');
  return [password.join(':'), user].filter((token) => token !== '');
}
