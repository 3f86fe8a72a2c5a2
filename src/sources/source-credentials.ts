/* Where senders of records show their key: many cannot set Authorization, or put into it what they like. */
import { Injectable } from '@nestjs/common';
import { type FastifyRequest } from 'fastify';
import {
  ANY_SOURCE,
  basicTokens,
  bearerTokens,
  type Credentials,
  type CredentialsReader,
} from '../platform/access/credentials.js';
import { type TokenPlace } from './source.js';
import { SourcesService } from './sources.service.js';

/** Where clients that are made for another service put what they take for its key. */
const MOESIF_HEADER = { header: 'x-moesif-application-id' };
const TOKEN = /^[^\s]{1,500}$/;

@Injectable()
export class SourceCredentials implements CredentialsReader {
  constructor(private readonly sources: SourcesService) {}

  /**
   * The place that the source names, Moesif's header, then Bearer, then the password and the user of
   * Basic. Where the address names no source, the key does.
   */
  async read(request: FastifyRequest): Promise<Credentials> {
    const { authorization } = request.headers;
    const { key } = request.params as { key?: string };
    const ready = key === undefined ? null : await this.sources.find(key);
    return {
      tokens: [
        ...tokensAt(request, ready?.source.tokenPlace ?? null),
        ...tokensAt(request, MOESIF_HEADER),
        ...bearerTokens(authorization),
        ...basicTokens(authorization),
      ],
      sourceId: key === undefined ? ANY_SOURCE : (ready?.source.id ?? null),
    };
  }
}

function tokensAt(request: FastifyRequest, place: TokenPlace | null): string[] {
  if (place === null) {
    return [];
  }
  const value =
    'header' in place
      ? request.headers[place.header]
      : (request.query as Record<string, unknown>)[place.query];
  return typeof value === 'string' && TOKEN.test(value) ? [value] : [];
}
