/*
 * Clients that are made for another service know no sources. The address may name one; else the token
 * does, when it is bound to one; else it is the source that is called as their protocol.
 */
import { applyDecorators, Injectable } from '@nestjs/common';
import { ApiBadRequestResponse } from '@nestjs/swagger';
import { DomainError, notFound } from '../../kernel/errors.js';
import { type AuthenticatedRequest } from '../../platform/access/api-key.guard.js';
import { ReadCredentialsBy } from '../../platform/access/credentials.js';
import { RequireScope } from '../../platform/access/scope.js';
import { type ProblemExtension } from '../../platform/http/problem.filter.js';
import { type RecordReceipt } from '../read-records.js';
import { type Source } from '../source.js';
import { SourceCredentials } from '../source-credentials.js';
import { type ReceivedRecords, SourceIngestService } from '../source-ingest.service.js';
import { SourcesService } from '../sources.service.js';
import { TakesRecords } from '../takes-records.js';

/** What a client speaks. */
export interface Protocol {
  /** Key of the source that takes what comes with a key that is bound to none. */
  readonly name: string;
  /** Formats that read it; the first is the usual one. */
  readonly formats: readonly [string, ...string[]];
}

const NO_SOURCE =
  'There is no source for it (`no_source`), the source is of another format (`wrong_format`)';

/** A route to which such a client sends. */
export const TakesFromClient = (extension: Partial<ProblemExtension> = {}): MethodDecorator =>
  applyDecorators(
    TakesRecords(extension),
    ApiBadRequestResponse({ description: `${NO_SOURCE}, or nothing of the body can be taken.` }),
  );

/** A route that such a client asks. */
export const AnswersClient = (): MethodDecorator =>
  applyDecorators(
    RequireScope('ingest'),
    ReadCredentialsBy(SourceCredentials),
    ApiBadRequestResponse({ description: `${NO_SOURCE}.` }),
  );

@Injectable()
export class ClientIntake {
  constructor(
    private readonly sources: SourcesService,
    private readonly records: SourceIngestService,
  ) {}

  /**
   * Takes the records of a request and answers after they are stored.
   *
   * @throws DomainError when there is no source for it, nothing of it can be read, or `unavailable`
   */
  async receive(request: AuthenticatedRequest, protocol: Protocol): Promise<ReceivedRecords> {
    const { key } = await this.findSource(request, protocol);
    const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    const requestKey = request.headers['idempotency-key'];
    return await this.records.receive(key, body, {
      contentType: request.headers['content-type'] ?? '',
      requestKey: typeof requestKey === 'string' ? requestKey : null,
    });
  }

  /**
   * The source that a request is for.
   *
   * @throws DomainError when there is none, or it is of another format
   */
  async findSource(request: AuthenticatedRequest, protocol: Protocol): Promise<Source> {
    const { key } = request.params as { key?: string };
    const { name, formats } = protocol;
    const idOrKey = key ?? request.apiKey?.sourceId ?? name;
    const source = (await this.sources.find(idOrKey))?.source;
    if (source === undefined) {
      throw key === undefined ? noSource(protocol) : notFound('source', key);
    }
    if (!formats.includes(source.format)) {
      throw new DomainError(
        'invalid',
        'wrong_format',
        `The source '${source.key}' has the format '${source.format}'; here it must be ${formats.join(' or ')}.`,
      );
    }
    return source;
  }
}

/**
 * A request of which some was taken is no failure, since what was refused is kept for repair and its
 * sender would lose or repeat the rest.
 *
 * @throws DomainError when nothing was taken of something
 */
export function refuseIfNoneTaken(receipts: readonly RecordReceipt[]): void {
  const [first] = receipts;
  if (first !== undefined && receipts.every((receipt) => !isTaken(receipt))) {
    throw new DomainError('invalid', first.code ?? 'rejected', first.detail ?? 'It was refused.');
  }
}

/** Whether a record counts, now or since earlier, or is no usage. */
export function isTaken({ status }: RecordReceipt): boolean {
  return status !== 'rejected' && status !== 'conflict';
}

function noSource({ name, formats: [format] }: Protocol): DomainError {
  return new DomainError(
    'invalid',
    'no_source',
    `Create a source with the key '${name}' and the format '${format}' (POST /api/v1/sources), or use a token of a source of this format.`,
  );
}
