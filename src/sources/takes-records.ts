/* What all routes have in common that take records of a source. */
import { applyDecorators } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import {
  ApiConflictResponse,
  ApiPayloadTooLargeResponse,
  ApiServiceUnavailableResponse,
} from '@nestjs/swagger';
import { ReadCredentialsBy } from '../platform/access/credentials.js';
import { NaturallyIdempotent } from '../platform/access/idempotency.interceptor.js';
import { RequireScope } from '../platform/access/scope.js';
import { type ProblemExtension } from '../platform/http/problem.filter.js';
import { RAW_BODY } from '../platform/http/raw-body.js';
import { SourceCredentials } from './source-credentials.js';

/** A route that takes records, whose refusals may have members that its clients look for. */
export const TakesRecords = (extension: Partial<ProblemExtension> = {}): MethodDecorator =>
  applyDecorators(
    RequireScope('ingest'),
    ReadCredentialsBy(SourceCredentials),
    RouteConfig({ ...RAW_BODY, ...extension }),
    NaturallyIdempotent(),
    ApiConflictResponse({ description: 'The source is archived (`source_archived`).' }),
    ApiPayloadTooLargeResponse({
      description:
        'The body is too large (`too_large`) or holds too many records (`too_many_events`).',
    }),
    ApiServiceUnavailableResponse({
      description:
        'Not all events could be stored in time; send the request again, what was stored counts once (`unavailable`).',
    }),
  );
